from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.surrogates.gp.observations import COMPLETE, FAIL, PRUNED
from luthier.surrogates.gp.targets import constraint_targets, half_rank, targets


def complete(values):
    return targets(np.array(values, dtype=float), np.full(len(values), COMPLETE, dtype=np.int8))


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
@settings(deadline=None, max_examples=200)
def test_targets_are_standardised_and_keep_the_order(values):
    y = complete(values)
    assert np.isfinite(y).all()
    assert np.abs(y).max() < 10
    order = np.argsort(values)
    assert (np.diff(y[order]) >= -1e-9).all()


def test_the_better_half_keeps_its_distances():
    y = half_rank(np.array([0.0, 1.0, 3.0, 4.0, 1e30]))
    np.testing.assert_array_equal(y[:3], [0, 1, 3])
    assert 3 < y[3] < y[4] < 10


def test_ties_get_the_same_target():
    y = complete([1.0, 5.0, 5.0, 2.0, 5.0])
    assert y[1] == y[2] == y[4]


@pytest.mark.parametrize("value", [0.0, 2.5, 1e308])
def test_constant_values_say_nothing(value):
    np.testing.assert_array_equal(complete([value] * 5), 0)


def test_one_value_apart_from_many_that_are_the_same():
    y = complete([1.0] * 9 + [2.0])
    assert y[9] > y[0] + 1


@pytest.mark.parametrize("huge", [1e15, 1e30, 1e300])
def test_one_huge_value_leaves_the_others_apart(huge):
    y = complete([huge, *range(7)])
    assert (np.diff(y[1:5]) > 0.1).all() and y[0] == y.max()


def test_a_failure_is_worse_than_the_worst():
    states = np.array([COMPLETE, COMPLETE, COMPLETE, FAIL], dtype=np.int8)
    y = targets(np.array([1.0, 2.0, 3.0, np.nan]), states)
    assert y[3] > y[2]


def test_a_pruned_trial_is_no_better_than_the_median():
    states = np.array([COMPLETE, COMPLETE, COMPLETE, PRUNED, PRUNED], dtype=np.int8)
    y = targets(np.array([1.0, 2.0, 3.0, 0.0, 2.5]), states)
    assert y[3] == y[1]
    assert y[1] < y[4] < y[2]


def test_nothing_complete():
    states = np.array([FAIL, PRUNED], dtype=np.int8)
    np.testing.assert_array_equal(targets(np.array([np.nan, 3.0]), states), 0)


def test_constraint_targets_keep_the_threshold_in_its_place():
    c = np.array([-3.0, -0.1, 0.2, 1e30])
    y, threshold = constraint_targets(c)
    np.testing.assert_array_equal(y <= threshold, c <= 0)
    assert np.abs(y).max() < 3
    np.testing.assert_array_equal(constraint_targets(np.zeros(3))[0], 0)
