from __future__ import annotations

import numpy as np
import pytest

from luthier.history import History
from luthier.samplers.auto import AutoSampler
from luthier.samplers.gp import GPSampler
from luthier.samplers.tpe import TPESampler
from luthier.space import Float, Space
from luthier.testing.samplers import SPACES, SamplerContract, history_of


class TestContract(SamplerContract):
    examples = 8

    def make(self):
        return AutoSampler()


def ask(sampler, history):
    return sampler.suggest(history.space, history, np.random.default_rng(7), 1)


@pytest.mark.parametrize(("n", "other"), [(4, GPSampler), (40, GPSampler), (200, GPSampler), (201, TPESampler)])
def test_who_is_asked_depends_on_the_number_of_trials(n, other):
    history = history_of(SPACES["conditional"], n)
    assert ask(AutoSampler(), history) == ask(other(), history)


@pytest.mark.parametrize(("parameters", "other"), [(200, GPSampler), (201, TPESampler)])
def test_spaces_with_very_many_parameters_go_to_tpe(parameters, other):
    history = history_of(Space({f"x{i}": Float(0, 1) for i in range(parameters)}), 20)
    assert ask(AutoSampler(), history) == ask(other(), history)


def test_the_initial_design_is_the_same_on_both_sides():
    space = Space({f"x{i}": Float(0, 1) for i in range(201)})
    assert ask(AutoSampler(), History(space)) == ask(GPSampler(), History(space))


def test_repr():
    assert repr(AutoSampler()) == "AutoSampler()"
