"""The kernel and the features that it takes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.space import Choice, Float, Int, Space
from luthier.surrogates.gp.kernel import Embedding, matern52, squared_distances
from luthier.testing.samplers import spaces


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
