"""The likelihood against formulas written out plainly and finite differences; the fit, and draws from around it."""

from __future__ import annotations

import numpy as np
import pytest
from gp_reference import naive_kernel, problem, unit_cube

from luthier.surrogates.gp.fit import draws, fit, loss, spread
from luthier.surrogates.gp.hyperparameters import NOISE_FLOOR, split, starts
from luthier.surrogates.gp.input_warp import OBSERVATIONS, warped
from luthier.surrogates.gp.kernel import Embedding
from luthier.surrogates.gp.targets import standardised
from luthier.testing.samplers import SPACES


def test_the_likelihood_is_that_of_a_naive_implementation():
    embedding, theta, F, y = problem()
    d = embedding.groups
    K = naive_kernel(embedding, theta, F, F) + (np.exp(theta[d + 1]) + NOISE_FLOOR) * np.eye(len(F))
    expected = 0.5 * y @ np.linalg.solve(K, y) + 0.5 * np.linalg.slogdet(K)[1]
    expected += sum((t - np.sqrt(2) - 0.5 * np.log(d) + 3) ** 2 for t in theta[:d]) / 6
    expected += sum(0.1 / np.exp(t) ** 2 for t in theta[:d])
    expected += theta[d] ** 2 / 2 + (theta[d + 1] + 6) ** 2 / (2 * 1.5**2)
    expected += sum(t**2 for t in theta[d + 2 :]) / (2 * 0.3**2)
    assert loss(theta, embedding, F, y)[0] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_scatter_at_one_place_is_noise(seed):
    space, rng = SPACES["floats"], np.random.default_rng(seed)
    embedding = Embedding(space)
    X = np.concatenate([space.sample(rng, 10), 0.5 + 0.02 * rng.standard_normal((15, len(space)))])
    theta = split(fit(embedding, embedding(X), standardised(rng.standard_normal(25)), starts(embedding), 30), embedding)
    assert np.exp(theta.log_length).min() > 0.1
    assert np.exp(theta.log_noise) > 0.3


@pytest.mark.parametrize("name", ["floats", "mixed", "conditional"])
def test_the_gradient_of_the_likelihood(name):
    embedding, theta, F, y = problem(name)
    _, gradient = loss(theta, embedding, F, y)
    for i in range(len(theta)):
        step = np.eye(len(theta))[i] * 1e-5
        slope = (loss(theta + step, embedding, F, y)[0] - loss(theta - step, embedding, F, y)[0]) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_the_fit_finds_what_matters():
    cube, rng = unit_cube(3), np.random.default_rng(0)
    F = rng.random((40, 3))
    y = np.sin(6 * F[:, 0]) + 0.3 * F[:, 1]
    y = (y - y.mean()) / y.std()
    theta = fit(cube, F, y, starts(cube), 60)
    assert theta[0] < theta[1] < theta[2]
    assert np.exp(theta[4]) < 0.01
    assert np.abs(loss(theta, cube, F, y)[1]).max() < 1.0


def test_the_fit_sees_noise():
    cube, rng = unit_cube(1), np.random.default_rng(0)
    F, y = rng.random((80, 1)), rng.standard_normal(80)
    assert np.exp(fit(cube, F, y, starts(cube), 40)[2]) > 0.3


def test_the_fit_straightens_what_happens_at_one_end():
    """A function that is busy below 0.1 and flat above: the warp gives that part the room."""
    cube = unit_cube(1)
    F = np.linspace(0, 1, 40)[:, None]
    y = np.sin(6 * np.sqrt(F[:, 0]))
    log_a, log_b = fit(cube, F, (y - y.mean()) / y.std(), starts(cube), 60)[3:]
    bend = warped(np.array([[0.1]]), np.array([log_a, log_b]))[0, 0]
    assert bend > 0.15


def test_few_observations_bend_nothing():
    cube, rng = unit_cube(1), np.random.default_rng(0)
    F = np.linspace(0, 1, OBSERVATIONS - 1)[:, None]
    y = np.sin(6 * np.sqrt(F[:, 0]))
    theta = fit(cube, F, y, starts(cube), 60)
    assert (theta[3:] == 0).all()
    assert (draws(theta, cube, len(F), np.eye(5), rng, 3)[:, 3:] == 0).all()


@pytest.mark.parametrize("n", [2, 3, 30])
def test_the_fit_survives_points_that_are_the_same(n):
    cube, F, y = unit_cube(2), np.zeros((n, 2)), np.linspace(-1, 1, n)
    assert np.isfinite(fit(cube, F, y, starts(cube), 40)).all()


def test_draws_spread_as_the_likelihood_says():
    """Where the data fix a hyperparameter, draws stay near it; where they say nothing, the prior's width remains."""
    cube, rng = unit_cube(2), np.random.default_rng(0)
    F = rng.random((60, 2))
    y = np.sin(8 * F[:, 0])  # of the second column nothing is known but that it matters little
    y = (y - y.mean()) / y.std()
    theta = fit(cube, F, y, starts(cube), 60)
    found = draws(theta, cube, 60, spread(theta, cube, F, y), rng, 400)
    assert found.shape == (400, 8)
    assert found[:, 0].std() < 0.3 < found[:, 1].std() < 2.0
    wide = draws(theta, cube, 60, 100 * np.eye(8), rng, 50)
    assert wide.min() >= -16.0 and wide.max() <= 9.0
