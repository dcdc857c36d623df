"""Fronts and crowding: by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.multiobjective.dominance import best_first, crowding, fronts, non_dominated, ranks

INF, NAN = np.inf, np.nan
numbers = st.one_of(st.integers(-2, 2).map(float), st.sampled_from([INF, -INF, NAN, 1e308, -1e308, 1e-300, -0.0]))


@st.composite
def tables(draw):
    m = draw(st.integers(1, 4))
    rows = draw(st.lists(st.tuples(*[numbers] * m), max_size=25))
    return np.array(rows, dtype=float).reshape(-1, m)


def dominates(a, b):
    a, b = (np.where(np.isnan(x), INF, x) for x in (a, b))
    return bool((a <= b).all() and (a < b).any())


def levels(losses):
    """The front of each row: peel off what nothing left dominates."""
    level, rest, depth = np.zeros(len(losses), dtype=int), list(range(len(losses))), 0
    while rest:
        front = [i for i in rest if not any(dominates(losses[j], losses[i]) for j in rest)]
        level[front] = depth
        rest, depth = [i for i in rest if i not in front], depth + 1
    return level


@given(tables())
@settings(deadline=None, max_examples=300)
def test_fronts_are_those_of_the_definition(losses):
    level = levels(losses)
    np.testing.assert_array_equal(non_dominated(losses), level == 0)
    found = list(fronts(losses))
    assert [front.tolist() for front in found] == [
        np.flatnonzero(level == depth).tolist() for depth in range(len(found))
    ]
    assert sum(map(len, found)) == len(losses)


@given(tables(), st.integers(0, 30))
@settings(deadline=None, max_examples=150)
def test_the_best_come_front_by_front(losses, n):
    level = levels(losses)
    chosen = best_first(losses, n)
    assert len(set(chosen.tolist())) == len(chosen) == min(n, len(losses))
    assert level[chosen].tolist() == sorted(level)[: len(chosen)]


@given(tables())
@settings(deadline=None, max_examples=100)
def test_only_the_order_of_values_matters(losses):
    np.testing.assert_array_equal(non_dominated(losses), non_dominated(ranks(losses).astype(float) * 1e-3))


@given(tables())
@settings(deadline=None, max_examples=100)
def test_nothing_is_changed(losses):
    before = losses.copy()
    best_first(losses, 3)
    np.testing.assert_array_equal(losses, before)


@pytest.mark.parametrize("m", [1, 2, 4])
def test_no_rows(m):
    none = np.empty((0, m))
    assert non_dominated(none).tolist() == []
    assert list(fronts(none)) == []
    assert best_first(none, 5).tolist() == []
    assert crowding(none).tolist() == []


def test_equal_rows_share_a_front():
    losses = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    assert non_dominated(losses).tolist() == [True, True, True, False, False]
    assert [front.tolist() for front in fronts(losses)] == [[0, 1, 2], [3, 4]]


def test_nan_is_as_bad_as_infinity():
    losses = np.array([[0.0, NAN], [1.0, INF], [2.0, 0.0], [NAN, NAN]])
    assert non_dominated(losses).tolist() == [True, False, True, False]
    assert non_dominated(np.array([[NAN], [3.0], [NAN]])).tolist() == [False, True, False]
    assert non_dominated(np.full((3, 2), NAN)).tolist() == [True] * 3


def test_a_front_of_300_in_four_objectives():
    directions = np.abs(np.random.default_rng(0).standard_normal((300, 4)))
    sphere = 1 - directions / np.linalg.norm(directions, axis=1)[:, None]
    both = np.concatenate([sphere + 0.5, sphere])
    assert [len(front) for front in fronts(sphere)] == [300]
    assert non_dominated(both)[300:].all()
    assert set(best_first(both, 300).tolist()) == set(range(300, 600))


def test_crowding_is_the_distance_of_the_neighbours():
    values = np.array([[0.0, 10.0], [1.0, 6.0], [4.0, 5.0], [10.0, 0.0]])
    assert crowding(values).tolist() == [INF, 0.4 + 0.5, 0.9 + 0.6, INF]
    assert crowding(np.ones((3, 2))).tolist() == [INF, 0.0, INF]
    assert crowding(values[:1]).tolist() == [INF]
    assert crowding(values[:2]).tolist() == [INF, INF]


def test_crowding_of_huge_values():
    values = np.array([[-1.7e308, 1.7e308], [0.0, 0.0], [1.7e308, -1.7e308]])
    assert crowding(values).tolist() == [INF, 2.0, INF]


def test_within_a_front_the_ends_and_the_lonely_come_first():
    x = np.array([0.0, 0.1, 0.11, 0.12, 0.6, 1.0])
    front = np.stack([x, -x], axis=1)
    assert {0, 5} <= set(best_first(front, 3).tolist())
    gaps = crowding(front)
    assert np.argsort(-gaps, kind="stable").tolist()[:3] == [0, 5, 4]
