"""Hyperparameters of the Gaussian process: the maximum of likelihood times priors.

θ = (ln ℓ of every group, ln σ², ln noise, the input warp's ln a and ln b of every number). Priors:
ln ℓ ~ N(√2 + ½ ln d, 3) (Hvarfner et al. 2024, arXiv 2402.02229: length scales that grow with the dimension),
ln σ² ~ N(0, 1), ln noise ~ N(-6, 1.5²), ln a and ln b as `input_warp` says.
The maximum over ℓ is that of the density of ℓ itself, not of ln ℓ: it lies at 0.2 √d instead of 4 √d.
With the latter, the first suggestions lie in corners: after 30 trials (5 seeds) the mean regret was 1.08
instead of 0.52 on Hartmann-6, 25.8 instead of 16.2 on Rosenbrock-4, 15.7 instead of 9.4 on Ackley-5.
The noise has a floor of 1e-6 in units of the standardised values.

A maximum is too sure of itself where few trials speak: `draws` gives others that the data allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...types import Floats
from . import input_warp
from .kernel import Embedding, matern52, squared_distances

NOISE_FLOOR = 1e-6
_LENGTH_VARIANCE = 3.0
_NOISE_MEAN, _NOISE_SD = -6.0, 1.5
_STEP = 0.05  # of the differences behind a Hessian
_LIMITS = {"length": (-4.0, 9.0), "variance": (-6.0, 6.0), "noise": (-16.0, 1.0)}


def cholesky(K: Floats) -> Floats:
    """Lower Cholesky factor of a symmetric matrix, with as little added to its diagonal as makes it exist."""
    from scipy.linalg.lapack import dpotrf

    jitter = 0.0
    while True:
        L, failed = dpotrf(K + jitter * np.eye(len(K)) if jitter else K, lower=1, clean=1)
        if not failed:
            return np.asarray(L)
        jitter = max(10.0 * jitter, 1e-10 * float(np.mean(np.diag(K))))


@dataclass(frozen=True)
class Hyperparameters:
    """θ by its parts: log_length (G,), log_variance, log_noise, warp (2p,)."""

    log_length: Floats
    log_variance: float
    log_noise: float
    warp: Floats


def split(theta: Floats, embedding: Embedding) -> Hyperparameters:
    """θ by its parts."""
    G = embedding.groups
    return Hyperparameters(theta[:G], float(theta[G]), float(theta[G + 1]), theta[G + 2 :])


def starts(embedding: Embedding) -> list[Floats]:
    """Where the search for θ begins: length scales that are moderate (½√d), and short ones."""
    scale, unwarped = np.sqrt(max(embedding.groups, 1)), np.zeros(2 * len(embedding.numeric))
    return [
        np.concatenate([np.full(embedding.groups, np.log(length * scale)), [0.0, noise], unwarped])
        for length, noise in ((0.5, -6.0), (0.1, -8.0))
    ]


def loss(theta: Floats, embedding: Embedding, F: Floats, y: Floats) -> tuple[float, Floats]:
    """Negative log of likelihood times priors (without constants) and its gradient.

    Args:
        theta: (T,) see above.
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

    # the density of ℓ is that of ln ℓ over ℓ, which moves the mean of ln ℓ by its variance
    u = (h.log_length - np.sqrt(2.0) - 0.5 * np.log(max(embedding.groups, 1)) + _LENGTH_VARIANCE) / np.sqrt(
        _LENGTH_VARIANCE
    )
    v = (h.log_noise - _NOISE_MEAN) / _NOISE_SD
    w = h.warp / input_warp.SD
    value += 0.5 * float(u @ u + h.log_variance**2 + v**2 + w @ w)
    return value, np.concatenate(
        [
            by_length + u / np.sqrt(_LENGTH_VARIANCE),
            [by_variance + h.log_variance, by_noise + v / _NOISE_SD],
            by_warp + w / input_warp.SD,
        ]
    )


def fit(embedding: Embedding, F: Floats, y: Floats, starts: Sequence[Floats], iterations: int) -> Floats:
    """θ at the best optimum that L-BFGS-B reaches from the starts; a pure function."""
    from scipy.optimize import minimize

    bounds = _bounds(embedding, len(y))
    found = [
        minimize(
            loss,
            start,
            args=(embedding, F, y),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
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
    return np.asarray(vectors / np.sqrt(np.maximum(eigenvalues, 1.0 / _LENGTH_VARIANCE)))


def draws(theta: Floats, embedding: Embedding, n: int, root: Floats, rng: np.random.Generator, k: int) -> Floats:
    """(k, T) hyperparameters around θ, within their limits for n observations; `root` is that of `spread`."""
    low, high = np.transpose(_bounds(embedding, n))
    return np.clip(theta + rng.standard_normal((k, len(theta))) @ root.T, low, high)


def _bounds(embedding: Embedding, n: int) -> list[tuple[float, float]]:
    limit = input_warp.LIMIT if n >= input_warp.OBSERVATIONS else 0.0
    warp = [(-limit, limit)] * (2 * len(embedding.numeric))
    return [_LIMITS["length"]] * embedding.groups + [_LIMITS["variance"], _LIMITS["noise"], *warp]
