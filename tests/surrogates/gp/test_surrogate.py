"""The recipe from trials to processes: written out once more, with its parts."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.space import Float, Space
from luthier.surrogates.gp.blas import one_thread
from luthier.surrogates.gp.fit import draws
from luthier.surrogates.gp.kernel import Embedding
from luthier.surrogates.gp.observations import observations
from luthier.surrogates.gp.posterior import condition
from luthier.surrogates.gp.refits import Afresh, Fits
from luthier.surrogates.gp.surrogate import Surrogate
from luthier.surrogates.gp.targets import Target, constraint, objective
from luthier.testing.samplers import SPACES, history_of

FITTINGS = [Fits(), Fits(most=10), Afresh(starts=2, iterations=20), Afresh(starts=1, iterations=20, most=10)]


def target(n=25, space=SPACES["conditional"], seed=0):
    return objective(observations(history_of(space, n, seed)))


@pytest.mark.parametrize("fitting", FITTINGS)
def test_a_process_is_that_of_its_parts(fitting):
    space, one = SPACES["conditional"], target()
    with one_thread():
        found = Surrogate(fitting).posteriors(space, [one])
        embedding = Embedding(space)
        rows = np.flatnonzero(np.isin(np.arange(25), found.rows))
        own = condition(embedding, fitting.theta(embedding, one), embedding(one.X[rows]), one.y[rows])
    assert len(rows) == min(25, fitting.most)
    assert int(np.argmin(one.y)) in rows
    np.testing.assert_array_equal(found.Y, one.y[None, rows])
    np.testing.assert_array_equal(found.processes[0].alpha, own.alpha)


def test_what_comes_first_may_be_told():
    one = target()
    order = -one.y  # the worst
    found = Surrogate(Fits(most=6)).posteriors(SPACES["conditional"], [one], order=order)
    assert set(np.argsort(order)[:3].tolist()) <= set(found.rows.tolist())


def test_several_targets_share_their_trials():
    space, one = SPACES["floats"], target(20, SPACES["floats"])
    other = Target("other", one.X, one.raw, lambda m: -one.of_first(m))
    with one_thread():
        found = Surrogate(Fits()).posteriors(space, [one, other])
        alone = Surrogate(Fits()).posteriors(space, [other])
    assert len(found.processes) == 2
    np.testing.assert_array_equal(found.Y[0], -found.Y[1])
    np.testing.assert_array_equal(found.processes[1].alpha, alone.processes[0].alpha)


@pytest.mark.parametrize("fitting", FITTINGS)
def test_drawn_hyperparameters_lie_around_the_best(fitting):
    space, one = SPACES["floats"], target(20, SPACES["floats"])
    embedding, surrogate = Embedding(space), Surrogate(fitting)
    with one_thread():
        found = surrogate.drawn(space, one, np.random.default_rng(0), 3)
        best = surrogate.posteriors(space, [one])
        theta = fitting.theta(embedding, one)
        root = fitting.root(embedding, one, theta)
    assert len(found.processes) == 4
    np.testing.assert_array_equal(found.processes[0].alpha, best.processes[0].alpha)
    drawn = draws(theta, embedding, 20, root, np.random.default_rng(0), 3)
    for process, other in zip(found.processes[1:], drawn, strict=True):
        np.testing.assert_allclose(np.log(process.scale), -other[: embedding.groups])


def test_the_answer_does_not_depend_on_earlier_questions():
    space, kept = SPACES["mixed"], Surrogate(Fits())
    with one_thread():
        for n in (12, 30, 17, 30):
            one = target(n, space)
            a, b = (s.drawn(space, one, np.random.default_rng(1), 2) for s in (kept, Surrogate(Fits())))
            for p, q in zip(a.processes, b.processes, strict=True):
                np.testing.assert_array_equal(p.alpha, q.alpha)


def test_a_smooth_function_is_learned():
    space = Space({"x": Float(0, 1)})
    X = np.linspace(0, 1, 12)[:, None]
    y = np.sin(5 * X[:, 0])
    found = Surrogate(Afresh(starts=2, iterations=50)).posteriors(
        space, [Target("sine", X, y[:, None], lambda m: y[:m])]
    )
    between = np.linspace(0.05, 0.95, 40)[:, None]
    mean, _ = found.processes[0].predict(found.embedding(between))
    np.testing.assert_allclose(mean, np.sin(5 * between[:, 0]), atol=0.01)


def test_the_threshold_of_a_constraint_parts_its_process():
    X = np.random.default_rng(0).random((30, 2))
    space = SPACES["floats"]
    one, threshold = constraint("c", X, X[:, 0] - 0.6)
    with one_thread():
        found = Surrogate(Fits()).posteriors(space, [one], order=np.abs(one.y - threshold))
    probes = np.array([[0.3, 0.5], [0.5, 0.1], [0.7, 0.9], [0.9, 0.4]])
    mean, _ = found.processes[0].predict(found.embedding(probes))
    assert (mean > threshold).tolist() == [False, False, True, True]


def test_the_first_trials_of_a_target_are_one_too():
    one = target()
    part = one.first(7)
    assert len(part) == 7
    np.testing.assert_array_equal(part.y, one.of_first(7))
    np.testing.assert_array_equal(part.X, one.X[:7])
    np.testing.assert_array_equal(part.first(4).y, one.first(4).y)
