from __future__ import annotations

from decimal import Decimal, getcontext

import numpy as np
import pytest
from scipy.special import log_ndtr
from scipy.stats import norm

from luthier.samplers.gp.acquisition import Acquisition, log_h, log_probability
from luthier.surrogates.gp.kernel import Embedding
from luthier.surrogates.gp.posterior import condition
from luthier.testing.samplers import SPACES


def precise_log_h(z):
    """ln(φ(z) + zΦ(z)) for z < -3 by Laplace's continued fraction of the Mills ratio, to 60 digits."""
    getcontext().prec = 60
    x = Decimal(-z)
    tail = Decimal(0)
    for k in range(3000, 0, -1):
        tail = k / (x + tail)
    mills = 1 / (x + tail)  # Φ(z)/φ(z)
    return float(-x * x / 2 + (1 - x * mills).ln()) - 0.5 * np.log(2 * np.pi)


def test_log_h_by_its_formula():
    z = np.linspace(-4, 8, 200)
    np.testing.assert_allclose(log_h(z)[0], np.log(norm.pdf(z) + z * norm.cdf(z)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("z", [-4.0, -7.5, -20.0, -49.9, -50.1, -300.0, -1e4])
def test_log_h_far_below(z):
    assert log_h(np.array([z]))[0][0] == pytest.approx(precise_log_h(z), rel=1e-11)


@pytest.mark.parametrize("z", [-1e8, -1e5, -1e3, -60.0, -50.0, -5.0, -1.0, -0.9, 0.0, 3.0, 40.0, 1e6])
def test_ratios_are_the_slope_of_log_h(z):
    value, by_mean, by_sd = (x[0] for x in log_h(np.array([z])))
    assert np.isfinite([value, by_mean, by_sd]).all()
    assert by_sd + z * by_mean == pytest.approx(1.0, abs=1e-6 * max(1.0, abs(z)) ** 2)  # h = φ + zΦ
    h = 1e-4 * max(1.0, abs(z)) if z < -1e3 else 1e-5
    low, high = log_h(np.array([z - h, z + h]))[0]
    assert by_mean == pytest.approx((high - low) / (2 * h), rel=1e-5)


def test_log_probability_and_its_slope():
    z = np.array([-1e8, -1e4, -30.0, -1.1, -1.0, 0.5, 9.0, 50.0])
    value, slope = log_probability(z)
    np.testing.assert_allclose(value, log_ndtr(z))
    np.testing.assert_allclose(slope[3:6], norm.pdf(z[3:6]) / norm.cdf(z[3:6]))
    np.testing.assert_allclose(slope[:2], -z[:2], rtol=1e-7)


def acquisition(name, seed=0):
    space, rng = SPACES[name], np.random.default_rng(seed)
    embedding = Embedding(space)
    F = embedding(space.sample(rng, 15))

    def process():
        warp = rng.normal(0, 0.3, 2 * len(embedding.numeric))
        theta = np.concatenate([rng.normal(0, 0.3, embedding.groups), [0.0, -4.0], warp])
        return condition(embedding, theta, F, rng.standard_normal(15))

    objectives = [(p, float(p.predict(F)[0].min())) for p in (process(), process())]
    return Acquisition(objectives, [(process(), 0.3), (process(), -1.0)]), embedding


@pytest.mark.parametrize("name", ["floats", "mixed", "conditional"])
def test_the_gradient(name):
    whole, embedding = acquisition(name)
    F = embedding(SPACES[name].sample(np.random.default_rng(5), 6))
    for part in (whole, Acquisition((), whole.constraints), Acquisition(whole.objectives)):
        value, gradient = part.value_and_gradient(F)
        np.testing.assert_allclose(value, part.value(F))
        for j in range(len(embedding.numeric)):
            step = np.zeros_like(F)
            step[:, j] = 1e-6
            slope = (part.value(F + step) - part.value(F - step)) / 2e-6
            np.testing.assert_allclose(gradient[:, j], slope, rtol=1e-4, atol=1e-5)


def test_expected_improvement_is_that_of_samples():
    part, embedding = acquisition("floats")
    F = embedding(SPACES["floats"].sample(np.random.default_rng(1), 3))
    rng = np.random.default_rng(0)
    sampled = np.zeros(3)
    for process, best in part.objectives:
        mean, sd = process.predict(F)
        draws = mean + sd * rng.standard_normal((200_000, 3))
        sampled += np.maximum(best - draws, 0).mean(axis=0) / len(part.objectives)
    np.testing.assert_allclose(np.exp(Acquisition(part.objectives).value(F)), sampled, rtol=0.05, atol=1e-6)


def test_roughly_it_is_that_of_the_first_process():
    part, embedding = acquisition("mixed")
    F = embedding(SPACES["mixed"].sample(np.random.default_rng(1), 20))
    first = Acquisition(part.objectives[:1], part.constraints)
    np.testing.assert_allclose(part.rough(F), first.value(F))
    np.testing.assert_allclose(first.rough(F), first.value(F))
    feasible = Acquisition((), part.constraints)
    np.testing.assert_allclose(feasible.rough(F), feasible.value(F))


def test_what_runs_is_not_worth_a_second_trial():
    part, embedding = acquisition("floats")
    F = embedding(SPACES["floats"].sample(np.random.default_rng(1), 50))
    best = F[[np.argmax(part.value(F))]]
    assert part.fantasize(best).value(best) < part.value(best) - 1
    for (_, after), (_, before) in zip(part.fantasize(best).objectives, part.objectives, strict=True):
        assert after <= before
