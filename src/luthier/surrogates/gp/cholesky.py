"""Cholesky factors of covariances, and their inverses."""

from __future__ import annotations

import numpy as np

from ...types import Floats


def cholesky(K: Floats) -> Floats:
    """Return the lower Cholesky factor of a symmetric matrix, with as little added to its diagonal as it takes.

    Raises:
        LinAlgError: the matrix is not a covariance: its diagonal is not positive. NaN in it comes out as NaN.
    """
    from scipy.linalg.lapack import dpotrf

    jitter = 0.0
    while True:
        L, failed = dpotrf(K + jitter * np.eye(len(K)) if jitter else K, lower=1, clean=1)
        if not failed:
            return np.asarray(L)
        jitter = 10.0 * jitter or 1e-10 * float(np.mean(np.diag(K)))
        if not 0 < jitter < np.inf:
            raise np.linalg.LinAlgError(f"this is not a covariance: the mean of its diagonal is {np.mean(np.diag(K))}")


def inverse_lower(L: Floats) -> Floats:
    """Return the inverse of a lower triangular matrix."""
    from scipy.linalg.lapack import dtrtri

    return np.asarray(dtrtri(L, lower=1)[0])
