"""Parzen: the matrix form is the sum it stands for, it integrates to 1, and samples follow it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr

from luthier.space import Choice, Float, Int, Ordinal, Space
from luthier.surrogates.parzen import Parzen, evaluation, log_densities
from luthier.types import Floats

FLAT = Space(
    {"x": Float(0, 1), "c": Choice(["a", "b", "c"]), "n": Int(1, 5), "y": Float(0, 1), "k": Int(1, 9, log=True)}
)
TREE = Space(
    {
        "c": Choice(["a", "b"]),
        "x": Float(0, 1, when={"c": "a"}),
        "o": Ordinal([1, 2, 3], when={"c": "b"}),
        "z": Float(0, 1),
    }
)


def parzen(
    space: Space, n: int, seed: int = 0, prior: float = 1.0, width: float = 0.15
) -> tuple[Parzen, Floats, Floats]:
    rng = np.random.default_rng(seed)
    X, weights = space.sample(rng, n), rng.random(n) + 0.1
    d = len(space)
    return Parzen(space, X, weights, prior, np.full(d, width), np.full(d, 0.3)), X, weights


def log_density(density: Parzen, X: Floats) -> Floats:
    (found,) = log_densities((density,), X)
    return found


def kernel(space: Space, j: int, x: float, mu: float, width: float = 0.15, smoothing: float = 0.3) -> float:
    domain = space.domains[j]
    if isinstance(domain, Choice):
        return (1 - smoothing) * (x == mu) + smoothing / domain.size
    whole = ndtr((1 - mu) / width) - ndtr(-mu / width)
    if domain.size is None:
        return float(math.exp(-0.5 * ((x - mu) / width) ** 2) / (width * math.sqrt(2 * math.pi)) / whole)
    edges = np.linspace(0, 1, domain.size + 1)
    if isinstance(domain, Int) and domain.log:
        edges = np.clip(domain.encode(domain.low - 0.5 + np.arange(domain.size + 1)), 0, 1)
    k = int(np.searchsorted(edges, x)) - 1
    i = int(np.searchsorted(edges, mu)) - 1
    mu = (edges[i] + edges[i + 1]) / 2
    whole = ndtr((1 - mu) / width) - ndtr(-mu / width)
    return float((ndtr((edges[k + 1] - mu) / width) - ndtr((edges[k] - mu) / width)) / whole)


def slow_density(space: Space, X: Floats, weights: Floats, prior: float, x: Floats) -> float:
    """The definition, one number at a time."""
    w, p = weights / (weights.sum() + prior), prior / (weights.sum() + prior)
    uniform = [1.0 if d.size is None else 1.0 / d.size for d in space.domains]
    active = [j for j in range(len(space)) if x[j] == x[j]]

    def marginal(j: int) -> float:
        has = [i for i in range(len(X)) if X[i, j] == X[i, j]]
        total = sum(w[i] for i in has) + p
        return float((sum(w[i] * kernel(space, j, x[j], X[i, j]) for i in has) + p * uniform[j]) / total)

    result = p * math.prod(uniform[j] for j in active)
    for i, row in enumerate(X):
        factors = [marginal(j) if row[j] != row[j] else kernel(space, j, x[j], row[j]) for j in active]
        result += w[i] * math.prod(factors)
    return float(result)


@pytest.mark.parametrize("space", [FLAT, TREE])
@pytest.mark.parametrize("n", [1, 2, 9])
def test_it_is_its_definition(space: Space, n: int) -> None:
    density, X, weights = parzen(space, n)
    points = space.sample(np.random.default_rng(7), 20)
    expected = [math.log(slow_density(space, X, weights, 1.0, x)) for x in points]
    np.testing.assert_allclose(log_density(density, points), expected, atol=1e-6)  # that of its erf


@pytest.mark.parametrize("space", [FLAT, TREE, Space({"x": Float(0, 1)}), Space({"c": Choice(["a", "b"])}), Space({})])
def test_several_at_once_are_each_alone(space: Space) -> None:
    rng = np.random.default_rng(3)
    d = len(space)
    densities = [
        Parzen(space, space.sample(rng, n), rng.random(n) + 0.1, prior, np.full(d, width), np.full(d, smoothing))
        for n, prior, width, smoothing in [
            (9, 1.0, 0.3, 0.5),
            (0, 2.0, 0.1, 0.3),
            (40, 0.01, 0.02, 0.1),
            (1, 1.0, 1.0, 1.0),
        ]
    ]
    points = space.sample(rng, 30)
    alone = np.stack([log_density(density, points) for density in densities])
    np.testing.assert_allclose(log_densities(densities, points), alone, atol=1e-6)  # that of its erf


def test_many_points_of_many_rows_are_worked_out_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    density, _, _ = parzen(TREE, 30)
    points = TREE.sample(np.random.default_rng(7), 50)
    at_once = log_density(density, points)
    monkeypatch.setattr(evaluation, "_BLOCK", 100)
    np.testing.assert_allclose(log_density(density, points), at_once, rtol=1e-12)


def test_without_rows_it_is_uniform() -> None:
    density = Parzen(FLAT, np.empty((0, 5)), np.empty(0), 1.0, np.full(5, 0.1), np.full(5, 0.1))
    points = FLAT.sample(np.random.default_rng(0), 5)
    np.testing.assert_allclose(log_density(density, points), -math.log(3 * 5 * 9))
    assert np.ptp(density.sample(np.random.default_rng(0), 500)[:, 0]) > 0.95


def test_it_integrates_to_one() -> None:
    space = Space({"x": Float(0, 1), "c": Choice(["a", "b"]), "n": Int(1, 4)})
    density, _, _ = parzen(space, 6)
    u = (np.arange(400) + 0.5) / 400
    grid = np.array([[x, c, (n + 0.5) / 4] for x in u for c in (0, 1) for n in range(4)])
    assert np.exp(log_density(density, grid)).sum() / 400 == pytest.approx(1, abs=1e-4)


def test_samples_follow_the_density() -> None:
    space = Space({"c": Choice(["a", "b", "c"]), "n": Int(1, 4)})
    density, _, _ = parzen(space, 5, width=0.05)
    X = space.snap(density.sample(np.random.default_rng(1), 20_000))
    grid = space.snap(np.array([[c, (n + 0.5) / 4] for c in range(3) for n in range(4)]))
    seen = np.array([(row == X).all(axis=1).mean() for row in grid])
    np.testing.assert_allclose(seen, np.exp(log_density(density, grid)), atol=0.015)


def test_bounds_are_reached_exactly() -> None:
    space = Space({"x": Float(0, 1)})
    density = Parzen(space, np.full((4, 1), 0.98), np.ones(4), 1.0, np.array([0.05]), np.zeros(1))
    X = density.sample(np.random.default_rng(0), 200)
    assert (X == 1).any()
    assert (X <= 1).all()


def test_columns_that_go_together_are_drawn_together() -> None:
    space = Space(
        {
            "c": Choice(["a", "b"]),
            "x": Float(0, 1, when={"c": "b"}),
            "y": Float(0, 1, when={"c": "b"}),
        }
    )
    lone = [[0, np.nan, np.nan]] * 20  # most kernels lack x and y, so points that flip to b take them from donors
    X = np.array([*lone, [1, 0.2, 0.2], [1, 0.8, 0.8]])
    density = Parzen(space, X, np.ones(22), 0.01, np.full(3, 0.01), np.full(3, 0.5))
    found = density.sample(np.random.default_rng(0), 300)
    assert (np.abs(found[:, 1] - found[:, 2]) < 0.1).mean() > 0.95
