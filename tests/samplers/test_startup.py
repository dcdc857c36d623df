"""The initial design: defaults first, then even points, another design for every study."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import qmc

from luthier.history import History
from luthier.samplers.startup import default_startup_trials, startup
from luthier.space import Choice, Float, Int, Space
from luthier.testing.samplers import SPACES, history_of
from luthier.trial import TrialRecord, TrialState
from luthier.types import Configuration

SQUARE = Space({"x": Float(0, 1), "y": Float(0, 1)})


def design(space: Space, seed: int, n: int) -> list[Configuration]:
    history = History(space)
    for number in range(n):
        found = startup(space, history, np.random.default_rng([seed, number]), 1, n)
        assert found is not None
        history.put([TrialRecord(number, TrialState.COMPLETE, found[0], (0.0,))])
    assert startup(space, history, np.random.default_rng(0), 1, n) is None
    return [dict(r.params) for r in history.records]


@pytest.mark.parametrize(("d", "expected"), [(1, 5), (3, 6), (7, 14), (40, 15)])
def test_its_length(d: int, expected: int) -> None:
    assert default_startup_trials(Space({f"x{i}": Float(0, 1) for i in range(d)}), per_parameter=2) == expected


def test_defaults_come_first_and_once() -> None:
    space = SPACES["defaults"]
    found = design(space, 0, 8)
    assert found[0] == space.defaults()
    assert found.count(space.defaults()) == 1


def test_defaults_that_require_forbids_are_left_out() -> None:
    space = Space({"x": Float(0, 1, default=0.9)}, require=["x < 0.5"])
    assert all(float(c["x"]) < 0.5 for c in design(space, 0, 6))  # type: ignore[arg-type]


def test_defaults_that_somebody_enqueued_are_not_repeated() -> None:
    space = SPACES["defaults"]
    history = History(space)
    history.put([TrialRecord(0, TrialState.RUNNING, {"x": 0.1, "c": "a", "n": 2})])
    history.put([TrialRecord(1, TrialState.FAIL, space.defaults())])
    found = startup(space, history, np.random.default_rng(0), 3, 10)
    assert found is not None
    assert space.defaults() not in found


def test_it_is_more_even_than_random_points() -> None:
    random = np.mean([qmc.discrepancy(np.random.default_rng(s).random((15, 2))) for s in range(10)])
    found = np.mean([qmc.discrepancy(SQUARE.encode(design(SQUARE, s, 15))) for s in range(10)])
    assert found < 0.6 * random


def test_another_seed_gives_another_design() -> None:
    points = [json.dumps(c) for seed in range(5) for c in design(SQUARE, seed, 8)]
    assert len(set(points)) == len(points)


def test_a_batch_is_what_one_after_another_would_be() -> None:
    whole = startup(SQUARE, History(SQUARE), np.random.default_rng([3, 0]), 8, 8)
    assert whole == design(SQUARE, 3, 8)


def test_running_and_pruned_trials_count_failed_ones_do_not() -> None:
    for state, over in [
        (TrialState.RUNNING, True),
        (TrialState.PRUNED, True),
        (TrialState.FAIL, False),
        (TrialState.WAITING, False),
    ]:
        history = history_of(SQUARE, 6, change=lambda record, _, state=state: record.with_(state=state, values=None))
        assert (startup(SQUARE, history, np.random.default_rng(0), 1, 6) is None) == over


def test_numbers_are_rows_that_wait_then_new_ones() -> None:
    history = history_of(SQUARE, 4)
    history.put([TrialRecord(2, TrialState.WAITING)])
    assert history.next_numbers(3) == [2, 4, 5]


def test_more_parameters_than_sobol_points_have() -> None:
    space = Space({**{f"x{i}": Int(0, 3) for i in range(21_201)}, "c": Choice(["a", "b"])})
    found = startup(space, History(space), np.random.default_rng(0), 2, 5)
    assert found is not None
    assert found[0] != found[1]
