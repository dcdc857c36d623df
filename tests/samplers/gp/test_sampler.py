from __future__ import annotations

import numpy as np
import pytest

from luthier.history import History
from luthier.samplers.gp import GPSampler
from luthier.space import Choice, Float, Int, Space
from luthier.surrogates.gp import refits
from luthier.surrogates.gp.fit import fit
from luthier.testing.samplers import SPACES, SamplerContract, history_of, one_by_one
from luthier.trial import TrialRecord, TrialState


class TestContract(SamplerContract):
    def make(self):
        return GPSampler(startup_trials=2)


def search(space, objective, n, sampler=None, seed=0, directions=("minimize",), constraint=None):
    sampler = sampler or GPSampler()
    history = History(space, directions)
    for i in range(n):
        (found,) = sampler.suggest(space, history, np.random.default_rng([seed, i]), 1)
        values = np.atleast_1d(objective(found)).tolist()
        limits = () if constraint is None else (constraint(found),)
        if values != values:
            history.put([TrialRecord(i, TrialState.FAIL, found)])
        else:
            history.put([TrialRecord(i, TrialState.COMPLETE, found, tuple(values), limits)])
    return history


def test_maximizes():
    space = Space({"x": Float(0, 1)})
    history = search(space, lambda c: -((c["x"] - 0.3) ** 2), 15, directions=("maximize",))
    assert history.values.max() > -1e-4


def test_goes_through_a_small_space_once():
    space = Space({"a": Int(1, 4), "b": Choice(["x", "y", "z"])})
    history = search(space, lambda c: c["a"], 12, GPSampler(startup_trials=1))
    assert len({tuple(r.params.values()) for r in history.records}) == 12
    (again,) = GPSampler().suggest(space, history, np.random.default_rng(0), 1)
    assert space.check(again) == again


def test_leaves_a_plateau():
    """A table of trainings, of which a configuration gets the nearest."""
    rng = np.random.default_rng(5)
    table = rng.random((200, 6))
    losses = np.sin(table @ rng.standard_normal(6) * 3)
    space = Space({f"x{i}": Float(0, 1) for i in range(6)})
    for seed in range(2):
        found = search(space, lambda c: losses[np.argmin(((table - list(c.values())) ** 2).sum(axis=1))], 60, seed=seed)
        assert np.count_nonzero(found.losses == found.losses.min()) <= 15
        assert len(np.unique(found.losses)) >= 30


def test_learns_a_constraint():
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    history = search(space, lambda c: c["x"] + c["y"], 30, constraint=lambda c: 0.7 - c["x"])
    assert history.losses[history.feasible].min() == pytest.approx(0.7, abs=0.02)


def test_avoids_where_trials_fail():
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    found = []
    for seed in range(3):
        history = search(space, lambda c: np.nan if c["x"] < 0.5 else c["x"] + c["y"] ** 2, 30, seed=seed)
        found.append(np.isfinite(history.losses[10:]).mean())  # the optimum lies on the border: half would be chance
        assert np.nanmin(history.losses) < 0.56
    assert np.mean(found) >= 0.65


def test_spreads_over_a_pareto_front():
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    extents = []
    for seed in range(3):
        history = search(
            space,
            lambda c: np.array([c["x"] + c["y"], 1 - c["x"] + c["y"]]),
            30,
            seed=seed,
            directions=("minimize",) * 2,
        )
        near = history.X[history.losses.sum(axis=1) < 1.1, 0]
        assert len(near) > 8
        extents.append(np.ptp(near))
    assert np.mean(extents) > 0.7


def test_running_trials_push_suggestions_away():
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    history = history_of(space, 20)
    found = space.encode(GPSampler().suggest(space, history, np.random.default_rng(0), 5))
    gaps = np.linalg.norm(found[:, None] - found[None], axis=2)[np.triu_indices(5, 1)]
    assert gaps.min() > 1e-3


def test_a_batch_is_what_single_questions_about_running_trials_would_get_near():
    """The second of two is not the first again, and not far from what is asked with the first running."""
    space = Space({"x": Float(0, 1)})
    history = history_of(space, 12)
    first, second = GPSampler().suggest(space, history, np.random.default_rng(0), 2)
    history.put([TrialRecord(12, TrialState.RUNNING, first)])
    (alone,) = GPSampler().suggest(space, history, np.random.default_rng(0), 1)
    assert alone["x"] == pytest.approx(second["x"], abs=0.05)


@pytest.mark.parametrize("n", [30, 60])
def test_a_killed_study_goes_on_as_one_that_was_not(n):
    """Whatever fits a long-lived sampler holds, a new one answers the same to the last digit."""
    space = SPACES["mixed"]
    history, kept = History(space), GPSampler()
    full = history_of(space, n)
    for i in range(n):
        if i > n - 12:
            new = GPSampler().suggest(space, history, np.random.default_rng(i), 1)
            assert kept.suggest(space, history, np.random.default_rng(i), 1) == new
        elif i % 7 == 0:
            kept.suggest(space, history, np.random.default_rng(i), 1)
        history.put([full.records[i]])


def test_trials_that_finish_out_of_order_need_one_fit_each(monkeypatch):
    """What was fitted before stays good: a trial comes after those that finished before it, whatever its number."""
    fits = []

    def counting(*args):
        fits.append(args)
        return fit(*args)

    monkeypatch.setattr(refits, "fit", counting)
    whole, sampler = history_of(SPACES["floats"], 30), GPSampler(startup_trials=1)
    assert whole.finish_order.tolist() != list(range(30))
    for grown in one_by_one(whole):
        sampler.suggest(grown.space, grown, np.random.default_rng(0), 1)
    assert 20 <= len(fits) < 30


def test_more_than_the_active_set():
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    history = history_of(space, 530)
    (found,) = GPSampler().suggest(space, history, np.random.default_rng(0), 1)
    assert space.encode([found])[0] == pytest.approx([0.2, 0.2], abs=0.05)  # the optimum of history_of


def test_a_new_column_that_old_trials_lack():
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    history = History(space)
    old = history_of(Space({"x": Float(0, 1)}), 15)
    history.put(old.records)
    found = GPSampler().suggest(space, history, np.random.default_rng(0), 2)
    assert [space.check(c) for c in found] == found


def test_startup_trials():
    space = Space({"x": Float(0, 1)})
    assert repr(GPSampler(startup_trials=3)) == "GPSampler(startup_trials=3)"
    first = GPSampler(startup_trials=3).suggest(space, History(space), np.random.default_rng(0), 3)
    assert len({c["x"] for c in first}) == 3


def test_a_study_where_every_trial_was_pruned_learns_from_their_reports():
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    history = History(space)
    for i in range(25):
        (found,) = GPSampler().suggest(space, history, np.random.default_rng(i), 1)
        loss = (found["x"] - 0.3) ** 2 + (found["y"] - 0.8) ** 2
        history.put([TrialRecord(i, TrialState.PRUNED, found, reports=((0, 9.0), (1, loss)))])
    assert min(r.reports[-1][1] for r in history.records) < 1e-3
