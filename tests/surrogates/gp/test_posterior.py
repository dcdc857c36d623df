"""The kernel, the fit and the posterior against formulas written out plainly, and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.space import Choice, Float, Int, Space
from luthier.surrogates.gp.cholesky import cholesky
from luthier.surrogates.gp.fit import draws, fit, loss, spread
from luthier.surrogates.gp.hyperparameters import NOISE_FLOOR, starts
from luthier.surrogates.gp.input_warp import OBSERVATIONS, warped
from luthier.surrogates.gp.kernel import Embedding, matern52, squared_distances
from luthier.surrogates.gp.posterior import condition
from luthier.testing.samplers import SPACES, spaces


def naive_warp(embedding, theta, F):
    """Every number's distribution function, entry by entry."""
    p = len(embedding.numeric)
    a, b = np.exp(theta[embedding.groups + 2 :]).reshape(2, p)
    G = F.copy()
    for row in G:
        for j in range(p):
            row[j] = 1 - (1 - row[j] ** a[j]) ** b[j]
    return G


def naive_kernel(embedding, theta, F, G):
    """σ²·k(r) entry by entry."""
    F, G = (naive_warp(embedding, theta, A) for A in (F, G))
    K = np.empty((len(F), len(G)))
    for i, a in enumerate(F):
        for j, b in enumerate(G):
            r = np.sqrt(5 * sum((a[k] - b[k]) ** 2 / np.exp(2 * theta[g]) for k, g in enumerate(embedding.group)))
            K[i, j] = np.exp(theta[embedding.groups]) * (1 + r + r * r / 3) * np.exp(-r)
    return K


def problem(name="conditional", n=15, seed=0):
    space, rng = SPACES[name], np.random.default_rng(seed)
    embedding = Embedding(space)
    F = embedding(space.sample(rng, n))
    y = rng.standard_normal(n)
    warp = rng.normal(0, 0.5, 2 * len(embedding.numeric))
    theta = np.concatenate([rng.normal(0, 0.5, embedding.groups), [0.3, -3.0], warp])
    return embedding, theta, F, y


def test_means_at_the_observations():
    embedding, theta, F, y = problem()
    posterior = condition(embedding, theta, F, y)
    np.testing.assert_allclose(posterior.means(y), posterior.predict(F)[0], rtol=1e-9, atol=1e-9)


def test_matern_and_its_slope():
    r2 = np.array([0.0, 1e-8, 0.3, 2.0, 50.0])
    k, slope = matern52(r2)
    r = np.sqrt(5 * r2)
    np.testing.assert_allclose(k, (1 + r + 5 * r2 / 3) * np.exp(-r), rtol=1e-14)
    h = 1e-6
    rise = matern52(r2[2:] + h)[0] - matern52(r2[2:] - h)[0]
    np.testing.assert_allclose(slope[2:], rise / (2 * h), rtol=1e-6)
    assert slope[0] == pytest.approx(-5 / 6)


def test_squared_distances():
    rng = np.random.default_rng(0)
    A, B = rng.random((7, 3)), rng.random((4, 3))
    np.testing.assert_allclose(squared_distances(A, B), ((A[:, None] - B[None]) ** 2).sum(axis=2), atol=1e-14)
    assert squared_distances(A, A).min() >= 0


def test_two_categories_that_differ_are_at_distance_one():
    embedding = Embedding(Space({"c": Choice(["a", "b", "c"])}))
    F = embedding(np.array([[0.0], [1.0], [2.0]]))
    np.testing.assert_allclose(squared_distances(F, F), 1 - np.eye(3), atol=1e-15)


def test_an_inactive_number_is_at_no_distance_from_itself_and_parted_by_the_condition():
    space = Space({"c": Choice(["a", "b"]), "x": Float(0, 1, when={"c": "a"}), "y": Float(0, 1, when={"c": "a"})})
    embedding = Embedding(space)
    assert embedding.groups == 3  # x, y and c
    F = embedding(np.array([[1, np.nan, np.nan], [1, np.nan, np.nan], [0, 0.5, 0.5]]))
    r2 = squared_distances(F, F)
    assert r2[0, 1] == 0
    assert r2[0, 2] == pytest.approx(1)  # the category, even where x and y are in the middle


def test_a_parameter_with_one_value_has_no_column():
    embedding = Embedding(Space({"x": Float(2, 2), "n": Int(1, 1), "c": Choice(["a"])}))
    assert embedding.groups == 0
    assert embedding(np.array([[0.5, 0.5, 0.0]])).shape == (1, 0)


def test_coordinates_far_outside_are_brought_near():
    embedding = Embedding(Space({"x": Float(0, 1)}))
    np.testing.assert_array_equal(embedding(np.array([[-np.inf], [1e9], [1.5]]))[:, 0], [-1, 2, 1.5])


@given(space=spaces(), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_the_kernel_is_positive_semidefinite_on_any_space(space, seed):
    rng = np.random.default_rng(seed)
    embedding = Embedding(space)
    F = embedding(space.sample(rng, 25)) * np.exp(-rng.normal(0, 2, embedding.groups))[embedding.group]
    assert np.linalg.eigvalsh(matern52(squared_distances(F, F))[0]).min() > -1e-10


def test_the_likelihood_is_that_of_a_naive_implementation():
    embedding, theta, F, y = problem()
    d = embedding.groups
    K = naive_kernel(embedding, theta, F, F) + (np.exp(theta[d + 1]) + NOISE_FLOOR) * np.eye(len(F))
    expected = 0.5 * y @ np.linalg.solve(K, y) + 0.5 * np.linalg.slogdet(K)[1]
    expected += sum((t - np.sqrt(2) - 0.5 * np.log(d) + 3) ** 2 for t in theta[:d]) / 6
    expected += theta[d] ** 2 / 2 + (theta[d + 1] + 6) ** 2 / (2 * 1.5**2)
    expected += sum(t**2 for t in theta[d + 2 :]) / (2 * 0.3**2)
    assert loss(theta, embedding, F, y)[0] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", ["floats", "mixed", "conditional"])
def test_the_gradient_of_the_likelihood(name):
    embedding, theta, F, y = problem(name)
    _, gradient = loss(theta, embedding, F, y)
    for i in range(len(theta)):
        step = np.eye(len(theta))[i] * 1e-5
        slope = (loss(theta + step, embedding, F, y)[0] - loss(theta - step, embedding, F, y)[0]) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-6)


def unit_cube(d):
    return Embedding(Space({f"x{i}": Float(0, 1) for i in range(d)}))


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


def test_cholesky_of_a_singular_matrix():
    K = np.ones((5, 5))
    L = cholesky(K)
    np.testing.assert_allclose(L @ L.T, K, atol=1e-6)
    np.testing.assert_array_equal(np.triu(L, 1), 0)


def test_predictions_are_those_of_a_naive_implementation():
    embedding, theta, F, y = problem()
    G = problem(seed=1, n=6)[2]
    d = embedding.groups
    K = naive_kernel(embedding, theta, F, F) + (np.exp(theta[d + 1]) + NOISE_FLOOR) * np.eye(len(F))
    k = naive_kernel(embedding, theta, G, F)
    mean, sd = condition(embedding, theta, F, y).predict(G)
    np.testing.assert_allclose(mean, k @ np.linalg.solve(K, y), rtol=1e-8)
    expected = np.exp(theta[d]) - np.einsum("ij,ji->i", k, np.linalg.solve(K, k.T))
    np.testing.assert_allclose(sd**2, expected, rtol=1e-7)


def test_gradients_of_predictions():
    embedding, theta, F, y = problem("mixed")
    posterior = condition(embedding, theta, F, y)
    G = problem("mixed", seed=1, n=4)[2]
    mean, sd, dmean, dsd = posterior.predict_with_gradients(G)
    np.testing.assert_allclose([mean, sd], posterior.predict(G))
    for j in range(len(embedding.numeric)):
        step = np.zeros_like(G)
        step[:, j] = 1e-5
        up, down = posterior.predict(G + step), posterior.predict(G - step)
        np.testing.assert_allclose(dmean[:, j], (up[0] - down[0]) / 2e-5, rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(dsd[:, j], (up[1] - down[1]) / 2e-5, rtol=1e-4, atol=1e-8)


def test_fantasizing_is_conditioning_on_the_mean():
    embedding, theta, F, y = problem()
    posterior = condition(embedding, theta, F, y)
    new, G = problem(seed=1, n=3)[2], problem(seed=2, n=5)[2]
    whole = condition(embedding, theta, np.concatenate([F, new]), np.concatenate([y, posterior.predict(new)[0]]))
    np.testing.assert_allclose(posterior.fantasize(new).predict(G), whole.predict(G), rtol=1e-7)
    twice = posterior.fantasize(new[:1]).fantasize(new[1:])
    np.testing.assert_allclose(twice.predict(G), whole.predict(G), rtol=1e-7)
    assert (twice.predict(G)[1] < posterior.predict(G)[1]).all()


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
