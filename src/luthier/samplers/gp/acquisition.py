"""Log expected improvement (Ament et al. 2023, arXiv 2310.20708) and the log probability of being feasible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from ...surrogates.gp.posterior import Posterior, stacked
from ...types import Floats

_LOG_ROOT_2PI = 0.5 * np.log(2 * np.pi)
_FAR = -50.0  # below, the asymptotic series is exact to 1e-10 and the closed form is not


def log_h(z: Floats) -> tuple[Floats, Floats, Floats]:
    """ln h(z), Φ(z)/h(z) and φ(z)/h(z) for h = φ(z) + z Φ(z), without loss of digits for any z.

    Below -1 by the Mills ratio Φ/φ = √(π/2) erfcx(-z/√2), so that h = φ(z) (1 + z Φ/φ) (Ament et al. 2023).
    """
    from scipy.special import ndtr

    x = np.maximum(z, -1.0)
    density, distribution = np.exp(-0.5 * x * x - _LOG_ROOT_2PI), ndtr(x)
    h = density + x * distribution
    value, by_mean, by_sd = np.log(h), distribution / h, density / h
    low = z < -1.0
    if low.any():
        x = z[low]
        mills = _mills(x)
        w = 1.0 / (x * x)
        t = np.where(x < _FAR, w * (1.0 + w * (-3.0 + w * (15.0 - 105.0 * w))), 1.0 + x * mills)
        value[low] = -0.5 * x * x - _LOG_ROOT_2PI + np.log(t)
        by_mean[low], by_sd[low] = mills / t, 1.0 / t
    return value, by_mean, by_sd


def log_probability(z: Floats) -> tuple[Floats, Floats]:
    """ln Φ(z), and its derivative φ(z)/Φ(z), for any z."""
    from scipy.special import log_ndtr, ndtr

    x = np.maximum(z, -1.0)
    slope = np.exp(-0.5 * x * x - _LOG_ROOT_2PI) / ndtr(x)
    return log_ndtr(z), np.where(z < -1.0, 1.0 / _mills(np.minimum(z, -1.0)), slope)


def _mills(z: Floats) -> Floats:
    from scipy.special import erfcx

    return np.asarray(np.sqrt(np.pi / 2) * erfcx(-np.sqrt(0.5) * z))


class Criterion(Protocol):
    """What `maximize` maximises."""

    def value(self, F: Floats) -> Floats:
        """(m,) at features (m, P)."""
        ...

    def rough(self, F: Floats) -> Floats:
        """(m,) about the value, or the value itself: enough to tell which of many rows are worth asking for it."""
        ...

    def value_and_gradient(self, F: Floats) -> tuple[Floats, Floats]:
        """(m,) values and (m, p) derivatives by the numeric features."""
        ...

    def fantasize(self, F: Floats) -> Criterion:
        """The same as if rows (q, P) were observed at their means: what a running trial does to it."""
        ...


@dataclass(frozen=True)
class Acquisition:
    """What the sampler maximises: log expected improvement plus log probabilities of being feasible.

    Attributes:
        objectives: processes of the losses, one for each draw of hyperparameters, over which the improvement is
            averaged; with the least posterior mean of each among feasible observations. Empty where no feasible
            trial is known: then feasibility alone counts.
        constraints: processes of the constraints with the standardised value of 0, their threshold.
    """

    objectives: Sequence[tuple[Posterior, float]]
    constraints: Sequence[tuple[Posterior, float]] = ()

    def value(self, F: Floats) -> Floats:
        """(m,) at features (m, P)."""
        total = self._feasible(F)
        if self.objectives:
            stack, best = self._stack
            mean, sd = stack.predict(F)  # (k, m)
            total += np.logaddexp.reduce(log_h((best - mean) / sd)[0] + np.log(sd)) - np.log(len(best))
        return total

    def rough(self, F: Floats) -> Floats:
        """(m,) by the first process of the losses alone, which takes a fraction of the time of all of them."""
        total = self._feasible(F)
        for posterior, best in self.objectives[:1]:
            mean, sd = posterior.predict(F)
            total += log_h((best - mean) / sd)[0] + np.log(sd)
        return total

    def _feasible(self, F: Floats) -> Floats:
        """(m,) sum of the log probabilities."""
        total = np.zeros(len(F))
        for posterior, threshold in self.constraints:
            mean, sd = posterior.predict(F)
            total += log_probability((threshold - mean) / sd)[0]
        return total

    def value_and_gradient(self, F: Floats) -> tuple[Floats, Floats]:
        """(m,) values and (m, p) derivatives by the numeric features."""
        total, slopes = np.zeros(len(F)), np.zeros((len(F), self._numbers()))
        if self.objectives:
            stack, best = self._stack
            mean, sd, dmean, dsd = stack.predict_with_gradients(F)  # (k, m), (k, m), (k, m, p), (k, m, p)
            log_improvement, by_mean, by_sd = log_h((best - mean) / sd)
            each = log_improvement + np.log(sd)  # EI = sd·h
            whole = np.logaddexp.reduce(each)
            total += whole - np.log(len(each))
            shares = np.exp(each - whole) / sd
            slopes += np.einsum("km,kmp->mp", shares * by_sd, dsd) - np.einsum("km,kmp->mp", shares * by_mean, dmean)
        for posterior, threshold in self.constraints:
            mean, sd, dmean, dsd = posterior.predict_with_gradients(F)
            z = (threshold - mean) / sd
            log_p, slope = log_probability(z)
            total += log_p
            slopes -= (slope / sd)[:, None] * (dmean + z[:, None] * dsd)
        return total, slopes

    @cached_property
    def _stack(self) -> tuple[Posterior, Floats]:
        """The processes of the losses as one, and their best values (k, 1)."""
        return stacked([p for p, _ in self.objectives]), np.array([[best] for _, best in self.objectives])

    def _numbers(self) -> int:
        return (self.objectives or self.constraints)[0][0].numbers

    def fantasize(self, F: Floats) -> Acquisition:
        """The acquisition as if rows (q, P) were observed at their means: what a running trial does to it."""
        return Acquisition(
            [(p.fantasize(F), min(best, float(p.predict(F)[0].min()))) for p, best in self.objectives],
            [(p.fantasize(F), t) for p, t in self.constraints],
        )
