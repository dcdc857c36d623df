from __future__ import annotations

import numpy as np
import pytest
from gp_reference import unit_cube

from luthier.surrogates.gp.hyperparameters import bounds, prior, split, starts
from luthier.surrogates.gp.input_warp import OBSERVATIONS
from luthier.surrogates.gp.kernel import Embedding
from luthier.testing.samplers import SPACES


@pytest.mark.parametrize("name", ["mixed", "choices", "one point"])
def test_the_gradient_of_the_priors(name):
    embedding = Embedding(SPACES[name])
    theta = np.random.default_rng(0).normal(0, 0.5, embedding.groups + 2 + 2 * len(embedding.numeric))
    _, gradient = prior(split(theta, embedding))
    for i, step in enumerate(1e-5 * np.eye(len(theta))):
        slope = (prior(split(theta + step, embedding))[0] - prior(split(theta - step, embedding))[0]) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_the_parts_of_theta():
    embedding = Embedding(SPACES["mixed"])
    h = split(np.arange(6 + 2 + 10.0), embedding)
    assert h.log_length.tolist() == [0, 1, 2, 3, 4, 5]
    assert (h.log_variance, h.log_noise) == (6, 7)
    assert h.warp.tolist() == list(range(8, 18))


@pytest.mark.parametrize("n", [2, OBSERVATIONS - 1, OBSERVATIONS, 500])
def test_searches_begin_within_the_limits(n):
    embedding = Embedding(SPACES["conditional"])
    low, high = np.transpose(bounds(embedding, n))
    for start in starts(embedding):
        assert ((low <= start) & (start <= high)).all()
    assert (high[-1] > 0) == (n >= OBSERVATIONS)


@pytest.mark.parametrize(("d", "expected"), [(1, 0.70), (4, 0.88), (16, 1.22)])
def test_length_scales_grow_with_the_dimension(d, expected):
    """Most likely by the priors alone: where (ln ℓ - √2 - ½ ln d + 3) ℓ² = 0.6."""
    cube, grid = unit_cube(d), np.linspace(-4, 4, 4001)
    values = [prior(split(np.concatenate([np.full(d, x), [0, -6], np.zeros(2 * d)]), cube))[0] for x in grid]
    length = np.exp(grid[int(np.argmin(values))])
    assert length == pytest.approx(expected, rel=0.01)
    assert (np.log(length) - np.sqrt(2) - 0.5 * np.log(d) + 3) * length**2 == pytest.approx(0.6, rel=0.03)
