from __future__ import annotations

import numpy as np
import pytest

from luthier.history import History
from luthier.samplers import GPSampler
from luthier.samplers.gp.trust_region import PARAMETERS, trust_region
from luthier.space import Choice, Float, Int, Space
from luthier.surrogates.gp.hyperparameters import starts
from luthier.surrogates.gp.kernel import Embedding
from luthier.surrogates.gp.observations import observations
from luthier.surrogates.gp.posterior import condition
from luthier.surrogates.gp.targets import targets
from luthier.trial import TrialRecord, TrialState


def unit(d):
    return Space({f"x{i}": Float(0, 1) for i in range(d)})


def history(space, losses, seed=0):
    h = History(space, ("minimize",))
    rows = space.decode(space.sample(np.random.default_rng(seed), len(losses)))
    h.put(
        TrialRecord(i, TrialState.COMPLETE, row, (float(loss),))
        for i, (row, loss) in enumerate(zip(rows, losses, strict=True))
    )
    return h


def region(space, losses, stretch=None):
    h = history(space, losses)
    seen, embedding = observations(h), Embedding(space)
    theta = starts(embedding)[0].copy()
    if stretch is not None:
        theta[: len(stretch)] += np.log(stretch)
    process = condition(embedding, theta, embedding(seen.X), targets(seen.losses[:, 0], seen.states))
    centre = seen.X[int(np.argmin(losses))]
    return trust_region(space, embedding, process, seen, centre), centre


def sides(box):
    return box[1] - box[0]


def test_a_space_of_few_parameters_is_searched_whole():
    assert region(unit(PARAMETERS), [3.0, 1.0, 2.0])[0] is None


def test_the_box_lies_around_the_best_and_in_the_space():
    (low, high), centre = region(unit(30), [3.0, 1.0, 2.0])
    assert (low >= 0).all() and (high <= 1).all()
    assert ((low <= centre) & (centre <= high)).all()
    inside = (centre > 0.2) & (centre < 0.8)
    np.testing.assert_allclose(sides((low, high))[inside], 0.4)


@pytest.mark.parametrize(("stale", "side"), [(0, 0.4), (6, 0.4), (7, 0.2), (14, 0.1), (28, 0.025), (35, 0.4)])
def test_it_halves_without_improvement_and_starts_anew(stale, side):
    (low, high), centre = region(unit(30), [1.0, *range(2, 2 + stale)])
    inside = (centre > 0.2) & (centre < 0.8)
    np.testing.assert_allclose(sides((low, high))[inside], side)


def test_it_is_long_where_the_length_scale_is():
    losses = [1.0, *range(2, 25)]
    centre = history(unit(30), losses).X[0]
    one, other, third = np.flatnonzero((centre > 0.2) & (centre < 0.8))[:3]
    stretch = np.ones(30)
    stretch[one], stretch[other] = 2.0, 1e6
    wide = sides(region(unit(30), losses, stretch)[0])
    assert wide[one] == pytest.approx(2 * wide[third])
    assert wide[other] == pytest.approx(0.05 * 4)


MIXED = Space(
    {f"x{i}": Float(0, 1) for i in range(18)}
    | {"n": Int(1, 9), "c": Choice(["a", "b", "c"]), "y": Float(0, 1, when={"c": "b"}), "z": Float(0, 1)}
)


def test_what_the_best_has_not_is_free():
    (low, high), centre = region(MIXED, np.arange(12.0))
    names = list(MIXED.parameters)
    assert (low[names.index("c")], high[names.index("c")]) == (0, 1)
    if np.isnan(centre[names.index("y")]):
        assert (low[names.index("y")], high[names.index("y")]) == (0, 1)


def test_suggestions_lie_in_the_box_and_exist():
    h = history(MIXED, np.linspace(0, 1, 40))
    best = h.X[0]
    found = GPSampler().suggest(MIXED, h, np.random.default_rng(0), 3)
    for config in found:
        assert MIXED.check(config) == config
    X = MIXED.encode(found)[:, :18]
    # 39 trials without improvement: 39 // 5 % 5 = 2 halvings of 0.4, stretched at most four times
    assert (np.abs(X - best[:18]) <= 0.5 * 0.1 * 4 + 1e-9).all()


LIMITED = Space({f"x{i}": Float(0, 1) for i in range(22)} | {"n": Int(1, 9)}, require=["x0 + x1 <= 0.9", "n > 2"])


@pytest.mark.parametrize("losses", [[1.0] * 30, [1e30, *np.linspace(0, 1, 29)], list(1e-300 * np.arange(30))])
@pytest.mark.parametrize("space", [MIXED, LIMITED])
def test_odd_values_give_suggestions_that_exist_and_are_new(space, losses):
    h = history(space, losses)
    for config in GPSampler().suggest(space, h, np.random.default_rng(1), 2):
        assert space.check(config) == config
        assert config not in [record.params for record in h.records]


def test_the_best_in_a_corner():
    space = unit(25)
    h = history(space, np.linspace(1, 2, 40))
    h.put([TrialRecord(40, TrialState.COMPLETE, dict.fromkeys(space.parameters, 1.0), (0.0,))])
    found = space.encode(GPSampler().suggest(space, h, np.random.default_rng(0), 2))
    assert (found >= 1 - 0.2 * 4).all() and (found <= 1).all()
