from __future__ import annotations

import numpy as np
import pytest

import luthier as lt
from luthier.history import History
from luthier.samplers import GPSampler
from luthier.samplers.gp.acquisition import Acquisition
from luthier.samplers.gp.plateaus import Steps, on_plateau, step
from luthier.space import Choice, Float, Space
from luthier.surrogates.gp.hyperparameters import starts
from luthier.surrogates.gp.kernel import Embedding
from luthier.surrogates.gp.posterior import condition
from luthier.trial import TrialRecord, TrialState


def unit(d):
    return Space({f"x{i}": Float(0, 1) for i in range(d)})


def column(*positions):
    return np.array(positions, dtype=float)[:, None]


def history_of(space, X, losses):
    h = History(space, ("minimize",))
    h.put(
        TrialRecord(i, TrialState.FAIL, row) if np.isnan(loss) else TrialRecord(i, TrialState.COMPLETE, row, (loss,))
        for i, (row, loss) in enumerate(zip(space.decode(X), map(float, losses), strict=True))
    )
    return h


def search(space, objective, n, seed):
    sampler, history = GPSampler(), History(space, ("minimize",))
    for i in range(n):
        (found,) = sampler.suggest(space, history, np.random.default_rng([seed, i]), 1)
        history.put([TrialRecord(i, TrialState.COMPLETE, found, (float(objective(found)),))])
    return history


# -- what counts as a plateau


SPREAD = np.random.default_rng(0).random((20, 3))


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        (np.ones(20), True),  # constant
        (0.6931 + 1e-5 * SPREAD[:, 0] + 0.1 * (np.arange(20) >= 8), True),  # eight at chance, the others worse
        (np.where(np.arange(20) == 3, 0.5, 0.6931), False),  # one stands out
        (np.where(np.arange(20) < 2, 0.5, 0.6931), False),  # two may be chance
        (SPREAD.sum(axis=1), False),  # a slope
    ],
)
def test_a_plateau_is_where_nothing_stands_out(losses, expected):
    assert on_plateau(SPREAD, losses) is expected
    assert on_plateau(SPREAD, 1e6 * losses - 3.0) is expected  # whatever the unit


def test_equal_values_in_one_valley_are_no_plateau():
    near = 0.5 + 0.05 * (SPREAD[:8] - 0.5)
    Z = np.concatenate([near, SPREAD[8:]])
    losses = np.where(np.arange(20) < 8, 1.0, 2.0)
    assert not on_plateau(Z, losses)
    assert on_plateau(SPREAD, losses)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_trials_are_no_plateau(n):
    assert not on_plateau(SPREAD[:n], np.ones(n))


def test_huge_values():
    assert on_plateau(SPREAD, np.where(np.arange(20) < 8, -1.7e308, 1.7e308))
    assert not on_plateau(SPREAD, 1.7e308 * np.linspace(-1, 1, 20))


def test_trials_of_one_configuration_are_a_plateau_without_error():
    assert on_plateau(np.zeros((5, 2)), np.ones(5))


# -- how wide the steps are


def test_the_width_of_steps():
    Z = column(0.0, 0.1, 0.2, 1.0, 1.1, 1.2, 2.0)
    assert step(Z, np.array([5.0, 5, 5, 3, 3, 3, 4])) == pytest.approx((1.5 * 0.2) ** 2)


@pytest.mark.parametrize(
    "losses",
    [
        [7.0, 6, 5, 4, 3, 2, 1],  # a slope
        [5.0, 5, 6, 4, 3, 2, 1],  # one pair may be chance
        [5.0, 1, 2, 5, 3, 4, 5],  # equal, but far from each other
    ],
)
def test_no_steps(losses):
    assert step(column(0.0, 0.1, 0.2, 1.0, 1.1, 1.2, 2.0), np.array(losses)) == 0.0
    assert step(np.empty((0, 1)), np.empty(0)) == 0.0


def test_what_lies_within_a_step_of_a_trial_is_worth_nothing():
    space = unit(2)
    embedding = Embedding(space)
    X = np.array([[0.2, 0.2], [0.8, 0.6]])
    process = condition(embedding, starts(embedding)[0], embedding(X), np.array([-1.0, 1.0]))
    inner = Acquisition([(process, -1.0)])
    steps = Steps(inner, process, float((0.1 * process.scale[0]) ** 2))
    F = np.array([[0.2, 0.25], [0.2, 0.35], [0.8, 0.65], [0.5, 0.5]])
    value = steps.value(F)
    np.testing.assert_allclose(value[[1, 3]], inner.value(F)[[1, 3]])
    assert value[[0, 2]].max() < value[[1, 3]].min() - 1e5
    np.testing.assert_array_equal(steps.value_and_gradient(F)[1], inner.value_and_gradient(F)[1])
    pending = np.array([[0.5, 0.55]])  # a running trial has its own step around it
    assert steps.fantasize(pending).value(F)[3] < -1e5


# -- what the sampler makes of it


@pytest.mark.parametrize("losses", [np.ones(14), np.where(np.arange(14) % 3, 1.0, np.nan)], ids=["equal", "failures"])
def test_a_search_that_has_seen_only_a_plateau_spreads_out(losses):
    space = unit(6)
    history = history_of(space, space.sample(np.random.default_rng(1), 14), losses)
    found = [GPSampler().suggest(space, history, np.random.default_rng(i), 4) for i in range(10)]
    X = np.concatenate([space.encode(rows) for rows in found])
    assert np.all((X > 0) & (X < 1))  # a model's variance is greatest in the corners, where nobody would look first
    gaps = np.linalg.norm(X[:, None] - X[None], axis=2)[np.triu_indices(len(X), 1)]
    assert gaps.mean() > 0.8  # of points all over the cube of six dimensions: 0.98
    assert X.std(axis=0).min() > 0.2  # uniform: 0.29


def test_finds_a_hole_in_a_plain():
    def objective(c):
        away = np.abs(np.array([c["x0"], c["x1"], c["x2"]]) - 0.35)
        return 1.0 if away.max() > 0.25 else float(away @ away)

    best = [search(unit(4), objective, 40, seed).losses.min() for seed in range(4)]
    assert max(best) < 0.2


def test_the_next_trials_keep_a_step_away_from_all_others():
    space = unit(1)
    X = column(0.0, 0.1, 0.5, 0.9, 1.0)
    history = history_of(space, X, [1.0, 1.0, 0.0, 1.2, 1.2])  # steps of at least 0.1 at both ends
    for i in range(6):
        rows = GPSampler(startup_trials=1).suggest(space, history, np.random.default_rng(i), 2)
        known = np.concatenate([X, space.encode(rows)])[:, 0]
        assert np.abs(np.subtract.outer(known[5:], known[:5])).min() >= 0.149
        assert abs(known[6] - known[5]) >= 0.149


def test_equal_categories_do_not_end_the_search_by_a_model():
    space = Space({c: Choice(list("abcd")) for c in "pqrst"})
    X = space.sample(np.random.default_rng(3), 30)
    wrong = np.sum(np.arange(5) % 4 != X, axis=1)
    history = history_of(space, X, np.maximum(wrong, 3.0))  # all the best are equal, and equally far from each other
    assert np.count_nonzero(history.losses[:, 0] == 3.0) >= 3
    found = [GPSampler().suggest(space, history, np.random.default_rng(i), 1)[0] for i in range(8)]
    left = np.sum(space.encode(found) != np.arange(5) % 4, axis=1)
    assert left.mean() < 3.0  # chance: 3.75


def branin(x, y):
    return (y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10


def holder(x, y):
    return -abs(np.sin(x) * np.cos(y) * np.exp(abs(1 - np.hypot(x, y) / np.pi)))


@pytest.mark.parametrize(
    ("function", "ranges", "best", "near"),
    [(branin, ((-5, 10), (0, 15)), 0.397887, 0.02), (holder, ((-10, 10), (-10, 10)), -19.2085, 0.5)],
)
def test_valleys_of_the_same_depth_are_not_a_plateau(monkeypatch, function, ranges, best, near):
    random = []

    def spied(Z, losses):
        random.append(on_plateau(Z, losses))
        return random[-1]

    monkeypatch.setattr("luthier.samplers.gp.sampler.on_plateau", spied)
    study = lt.create_study(sampler=GPSampler(), seed=1)
    study.optimize(lambda t: function(t.suggest_float("x", *ranges[0]), t.suggest_float("y", *ranges[1])), n_trials=45)
    assert sum(random) <= 3
    assert study.best_value - best < near
