from __future__ import annotations

import numpy as np
import pytest

from luthier.surrogates.gp.cholesky import cholesky, inverse_lower


def test_cholesky_of_a_singular_matrix():
    K = np.ones((5, 5))
    L = cholesky(K)
    np.testing.assert_allclose(L @ L.T, K, atol=1e-6)
    np.testing.assert_array_equal(np.triu(L, 1), 0)


def test_the_inverse_of_a_lower_triangle():
    L = np.tril(np.random.default_rng(0).random((6, 6))) + np.eye(6)
    np.testing.assert_allclose(inverse_lower(L) @ L, np.eye(6), atol=1e-12)


@pytest.mark.parametrize("wrong", [np.zeros((2, 2)), -np.eye(2)])
def test_what_is_not_a_covariance_is_an_error_and_no_endless_search(wrong):
    with pytest.raises(np.linalg.LinAlgError, match="not a covariance"):
        cholesky(wrong)
