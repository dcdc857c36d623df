"""Hyperparameters of the Gaussian process: the maximum of likelihood times priors.

θ = (ln ℓ of every group, ln σ², ln noise). Priors: ln ℓ ~ N(√2 + ½ ln d, 3) (Hvarfner et al. 2024,
arXiv 2402.02229: length scales that grow with the dimension), ln σ² ~ N(0, 1), ln noise ~ N(-6, 1.5²).
The maximum over ℓ is that of the density of ℓ itself, not of ln ℓ: it lies at 0.2 √d instead of 4 √d.
With the latter, the first suggestions lie in corners: after 30 trials (5 seeds) the mean regret was 1.08
instead of 0.52 on Hartmann-6, 25.8 instead of 16.2 on Rosenbrock-4, 15.7 instead of 9.4 on Ackley-5.
The noise has a floor of 1e-6 in units of the standardised values.

A maximum is too sure of itself where few trials speak: `draws` gives others that the data allow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...space.domains import Floats
from .kernel import matern52, squared_distances

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


def starts(groups: int) -> list[Floats]:
    """Where the search for θ begins: length scales that are moderate (½√d), and short ones."""
    scale = np.sqrt(max(groups, 1))
    return [
        np.concatenate([np.full(groups, np.log(length * scale)), [0.0, noise]])
        for length, noise in ((0.5, -6.0), (0.1, -8.0))
    ]


def loss(theta: Floats, F: Floats, group: NDArray[np.intp], y: Floats) -> tuple[float, Floats]:
    """Negative log of likelihood times priors (without constants) and its gradient.

    Args:
        theta: (G + 2,) see above.
        F: (n, P) features.
        group: (P,) length scale of every feature.
        y: (n,) standardised values.
    """
    from scipy.linalg.lapack import dpotri

    log_length, log_variance, log_noise = theta[:-2], theta[-2], theta[-1]
    n, groups = len(F), len(theta) - 2
    Z = F * np.exp(-log_length)[group]
    k, slope = matern52(squared_distances(Z, Z))
    variance, noise = np.exp(log_variance), np.exp(log_noise)
    k *= variance
    K = k.copy()
    K.flat[:: n + 1] = variance + noise + NOISE_FLOOR
    L = cholesky(K)
    lower, _ = dpotri(L, lower=1)
    inverse = np.tril(lower, -1)
    inverse += np.tril(lower).T
    alpha = inverse @ y
    value = 0.5 * float(y @ alpha) + float(np.sum(np.log(np.diag(L))))

    A = inverse - np.outer(alpha, alpha)  # dvalue/dK = A / 2 (Rasmussen & Williams 2006, eq. 5.9)
    gradient = np.empty_like(theta)
    gradient[-1] = 0.5 * np.trace(A) * noise
    k.flat[:: n + 1] = variance
    gradient[-2] = 0.5 * np.vdot(A, k)
    W = A * slope
    columns = np.einsum("ij,i,ij->j", Z, W.sum(axis=1), Z) - np.einsum("ij,ij->j", Z, W @ Z)
    gradient[:-2] = -2.0 * variance * np.bincount(group, columns, groups)

    # the density of ℓ is that of ln ℓ over ℓ, which moves the mean of ln ℓ by its variance
    u = (log_length - np.sqrt(2.0) - 0.5 * np.log(max(groups, 1)) + _LENGTH_VARIANCE) / np.sqrt(_LENGTH_VARIANCE)
    v = (log_noise - _NOISE_MEAN) / _NOISE_SD
    value += 0.5 * float(u @ u + log_variance**2 + v**2)
    gradient[:-2] += u / np.sqrt(_LENGTH_VARIANCE)
    gradient[-2] += log_variance
    gradient[-1] += v / _NOISE_SD
    return value, gradient


def fit(F: Floats, group: NDArray[np.intp], y: Floats, starts: Sequence[Floats], iterations: int) -> Floats:
    """θ at the best optimum that L-BFGS-B reaches from the starts; a pure function."""
    from scipy.optimize import minimize

    bounds = _bounds(len(starts[0]) - 2)
    found = [
        minimize(
            loss,
            start,
            args=(F, group, y),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": iterations, "ftol": 1e-5, "gtol": 1e-2},
        )
        for start in starts
    ]
    return np.asarray(min(found, key=lambda r: float(r.fun)).x)


def spread(theta: Floats, F: Floats, group: NDArray[np.intp], y: Floats) -> Floats:
    """A root (G + 2, G + 2) of the covariance of θ around its optimum, by Laplace's approximation.

    The Hessian comes from differences of gradients. A direction in which it says less than the priors do, as
    where the optimum lies on a limit, gets the width of the widest prior.
    """
    base = loss(theta, F, group, y)[1]
    H = np.stack([(loss(t, F, group, y)[1] - base) / _STEP for t in theta + _STEP * np.eye(len(theta))])
    eigenvalues, vectors = np.linalg.eigh(0.5 * (H + H.T))
    return np.asarray(vectors / np.sqrt(np.maximum(eigenvalues, 1.0 / _LENGTH_VARIANCE)))


def draws(theta: Floats, root: Floats, rng: np.random.Generator, k: int) -> Floats:
    """(k, G + 2) hyperparameters around θ, within their limits; `root` is that of `spread`."""
    low, high = np.transpose(_bounds(len(theta) - 2))
    return np.clip(theta + rng.standard_normal((k, len(theta))) @ root.T, low, high)


def _bounds(groups: int) -> list[tuple[float, float]]:
    return [_LIMITS["length"]] * groups + [_LIMITS["variance"], _LIMITS["noise"]]
