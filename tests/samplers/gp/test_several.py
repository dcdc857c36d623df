from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.history import History
from luthier.multiobjective.hypervolume import hypervolume
from luthier.samplers.gp import GPSampler
from luthier.samplers.gp.several import chebyshev, front_targets
from luthier.space import Float, Space
from luthier.surrogates.gp.refits import Fits
from luthier.testing.samplers import SPACES, history_of
from luthier.trial import TrialRecord, TrialState

SQUARE = Space({"x": Float(0, 1), "y": Float(0, 1)})


def search(objectives, n, directions, space=SQUARE, constraint=lambda _: ()):
    """A history of n trials; where an objective is NaN, the trial fails."""
    sampler, history = GPSampler(), History(space, directions)
    for i in range(n):
        (found,) = sampler.suggest(space, history, np.random.default_rng(i), 1)
        values = tuple(float(v) for v in objectives(found))
        done = TrialRecord(i, TrialState.COMPLETE, found, values, constraint(found))
        history.put([done if np.isfinite(values).all() else TrialRecord(i, TrialState.FAIL, found)])
    return history


def two(c):
    """The front is y = 0: from (0, 1) to (1, 0), bent inwards."""
    return c["x"], (1 - np.sqrt(c["x"])) + c["y"]


def test_covers_a_front():
    history = search(two, 30, ("minimize",) * 2)
    assert hypervolume(history.losses, np.full(2, 1.1)) > 0.85 * (1.1**2 - 1 / 3)  # the area under 1 - √x is 1/3


def test_units_and_directions_do_not_matter():
    """The same trials, but for rounding, whatever the objectives are measured in."""
    plain = search(two, 12, ("minimize",) * 2)
    other = search(lambda c: (1e6 * two(c)[0], -1e-3 * two(c)[1]), 12, ("minimize", "maximize"))
    np.testing.assert_allclose(other.X, plain.X, atol=1e-3)


def test_learns_a_constraint():
    history = search(two, 30, ("minimize",) * 2, constraint=lambda c: (0.5 - c["x"],))
    feasible = history.losses[history.feasible]
    assert history.feasible[-15:].mean() > 0.7
    assert feasible[:, 0].min() == pytest.approx(0.5, abs=0.02)
    assert feasible[:, 1].min() < 0.02


def test_avoids_where_trials_fail():
    history = search(lambda c: two(c) if c["x"] > 0.5 else (np.nan, np.nan), 30, ("minimize",) * 2)
    assert history.is_complete[-15:].mean() > 0.6


def test_three_objectives_and_conditions():
    space = SPACES["conditional"]

    def objectives(c):
        other = c["momentum"] if c["optimizer"] == "sgd" else 2 * (c["beta"] - 0.8)
        return c["layers"], other + 0.2 * c["layers"], abs(np.log10(c["lr"]) + 2)

    history = search(objectives, 40, ("maximize", "minimize", "minimize"), space)
    layers, others, rates = history.values.T
    good = (others < 0.2 * layers + 0.1) & (rates < 0.2)
    assert len(set(layers[good])) >= 2


def test_several_at_once_and_running_ones_lie_apart():
    history = history_of(SQUARE, 20, directions=("minimize",) * 2)
    found = GPSampler().suggest(SQUARE, history, np.random.default_rng(0), 4)
    history.put([TrialRecord(20 + i, TrialState.RUNNING, c) for i, c in enumerate(found)])
    found += GPSampler().suggest(SQUARE, history, np.random.default_rng(1), 1)
    X = SQUARE.encode(found)
    assert np.linalg.norm(X[:, None] - X, axis=2)[np.triu_indices(5, 1)].min() > 1e-3


@pytest.mark.parametrize("m", [2, 3])
def test_a_killed_study_goes_on_as_one_that_was_not(m):
    space, kept = SPACES["mixed"], GPSampler()
    full, history = history_of(space, 24, directions=("minimize",) * m), History(space, ("minimize",) * m)
    for i in range(24):
        if i > 16:
            new = GPSampler().suggest(space, history, np.random.default_rng(i), 1)
            assert kept.suggest(space, history, np.random.default_rng(i), 1) == new
        history.put([full.records[i]])


def test_more_than_the_active_set(monkeypatch):
    monkeypatch.setattr("luthier.samplers.gp.sampler.Fits", partial(Fits, most=30))
    history = history_of(SQUARE, 70, directions=("minimize",) * 2)
    (found,) = GPSampler().suggest(SQUARE, history, np.random.default_rng(0), 1)
    assert 0.1 < found["x"] < 0.8  # the front goes from (0.2, 0.2) to (0.7, 0.7)
    assert found["y"] == pytest.approx(found["x"], abs=0.1)


values = st.one_of(st.floats(-3, 3), st.sampled_from([0.0, 1.0, 1e30, -1e30, 1e-300, 1e300, 1e-17]))
STATES = st.sampled_from([TrialState.COMPLETE] * 4 + [TrialState.FAIL, TrialState.PRUNED, TrialState.RUNNING])


@settings(deadline=None, max_examples=25)
@given(st.data(), st.integers(2, 5), st.integers(2, 14), st.booleans())
def test_whatever_trials_are_told(data, m, n, limited):
    """Equal values, constants, huge ones, failures: configurations of the space come out, and no warning."""
    space = SPACES[data.draw(st.sampled_from(["floats", "conditional", "choices"]))]
    history = History(space, tuple(data.draw(st.sampled_from(["minimize", "maximize"])) for _ in range(m)))
    for i, c in enumerate(space.decode(space.sample(np.random.default_rng(data.draw(st.integers(0, 3))), n))):
        state = data.draw(STATES)
        told = tuple(data.draw(values) for _ in range(m)) if state is TrialState.COMPLETE else None
        history.put([TrialRecord(i, state, c, told, (data.draw(values),) if limited and told else ())])
    found = GPSampler(startup_trials=0).suggest(space, history, np.random.default_rng(0), 2)
    assert [space.check(c) for c in found] == found


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(values, values), min_size=1, max_size=20), st.data())
def test_targets_keep_the_order(told, data):
    losses = np.array(told)
    failed = np.array(data.draw(st.lists(st.booleans(), min_size=len(losses), max_size=len(losses))))
    losses[failed] = np.nan
    y = front_targets(losses, ~failed, 0)
    assert np.isfinite(y).all()
    if not failed.all():
        assert (np.diff(y[~failed][np.argsort(losses[~failed, 0], kind="stable")]) >= -1e-9).all()
        assert (y[failed] >= y[~failed].max() - 1e-9).all()


def test_distances_on_the_front_are_kept():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 11)
    front = np.stack([x, 1 - x], axis=1)
    far = rng.uniform(2, 9, (30, 2))
    outlier = np.array([[-0.1, 1e30]])
    for losses in (np.concatenate([front, far]), np.concatenate([front, far, outlier])):
        for j in range(2):
            steps = np.abs(np.diff(front_targets(losses, np.ones(len(losses), dtype=bool), j)[:11]))
            np.testing.assert_allclose(steps, steps[0])
            assert steps[0] > 0.01


def test_what_piles_up_at_an_optimum_hides_nothing():
    """Most trials have the least value but for rounding: the others are still told apart."""
    losses = np.stack([np.append(np.arange(30) * 1e-17, [0.5, 1.0]), np.append(np.ones(30), [0.5, 0.0])], axis=1)
    y = front_targets(losses, np.ones(32, dtype=bool), 0)
    assert np.ptp(y[:30]) < 1e-9
    assert y[31] - y[30] == pytest.approx(y[30] - y[0])


def test_the_scalarisation_keeps_dominance():
    history = history_of(SPACES["floats"], 30, directions=("minimize", "maximize"))
    states = history.states
    total = chebyshev(history.losses, states, np.random.default_rng(0))
    for i in range(30):
        dominated = (history.losses > history.losses[i]).all(axis=1)
        assert (total[dominated] > total[i]).all()
    assert not np.array_equal(total, chebyshev(history.losses, states, np.random.default_rng(1)))
