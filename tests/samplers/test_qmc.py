"""QMCSampler: point k belongs to trial k, and the points are more even than random ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from luthier.history import History
from luthier.samplers.qmc import QMCSampler
from luthier.space import Float, Int, Space
from luthier.testing.samplers import SPACES, SamplerContract, history_of
from luthier.trial import TrialRecord, TrialState

METHODS: list[Any] = ["sobol", "halton", "latin_hypercube"]
SQUARE = Space({"x": Float(0, 1), "y": Float(0, 1)})


class TestSobol(SamplerContract):
    def make(self) -> QMCSampler:
        return QMCSampler()


class TestHalton(SamplerContract):
    examples = 5

    def make(self) -> QMCSampler:
        return QMCSampler("halton", seed=3)


class TestLatinHypercube(SamplerContract):
    examples = 5

    def make(self) -> QMCSampler:
        return QMCSampler("latin_hypercube")


def points(method: Any, space: Space, n: int, seed: int = 0) -> Any:
    return space.encode(QMCSampler(method, seed).suggest(space, History(space), np.random.default_rng(), n))


@pytest.mark.parametrize("method", METHODS)
def test_they_are_more_even_than_random_ones(method: Any) -> None:
    from scipy.stats import qmc

    random = np.mean([qmc.discrepancy(np.random.default_rng(s).random((64, 2))) for s in range(5)])
    assert np.mean([qmc.discrepancy(points(method, SQUARE, 64, s)) for s in range(5)]) < random / 2


@pytest.mark.parametrize("n", [1, 2, 16, 128])
def test_every_doubling_is_a_latin_hypercube(n: int) -> None:
    bins = np.sort(np.floor(points("latin_hypercube", SQUARE, n) * n), axis=0)
    np.testing.assert_array_equal(bins, np.stack([np.arange(n)] * 2, axis=1))


@pytest.mark.parametrize("method", METHODS)
def test_point_k_belongs_to_trial_k(method: Any) -> None:
    space = SPACES["constrained"]
    whole = QMCSampler(method).suggest(space, History(space), np.random.default_rng(0), 40)
    for k in (0, 1, 17, 39):
        assert QMCSampler(method).suggest(space, history_of(space, k), np.random.default_rng(k), 1) == [whole[k]]


def test_a_row_that_waits_gets_its_own_point() -> None:
    whole = points("sobol", SQUARE, 12)
    history = history_of(SQUARE, 10)
    history.put([TrialRecord(4, TrialState.WAITING, {})])
    found = SQUARE.encode(QMCSampler().suggest(SQUARE, history, np.random.default_rng(0), 3))
    np.testing.assert_allclose(found, whole[[4, 10, 11]])


@pytest.mark.parametrize("method", METHODS)
def test_seeds_give_other_sequences(method: Any) -> None:
    assert not np.isclose(points(method, SQUARE, 20, 1), points(method, SQUARE, 20, 2)).all(axis=1).any()


@pytest.mark.parametrize("method", METHODS)
def test_many_parameters_and_many_points(method: Any) -> None:
    wide = Space({f"x{i}": Float(0, 1) for i in range(250)})
    assert np.isfinite(points(method, wide, 5)).all()
    assert abs(points(method, SQUARE, 5000).mean() - 0.5) < 0.01


def test_what_is_required_is_sampled_evenly() -> None:
    space = Space({"x": Float(0, 1), "n": Int(0, 9)}, require=["x < 0.1"])
    counts = np.bincount(np.floor(points("sobol", space, 200)[:, 1] * 10).astype(int), minlength=10)
    assert counts.min() >= 12


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="'halton'"):
        QMCSampler("lattice")  # type: ignore[arg-type]
