"""Log expected improvement (Ament et al. 2023, arXiv 2310.20708) and the log probability of being feasible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...space.domains import Floats
from .model import Posterior

_LOG_ROOT_2PI = 0.5 * np.log(2 * np.pi)
_FAR = -50.0  # below, the asymptotic series is exact to 1e-10 and the closed form is not


def log_h(z: Floats) -> Floats:
    """ln(φ(z) + z Φ(z)) for every z without loss of digits (Ament et al. 2023, eq. 9)."""
    from scipy.special import erfcx, ndtr

    z = np.asarray(z, dtype=np.float64)
    out = np.empty_like(z)
    near, far = z > -1.0, z < _FAR
    mid = ~near & ~far
    x = z[near]
    out[near] = np.log(np.exp(-0.5 * x * x - _LOG_ROOT_2PI) + x * ndtr(x))
    x = z[mid]
    out[mid] = -0.5 * x * x - _LOG_ROOT_2PI + np.log1p(np.sqrt(np.pi / 2) * x * erfcx(-np.sqrt(0.5) * x))
    x = z[far]
    w = 1.0 / (x * x)
    out[far] = -0.5 * x * x - _LOG_ROOT_2PI + np.log(w) + np.log1p(w * (-3 + w * (15 - 105 * w)))
    return out


def log_ei(mean: Floats, sd: Floats, best: float) -> Floats:
    """ln E[max(best - f, 0)] for f ~ N(mean, sd²), less being better."""
    return log_h((best - mean) / sd) + np.log(sd)


@dataclass(frozen=True)
class Acquisition:
    """What the sampler maximises: log expected improvement plus log probabilities of being feasible.

    Attributes:
        objective: the process of the losses; None where no feasible trial is known: then feasibility alone counts.
        best: the least posterior mean among feasible observations.
        constraints: processes of the constraints with the standardised value of 0, their threshold.
    """

    objective: Posterior | None
    best: float
    constraints: Sequence[tuple[Posterior, float]] = ()

    def value(self, F: Floats) -> Floats:
        """(m,) at features (m, P)."""
        from scipy.special import log_ndtr

        total = np.zeros(len(F))
        if self.objective is not None:
            total += log_ei(*self.objective.predict(F), self.best)
        for posterior, threshold in self.constraints:
            mean, sd = posterior.predict(F)
            total += log_ndtr((threshold - mean) / sd)
        return total

    def value_and_gradient(self, F: Floats) -> tuple[Floats, Floats]:
        """(m,) values and (m, p) derivatives by the numeric features."""
        from scipy.special import log_ndtr

        total, slopes = np.zeros(len(F)), 0.0
        if self.objective is not None:
            mean, sd, dmean, dsd = self.objective.predict_with_gradients(F)
            z = (self.best - mean) / sd
            log_improvement = log_h(z)
            total += log_improvement + np.log(sd)
            # EI = sd·h(z) with dEI/dmean = -Φ(z) and dEI/dsd = φ(z); both over EI, in logs
            by_mean = -np.exp(log_ndtr(z) - log_improvement) / sd
            by_sd = np.exp(-0.5 * z * z - _LOG_ROOT_2PI - log_improvement) / sd
            slopes = slopes + by_mean[:, None] * dmean + by_sd[:, None] * dsd
        for posterior, threshold in self.constraints:
            mean, sd, dmean, dsd = posterior.predict_with_gradients(F)
            z = (threshold - mean) / sd
            log_probability = log_ndtr(z)
            total += log_probability
            ratio = np.exp(-0.5 * z * z - _LOG_ROOT_2PI - log_probability) / sd
            slopes = slopes - ratio[:, None] * (dmean + z[:, None] * dsd)
        return total, np.broadcast_to(slopes, (len(F), self._numbers())).copy()

    def _numbers(self) -> int:
        posterior = self.objective or self.constraints[0][0]
        return posterior.numbers

    def believe(self, F: Floats) -> Acquisition:
        """The acquisition as if rows (q, P) were observed at their means: what a running trial does to it."""
        objective, best = None, self.best
        if self.objective is not None:
            objective = self.objective.believe(F)
            best = min(best, float(self.objective.predict(F)[0].min()))
        return Acquisition(objective, best, [(p.believe(F), t) for p, t in self.constraints])
