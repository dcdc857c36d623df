"""The warp of the features: its ends, its order, its slopes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.surrogates.gp.input_warp import LIMIT, warped, warped_with_slopes

PARAMETERS = st.lists(st.floats(-LIMIT, LIMIT), min_size=2, max_size=2).map(np.array)


@given(PARAMETERS)
@settings(deadline=None, max_examples=50)
def test_it_keeps_the_ends_and_the_order(parameters):
    x = np.linspace(-1, 2, 61)[:, None]
    w = warped(x, parameters)[:, 0]
    assert (np.diff(w) >= 0).all()
    # a coordinate outside goes on straight; the very ends are a little inside, where slopes are finite
    np.testing.assert_allclose(w[[0, 20, 40, 60]], [-1, 0, 1, 2], atol=0.25)
    np.testing.assert_allclose(warped(x[[0, 20, 40, 60]], parameters / 2)[:, 0], [-1, 0, 1, 2], atol=0.01)


def test_without_parameters_it_is_the_identity():
    F = np.random.default_rng(0).random((5, 3))
    np.testing.assert_allclose(warped(F, np.zeros(4)), F, atol=1e-12)
    np.testing.assert_array_equal(warped(F, np.empty(0)), F)


def test_columns_beyond_the_numbers_stay():
    F = np.random.default_rng(0).random((5, 3))
    np.testing.assert_array_equal(warped(F, np.ones(2))[:, 1:], F[:, 1:])


@given(PARAMETERS, st.floats(0.01, 0.99))
@settings(deadline=None, max_examples=100)
def test_slopes(parameters, u):
    F = np.array([[u]])
    value, by_u, by_a, by_b = warped_with_slopes(F, parameters)
    np.testing.assert_allclose(value, warped(F, parameters), atol=1e-12)
    h = 1e-6
    a, b = np.array([h, 0]), np.array([0, h])
    for slope, up, down in (
        (by_u, warped(F + h, parameters), warped(F - h, parameters)),
        (by_a, warped(F, parameters + a), warped(F, parameters - a)),
        (by_b, warped(F, parameters + b), warped(F, parameters - b)),
    ):
        np.testing.assert_allclose(slope, (up - down) / (2 * h), rtol=1e-4, atol=1e-6)
