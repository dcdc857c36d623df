"""When hyperparameters are fitted, and to what."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from luthier.space import Float, Space
from luthier.surrogates.gp.blas import one_thread
from luthier.surrogates.gp.kernel import Embedding
from luthier.surrogates.gp.refits import ACTIVE, Fits, refit_sizes, subset
from luthier.surrogates.gp.targets import Target


def test_the_schedule():
    sizes = refit_sizes(500)
    assert sizes[:98] == list(range(2, 100))
    assert all(b - a == max(1, a // 50) for a, b in pairwise(sizes))
    assert refit_sizes(1) == []
    assert refit_sizes(137) == [m for m in sizes if m <= 137]


def test_fits_do_not_depend_on_what_was_fitted_before():
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    embedding, rng = Embedding(space), np.random.default_rng(0)
    X = space.sample(rng, 40)
    y = np.sin(5 * X[:, 0]) + X[:, 1]
    kept = Fits()
    with one_thread():
        for n in range(2, 41, 3):
            target = Target("k", X[:n], y[:n, None], lambda m: y[:m] - y[:m].mean())
            theta = kept.theta(embedding, target)
            np.testing.assert_array_equal(theta, Fits().theta(embedding, target))
            np.testing.assert_array_equal(kept.root(embedding, target, theta), Fits().root(embedding, target, theta))


def test_other_data_gets_another_fit():
    space = Space({"x": Float(0, 1)})
    embedding = Embedding(space)
    X = space.sample(np.random.default_rng(0), 20)
    fits = Fits()
    numbers = (X[:, 0], np.sin(20 * X[:, 0]))
    a, b = (fits.theta(embedding, Target("k", X, y[:, None], lambda m, y=y: y[:m])) for y in numbers)
    assert not np.array_equal(a, b)


def test_the_active_set_has_the_best():
    y = np.random.default_rng(0).standard_normal(1200)
    chosen = subset(y)
    assert len(chosen) == len(set(chosen.tolist())) == ACTIVE
    assert set(np.argsort(y)[: ACTIVE // 2].tolist()) <= set(chosen.tolist())
    assert (np.diff(chosen) > 0).all()
    assert subset(y[:30]).tolist() == list(range(30))
