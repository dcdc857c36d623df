from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.multiobjective.boxes import decompose

SIDE = 4


@st.composite
def lattices(draw):
    """Points with many equal coordinates, some of them dominated, equal, or beyond the reference point."""
    m = draw(st.integers(2, 4))
    points = draw(st.lists(st.tuples(*[st.integers(0, SIDE)] * m), max_size=12))
    return np.array(points, dtype=float).reshape(-1, m), np.full(m, float(draw(st.integers(1, SIDE))))


@settings(deadline=None, max_examples=120)
@given(lattices())
def test_every_cell_that_no_point_dominates_is_in_exactly_one_box(lattice):
    points, reference = lattice
    lower, upper = decompose(points, reference).corners
    m = points.shape[1]
    cells = np.array(list(product(*[np.arange(-1, reference[0]) + 0.5] * m)))
    boxes = ((lower <= cells[:, None]) & (cells[:, None] < upper)).all(axis=2).sum(axis=1)
    dominated = (points <= cells[:, None]).all(axis=2).any(axis=1)
    np.testing.assert_array_equal(boxes, ~dominated)
    assert (lower < upper).all()


def dominated_volume(points, reference):
    """Summed over the cells between all coordinates."""
    axes = [np.unique(np.append(points[:, j], reference[j])) for j in range(points.shape[1])]
    corners = np.array(list(product(*[a[:-1] for a in axes])))
    sizes = np.prod(list(product(*[np.diff(a) for a in axes])), axis=1)
    return sizes[(points <= corners[:, None]).all(axis=2).any(axis=1)].sum()


@pytest.mark.parametrize("m", [2, 3, 4])
@pytest.mark.parametrize("n", [1, 2, 15])
def test_the_rest_of_the_volume_is_what_points_dominate(m, n):
    points, reference = 0.8 * np.random.default_rng(n).random((n, m)), np.full(m, 0.9)
    lower, upper = decompose(points, reference).corners
    free = np.prod(upper - np.maximum(lower, 0.0), axis=1).sum()
    assert free + dominated_volume(points, reference) == pytest.approx(0.9**m)


@pytest.mark.parametrize(("m", "most"), [(2, 101), (3, 201), (4, 1000)])
def test_boxes_are_few(m, most):
    directions = np.abs(np.random.default_rng(0).standard_normal((100, m)))
    front = 1 - directions / np.linalg.norm(directions, axis=1)[:, None]
    assert len(decompose(front, np.full(m, 2.0)).lower) <= most


@pytest.mark.parametrize("m", [2, 3, 4])
def test_without_a_point_there_is_one_box(m):
    for points in (np.empty((0, m)), np.full((3, m), 5.0)):
        lower, upper = decompose(points, np.ones(m)).corners
        assert np.isneginf(lower).all()
        assert upper.tolist() == [[1.0] * m]
