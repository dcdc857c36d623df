"""The hypervolume against known values, sums over cells, and points at random."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.multiobjective.hypervolume import hypervolume

INF, NAN = np.inf, np.nan
SIDE = 4


@st.composite
def lattices(draw):
    """Points with many equal coordinates, some of them dominated, equal, or beyond the reference point."""
    m = draw(st.integers(1, 5))
    points = draw(st.lists(st.tuples(*[st.integers(0, SIDE)] * m), max_size=12))
    return np.array(points, dtype=float).reshape(-1, m), np.full(m, float(draw(st.integers(1, SIDE))))


@settings(deadline=None, max_examples=200)
@given(lattices())
def test_it_is_the_number_of_cells(lattice):
    points, reference = lattice
    cells = np.array(list(product(*[np.arange(reference[0]) + 0.5] * points.shape[1])))
    assert hypervolume(points, reference) == (points <= cells[:, None]).all(axis=2).any(axis=1).sum()


@pytest.mark.parametrize("m", [2, 3, 4])
@pytest.mark.parametrize("n", [5, 40])
def test_it_is_the_share_of_random_points(m, n):
    rng = np.random.default_rng(n)
    points = rng.random((n, m))
    probes = rng.random((20_000, m)) * 1.1
    share = np.mean([(points <= probe).all(axis=1).any() for probe in probes])
    assert hypervolume(points, np.full(m, 1.1)) == pytest.approx(share * 1.1**m, abs=4 * 0.5 / 141 * 1.1**m)


@pytest.mark.parametrize("m", [2, 3, 4])
def test_one_point_dominates_a_box(m):
    assert hypervolume(np.zeros((1, m)), np.arange(1.0, m + 1)) == np.prod(np.arange(1.0, m + 1))


def test_the_simplex_of_many_points():
    """Under the line x + y = 1, k steps leave (k + 1) / 2k of the square."""
    x = np.linspace(0, 1, 101)
    assert hypervolume(np.stack([x, 1 - x], axis=1), np.ones(2)) == pytest.approx(1 - 0.5 - 0.005)


def test_permuted_objectives_and_rows_change_nothing():
    rng = np.random.default_rng(0)
    points, reference = rng.random((30, 4)), np.array([1.0, 0.9, 1.2, 0.8])
    whole = hypervolume(points, reference)
    for _ in range(5):
        columns = rng.permutation(4)
        assert hypervolume(rng.permutation(points)[:, columns], reference[columns]) == pytest.approx(whole, rel=1e-12)


def test_a_point_adds_what_it_alone_dominates():
    points = np.array([[0.2, 0.6, 0.5], [0.6, 0.2, 0.5]])
    new = np.array([[0.5, 0.5, 0.1]])
    both = hypervolume(np.concatenate([points, new]), np.ones(3))
    assert both - hypervolume(points, np.ones(3)) == pytest.approx(0.25 * 0.9 - (0.4 * 0.5 * 2 - 0.16) * 0.5)


@pytest.mark.parametrize("m", [2, 3, 4])
def test_thin_fronts_keep_their_digits(m):
    """Points that dominate next to nothing: the rest of the box must not cancel it."""
    thin = 1 - 1e-12 * np.eye(m) - 1e-13
    expected = m * 1e-13 ** (m - 1) * 1e-12 + 1e-13**m
    assert hypervolume(thin, np.ones(m)) == pytest.approx(expected, rel=0.02)  # 1 - 1e-13 itself is rounded
    scaled = 2.0**-40 * (1 - np.eye(m))
    assert hypervolume(scaled, np.full(m, 2.0**-40 * 1.0)) == 0.0


@pytest.mark.parametrize("scale", [1e-60, 1e60, 1e-300, 1e70])
def test_any_unit(scale):
    points = np.random.default_rng(1).random((20, 2))
    factors = np.array([scale, 1 / scale])
    expected = hypervolume(points, np.ones(2))
    assert hypervolume(points * factors, factors) == pytest.approx(expected, rel=1e-9)
    shifted = points - 5
    assert hypervolume(shifted, np.full(2, -4.0)) == pytest.approx(expected, rel=1e-12)


def test_what_does_not_count():
    points = np.array([[0.5, 0.5], [0.1, 1.0], [NAN, 0.0], [0.0, NAN], [2.0, -5.0], [INF, -INF]])
    assert hypervolume(points, np.ones(2)) == 0.25
    assert hypervolume(points[1:], np.ones(2)) == 0.0
    assert hypervolume(np.empty((0, 3)), np.ones(3)) == 0.0


def test_what_has_no_bound_is_infinite():
    assert hypervolume(np.array([[-INF, 0.5]]), np.ones(2)) == INF
    assert hypervolume(np.array([[0.5, 0.5]]), np.array([INF, 1.0])) == INF
    assert hypervolume(np.array([[0.5, 2.0]]), np.array([INF, 1.0])) == 0.0
    assert hypervolume(np.array([[-1e308, -1e308]]), np.array([1e308, 1e308])) == INF  # beyond any float


def test_300_points_of_four_objectives():
    """The unit ball's part in the positive orthant, from inside: π²/32 of the cube is left as they get dense."""
    directions = np.abs(np.random.default_rng(0).standard_normal((300, 4)))
    front = 1 - directions / np.linalg.norm(directions, axis=1)[:, None]
    volume = hypervolume(front, np.ones(4))
    ball = np.pi**2 / 32
    assert 0.7 * ball < volume < ball
