"""The posterior against formulas written out plainly, and finite differences."""

from __future__ import annotations

import numpy as np
from gp_reference import naive_kernel, problem

from luthier.surrogates.gp.hyperparameters import NOISE_FLOOR
from luthier.surrogates.gp.posterior import condition


def test_means_at_the_observations():
    embedding, theta, F, y = problem()
    posterior = condition(embedding, theta, F, y)
    np.testing.assert_allclose(posterior.means(y), posterior.predict(F)[0], rtol=1e-9, atol=1e-9)


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
