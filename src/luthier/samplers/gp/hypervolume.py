"""Expected hypervolume improvement: what a trial is expected to add to the region that a Pareto front dominates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...multiobjective.boxes import Boxes, decompose
from ...multiobjective.dominance import non_dominated
from ...surrogates.gp.posterior import Posterior
from ...types import Floats
from .acquisition import Acquisition, log_h

_MARGIN = 0.1  # of the front's extent, by which the reference point is worse than its worst
_LEAST_GAP = 1e-13  # of two log improvements whose corners differ by less than rounding leaves
_CHUNK = 2**18  # numbers in a temporary array


def reference_point(losses: Floats) -> Floats:
    """(m,) a point a little worse than the front of losses (n, m) in every objective.

    Its worst value plus a tenth of its extent, as BoTorch infers it (Balandat et al. 2020). Where the front has no
    extent, that of all losses counts; where they have none either, 1.
    """
    front = losses[non_dominated(losses)]
    extent = np.ptp(front, axis=0)
    extent = np.where(extent > 0, extent, np.ptp(losses, axis=0))
    return np.asarray(front.max(axis=0) + _MARGIN * np.where(extent > 0, extent, 1.0))


def log_improvement(mean: Floats, sd: Floats, boxes: Boxes) -> Floats:
    """Log expected hypervolume improvement (c,) of independent normals with means and standard deviations (c, m).

    With ψ(u) = E max(u - y, 0) the expected improvement is Σ_boxes Π_j ψ(upper_j) - ψ(lower_j) (Yang et al. 2019,
    J. Global Optim. 75; Daulton et al. 2020, arXiv 2006.05078), here summed in logs, so that it has a slope where it
    is too small for a float (Ament et al. 2023, arXiv 2310.20708).
    """
    size = max(1, _CHUNK // max(1, boxes.lower.size))
    return np.concatenate(
        [_Terms(mean[i : i + size], sd[i : i + size], boxes).value for i in range(0, len(mean), size)]
    )


def log_improvement_and_slopes(mean: Floats, sd: Floats, boxes: Boxes) -> tuple[Floats, Floats, Floats]:
    """The same, and its derivatives by means and standard deviations (c, m)."""
    terms = _Terms(mean, sd, boxes)
    by_mean, by_sd = terms.slopes()
    return terms.value, by_mean, by_sd


class _Terms:
    """Logs of what each box adds, and of their sum: value (c,)."""

    def __init__(self, mean: Floats, sd: Floats, boxes: Boxes) -> None:
        self.sd, self.boxes, self.columns = sd, boxes, np.arange(mean.shape[1])
        self.log_h = log_h((boxes.grid[1:] - mean[:, None, :]) / sd[:, None, :])  # 3 of (c, k + 1, m)
        log_psi = self._from_infinity(self.log_h[0], -np.inf)
        self.high = log_psi[:, boxes.upper, self.columns]  # (c, b, m)
        self.gap = np.minimum(log_psi[:, boxes.lower, self.columns] - self.high, -_LEAST_GAP)
        self.rest = -np.expm1(self.gap)  # 1 - ψ(lower) / ψ(upper)
        each = self.high.sum(axis=2) + np.log(self.rest).sum(axis=2)  # (c, b)
        top = each.max(axis=1)
        self.weights = np.exp(each - top[:, None])
        total = self.weights.sum(axis=1)
        self.weights /= total[:, None]
        self.value = top + np.log(total) + np.log(sd).sum(axis=1)  # ψ = sd·h

    def slopes(self) -> tuple[Floats, Floats]:
        """(c, m) derivatives by mean and standard deviation: dψ/dmean = -Φ, dψ/dsd = φ."""
        ratio = np.exp(self.gap)
        slopes = []
        for part in self.log_h[1:]:
            by = self._from_infinity(part, 0.0)
            slope = (by[:, self.boxes.upper, self.columns] - ratio * by[:, self.boxes.lower, self.columns]) / self.rest
            slopes.append(np.einsum("cb,cbm->cm", self.weights, slope) / self.sd)
        return -slopes[0], slopes[1]

    def _from_infinity(self, values: Floats, first: float) -> Floats:
        """With the value at -inf, the first of the grid, before the others."""
        return np.concatenate([np.full((len(values), 1, values.shape[2]), first), values], axis=1)


@dataclass(frozen=True)
class HypervolumeAcquisition:
    """What the sampler maximises for several objectives; to `maximize` it is what `Acquisition` is.

    Made by `of`. Hyperparameters are not averaged over, as they are for one objective: that took twice the time and
    changed nothing (`bench/RESULTS.md`).

    Attributes:
        processes: of the losses, one for each of the m objectives.
        points: (k, m) posterior means of the feasible observations.
        reference: (m,) beyond which nothing counts.
        boxes: what the points leave.
        limits: the probabilities of being feasible; None where nothing is constrained.
    """

    processes: tuple[Posterior, ...]
    points: Floats
    reference: Floats
    boxes: Boxes
    limits: Acquisition | None

    @staticmethod
    def of(
        processes: tuple[Posterior, ...], points: Floats, reference: Floats, limits: Acquisition | None = None
    ) -> HypervolumeAcquisition:
        """The acquisition given points (k, m), of which some may be dominated."""
        return HypervolumeAcquisition(processes, points, reference, decompose(points, reference), limits)

    def value(self, F: Floats) -> Floats:
        """(c,) at features (c, P)."""
        value = log_improvement(*self._predict(F), self.boxes)
        return value if self.limits is None else value + self.limits.value(F)

    def rough(self, F: Floats) -> Floats:
        """The value."""
        return self.value(F)

    def value_and_gradient(self, F: Floats) -> tuple[Floats, Floats]:
        """(c,) values and (c, p) derivatives by the numeric features."""
        mean, sd, dmean, dsd = (
            np.stack(part, axis=1) for part in zip(*(p.predict_with_gradients(F) for p in self.processes), strict=True)
        )
        value, by_mean, by_sd = log_improvement_and_slopes(mean, sd, self.boxes)
        gradient = np.einsum("cm,cmp->cp", by_mean, dmean) + np.einsum("cm,cmp->cp", by_sd, dsd)
        if self.limits is not None:
            more, slope = self.limits.value_and_gradient(F)
            value, gradient = value + more, gradient + slope
        return value, gradient

    def fantasize(self, F: Floats) -> HypervolumeAcquisition:
        """The acquisition as if rows (q, P) were observed at their means: what a running trial does to it."""
        return HypervolumeAcquisition.of(
            tuple(p.fantasize(F) for p in self.processes),
            np.concatenate([self.points, self._predict(F)[0]]),
            self.reference,
            None if self.limits is None else self.limits.fantasize(F),
        )

    def _predict(self, F: Floats) -> tuple[Floats, Floats]:
        """Means and standard deviations (c, m)."""
        means, sds = zip(*(p.predict(F) for p in self.processes), strict=True)
        return np.stack(means, axis=1), np.stack(sds, axis=1)
