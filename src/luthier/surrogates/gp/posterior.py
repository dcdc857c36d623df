"""The Gaussian process given data and hyperparameters: predictions, their gradients, and fantasies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...types import Floats
from .cholesky import cholesky, inverse_lower
from .hyperparameters import NOISE_FLOOR, split
from .input_warp import warped, warped_with_slopes
from .kernel import Embedding, matern52, squared_distances

_MIN_VARIANCE = 1e-9  # of the prior's: what rounding leaves of a variance that is zero


@dataclass(frozen=True)
class Posterior:
    """What the process says after n observations; made by `condition`, never changed.

    It may be several, one for each of k sets of hyperparameters: then every array has a leading axis (k, ...), as has
    what it predicts, and `variance` is (k, 1, 1); see `stacked`.

    Attributes:
        Z: (n, P) warped features of the observations over their length scales.
        warp: (2p,) of the first p features, which are the numbers.
        scale: (P,) one over the length scale of every feature.
        variance, noise: of the prior and of an observation.
        root: (n, n) inverse of the Cholesky factor L of the covariance.
        alpha: (n,) the covariance's inverse times the observations.
    """

    Z: Floats
    warp: Floats
    scale: Floats
    variance: Any
    noise: Any
    root: Floats
    alpha: Floats

    @property
    def numbers(self) -> int:
        """How many of the first features are numbers, for which there are gradients."""
        return int(self.warp.shape[-1]) // 2

    def predict(self, F: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation (m,) of the noise-free value at features (m, P)."""
        k, _ = matern52(squared_distances(warped(F, self.warp) * self.scale[..., None, :], self.Z))
        k *= self.variance
        V = k @ np.swapaxes(self.root, -1, -2)  # (m, n)
        return (k @ self.alpha[..., None])[..., 0], self._sd(V)

    def predict_with_gradients(self, F: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Mean and standard deviation (m,), and their derivatives (m, p) by the numeric features."""
        G, bend, _, _ = warped_with_slopes(F, self.warp)
        z = G * self.scale[..., None, :]
        k, slope = matern52(squared_distances(z, self.Z))
        k *= self.variance
        V = k @ np.swapaxes(self.root, -1, -2)
        sd = self._sd(V)
        slope *= 2.0 * self.variance
        bend *= self.scale[..., None, : self.numbers]
        dmean = self._pull(z, slope * self.alpha[..., None, :]) * bend
        slope *= V @ self.root
        dsd = self._pull(z, slope) * bend / -sd[..., None]
        return (k @ self.alpha[..., None])[..., 0], sd, dmean, dsd

    def _sd(self, V: Floats) -> Floats:
        variance = np.reshape(self.variance, np.shape(self.variance)[:-1])  # (), or (k, 1)
        left = variance - np.einsum("...ij,...ij->...i", V, V)
        return np.asarray(np.sqrt(np.maximum(left, _MIN_VARIANCE * variance)))

    def _pull(self, z: Floats, B: Floats) -> Floats:
        """Σ_i B_mi (z_mj - z_ij): the chain rule through the squared distances, without its factor 1/ℓ_j."""
        p = self.numbers
        return np.asarray(z[..., :p] * B.sum(axis=-1)[..., None] - B @ self.Z[..., :p])

    def means(self, y: Floats) -> Floats:
        """(n,) posterior means at the observations, of values y (n,): K α, where (K + noise) α = y."""
        return np.asarray(y - self.noise * self.alpha)

    def fantasize(self, F: Floats) -> Posterior:
        """The posterior as if rows (q, P) had been observed at their means (the kriging believer).

        The means stay and the standard deviations shrink. Costs O(n² q): a block append to the root.
        """
        new = warped(F, self.warp) * self.scale
        cross, _ = matern52(squared_distances(new, self.Z))
        V = self.variance * cross @ self.root.T  # (q, n)
        own, _ = matern52(squared_distances(new, new))
        S = self.variance * own - V @ V.T
        S.flat[:: len(F) + 1] += self.noise
        corner = inverse_lower(cholesky(S))
        n, q = len(self.Z), len(F)
        root = np.zeros((n + q, n + q))
        root[:n, :n] = self.root
        root[n:, :n] = -corner @ (V @ self.root)
        root[n:, n:] = corner
        return replace(
            self, Z=np.concatenate([self.Z, new]), root=root, alpha=np.concatenate([self.alpha, np.zeros(q)])
        )


def condition(embedding: Embedding, theta: Floats, F: Floats, y: Floats) -> Posterior:
    """The posterior given features (n, P), standardised values (n,) and hyperparameters (see `hyperparameters`)."""
    h = split(theta, embedding)
    scale = np.exp(-h.log_length)[embedding.group]
    variance, noise = float(np.exp(h.log_variance)), float(np.exp(h.log_noise)) + NOISE_FLOOR
    Z = warped(F, h.warp) * scale
    K = variance * matern52(squared_distances(Z, Z))[0]
    K.flat[:: len(F) + 1] = variance + noise
    root = inverse_lower(cholesky(K))
    return Posterior(Z, h.warp, scale, variance, noise, root, root.T @ (root @ y))


def stacked(posteriors: Sequence[Posterior]) -> Posterior:
    """Several posteriors of the same number of observations as one: few calls of NumPy take the place of many."""
    parts = [[getattr(p, name) for p in posteriors] for name in ("Z", "warp", "scale", "root", "alpha")]
    Z, warp, scale, root, alpha = map(np.stack, parts)
    variance, noise = (np.reshape([getattr(p, x) for p in posteriors], (-1, 1, 1)) for x in ("variance", "noise"))
    return Posterior(Z, warp, scale, variance, noise, root, alpha)
