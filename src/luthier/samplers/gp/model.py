"""The Gaussian process given data and hyperparameters: predictions, their gradients, and fantasies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...space.domains import Floats
from .fit import NOISE_FLOOR, cholesky
from .kernel import Embedding, matern52, squared_distances

_MIN_VARIANCE = 1e-9  # of the prior's: what rounding leaves of a variance that is zero


@dataclass(frozen=True)
class Posterior:
    """What the process says after n observations; made by `condition`, never changed.

    Attributes:
        Z: (n, P) features of the observations over their length scales.
        scale: (P,) one over the length scale of every feature.
        variance, noise: of the prior and of an observation.
        root: (n, n) inverse of the Cholesky factor L of the covariance.
        alpha: (n,) the covariance's inverse times the observations.
        numbers: how many of the first features are numbers, for which there are gradients.
    """

    Z: Floats
    scale: Floats
    variance: float
    noise: float
    root: Floats
    alpha: Floats
    numbers: int

    def predict(self, F: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation (m,) of the noise-free value at features (m, P)."""
        k, _ = matern52(squared_distances(F * self.scale, self.Z))
        k *= self.variance
        V = k @ self.root.T  # (m, n)
        return k @ self.alpha, self._sd(V)

    def predict_with_gradients(self, F: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Mean and standard deviation (m,), and their derivatives (m, p) by the numeric features."""
        z = F * self.scale
        k, slope = matern52(squared_distances(z, self.Z))
        k *= self.variance
        V = k @ self.root.T
        sd = self._sd(V)
        slope *= 2.0 * self.variance
        dmean = self._pull(z, slope * self.alpha)
        dsd = self._pull(z, slope * (V @ self.root)) / -sd[:, None]
        return k @ self.alpha, sd, dmean, dsd

    def _sd(self, V: Floats) -> Floats:
        variance = self.variance - np.einsum("ij,ij->i", V, V)
        return np.asarray(np.sqrt(np.maximum(variance, _MIN_VARIANCE * self.variance)))

    def _pull(self, z: Floats, B: Floats) -> Floats:
        """Σ_i B_mi (z_mj - z_ij) / ℓ_j: the chain rule through the squared distances."""
        p = self.numbers
        return np.asarray((z[:, :p] * B.sum(axis=1)[:, None] - B @ self.Z[:, :p]) * self.scale[:p])

    def means(self) -> Floats:
        """(n,) posterior means at the observations."""
        return self.predict(self.Z / self.scale)[0]

    def believe(self, F: Floats) -> Posterior:
        """The posterior as if rows (q, P) had been observed at their means (the kriging believer).

        The means stay and the standard deviations shrink. Costs O(n² q): a block append to the root.
        """
        new = F * self.scale
        cross, _ = matern52(squared_distances(new, self.Z))
        V = self.variance * cross @ self.root.T  # (q, n)
        own, _ = matern52(squared_distances(new, new))
        S = self.variance * own - V @ V.T
        S.flat[:: len(F) + 1] += self.noise
        corner = _inverse_lower(cholesky(S))
        n, q = len(self.Z), len(F)
        root = np.zeros((n + q, n + q))
        root[:n, :n] = self.root
        root[n:, :n] = -corner @ (V @ self.root)
        root[n:, n:] = corner
        return Posterior(
            np.concatenate([self.Z, new]),
            self.scale,
            self.variance,
            self.noise,
            root,
            np.concatenate([self.alpha, np.zeros(q)]),
            self.numbers,
        )


def condition(embedding: Embedding, theta: Floats, F: Floats, y: Floats) -> Posterior:
    """The posterior given features (n, P), standardised values (n,) and hyperparameters (see `fit`)."""
    scale = np.exp(-theta[:-2])[embedding.group]
    variance, noise = float(np.exp(theta[-2])), float(np.exp(theta[-1])) + NOISE_FLOOR
    Z = F * scale
    K = variance * matern52(squared_distances(Z, Z))[0]
    K.flat[:: len(F) + 1] = variance + noise
    root = _inverse_lower(cholesky(K))
    return Posterior(Z, scale, variance, noise, root, root.T @ (root @ y), len(embedding.numeric))


def _inverse_lower(L: Floats) -> Floats:
    from scipy.linalg.lapack import dtrtri

    return np.asarray(dtrtri(L, lower=1)[0])
