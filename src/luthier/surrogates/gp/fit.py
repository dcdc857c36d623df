"""The fit of the Gaussian process: the maximum of likelihood times priors, and draws from around it.

A maximum is too sure of itself where few trials speak: `draws` gives others that the data allow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...types import Floats
from . import input_warp
from .cholesky import cholesky
from .hyperparameters import LENGTH_VARIANCE, NOISE_FLOOR, bounds, prior, split
from .kernel import Embedding, matern52, squared_distances

_STEP = 0.05  # of the differences behind a Hessian


def loss(theta: Floats, embedding: Embedding, F: Floats, y: Floats) -> tuple[float, Floats]:
    """Negative log of likelihood times priors (without constants) and its gradient.

    Args:
        theta: (T,) see `hyperparameters`.
        embedding: of the space.
        F: (n, P) features.
        y: (n,) standardised values.
    """
    from scipy.linalg.lapack import dpotri

    h, n, p = split(theta, embedding), len(F), len(embedding.numeric)
    F, _, by_a, by_b = input_warp.warped_with_slopes(F, h.warp)
    scale = np.exp(-h.log_length)[embedding.group]
    Z = F * scale
    k, slope = matern52(squared_distances(Z, Z))
    variance, noise = np.exp(h.log_variance), np.exp(h.log_noise)
    k *= variance
    K = k.copy()
    K.flat[:: n + 1] = variance + noise + NOISE_FLOOR
    L = cholesky(K)
    lower, _ = dpotri(L, lower=1)  # above the diagonal it is zero, as L is
    inverse = lower + lower.T
    inverse.flat[:: n + 1] *= 0.5
    alpha = inverse @ y
    value = 0.5 * float(y @ alpha) + float(np.sum(np.log(np.diag(L))))

    A = inverse - np.outer(alpha, alpha)  # dvalue/dK = A / 2 (Rasmussen & Williams 2006, eq. 5.9)
    by_noise = 0.5 * float(np.trace(A)) * noise
    k.flat[:: n + 1] = variance
    by_variance = 0.5 * float(np.vdot(A, k))
    W = A * slope
    pull = 2.0 * variance * (Z * W.sum(axis=1)[:, None] - W @ Z)  # dvalue/dZ
    by_length = -np.bincount(embedding.group, np.einsum("ij,ij->j", Z, pull), embedding.groups)
    by_warped = pull[:, :p] * scale[:p]
    by_warp = np.concatenate([np.einsum("ij,ij->j", by_warped, by_a), np.einsum("ij,ij->j", by_warped, by_b)])

    by_theta = np.concatenate([by_length, [by_variance, by_noise], by_warp])
    by_prior, slope_of_prior = prior(h)
    return value + by_prior, by_theta + slope_of_prior


def fit(embedding: Embedding, F: Floats, y: Floats, starts: Sequence[Floats], iterations: int) -> Floats:
    """θ at the best optimum that L-BFGS-B reaches from the starts; a pure function."""
    from scipy.optimize import minimize

    limits = bounds(embedding, len(y))
    found = [
        minimize(
            loss,
            start,
            args=(embedding, F, y),
            jac=True,
            method="L-BFGS-B",
            bounds=limits,
            options={"maxiter": iterations, "ftol": 1e-5, "gtol": 1e-2},
        )
        for start in starts
    ]
    return np.asarray(min(found, key=lambda r: float(r.fun)).x)


def spread(theta: Floats, embedding: Embedding, F: Floats, y: Floats) -> Floats:
    """A root (T, T) of the covariance of θ around its optimum, by Laplace's approximation.

    The Hessian comes from differences of gradients. A direction in which it says less than the priors do, as
    where the optimum lies on a limit, gets the width of the widest prior.
    """
    base = loss(theta, embedding, F, y)[1]
    H = np.stack([(loss(t, embedding, F, y)[1] - base) / _STEP for t in theta + _STEP * np.eye(len(theta))])
    eigenvalues, vectors = np.linalg.eigh(0.5 * (H + H.T))
    return np.asarray(vectors / np.sqrt(np.maximum(eigenvalues, 1.0 / LENGTH_VARIANCE)))


def draws(theta: Floats, embedding: Embedding, n: int, root: Floats, rng: np.random.Generator, k: int) -> Floats:
    """(k, T) hyperparameters around θ, within their limits for n observations; `root` is that of `spread`."""
    low, high = np.transpose(bounds(embedding, n))
    return np.clip(theta + rng.standard_normal((k, len(theta))) @ root.T, low, high)
