"""Flat landscapes: what trials of the same value say about where there is nothing to find.

A model of few trials takes the last digits of a plateau for a slope, and then looks at the same spot again and again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...surrogates.gp.input_warp import warped
from ...surrogates.gp.kernel import squared_distances
from ...surrogates.gp.posterior import Posterior
from ...types import Floats
from .acquisition import Criterion

_EQUAL = 0.05  # of the distance from the best value to the median: what counts as equal to the best
_APART = 0.8  # of the mean distance of all trials: further apart, equal ones lie on a plateau, not in one valley
_FEWEST = 3  # trials that make a plateau
_PART = 0.3  # of all trials that it needs: fewer may be the bottoms of valleys
_SHARE = 0.8  # of the pairs within a step that have the very same value
_WIDER = 1.5  # than what has been seen of a step it is taken to be
_WORTHLESS = 1e6  # taken off the acquisition: more than it differs, except right beside a trial


def on_plateau(Z: Floats, losses: Floats) -> bool:
    """Return whether the search has seen nothing better than a plateau.

    It has where at least three trials, and three in ten, are as good as the best, and lie about as far apart as any
    trials do: such values say nothing about where a better one is. In a valley equal values lie close together; in
    several valleys they do not, but there they are few. Random trials that find nothing as good end it by themselves.

    Args:
        Z: (n, P) features of trials over their length scales.
        losses: (n,) their values; less is better.
    """
    n = len(losses)
    if n < _FEWEST:
        return False
    halves = 0.5 * losses  # differences of huge values would overflow
    least = float(halves.min())
    equal = halves - least <= _EQUAL * (float(np.median(halves)) - least)
    k = int(np.count_nonzero(equal))
    if k < max(_FEWEST, _PART * n):
        return False
    distances = np.sqrt(squared_distances(Z, Z))
    np.fill_diagonal(distances, 0.0)
    between = distances[np.ix_(equal, equal)].sum() / (k * (k - 1))
    return bool(between >= _APART * distances.sum() / (n * (n - 1)))


def step(Z: Floats, losses: Floats) -> float:
    """Return the squared distance within which another trial has the same value, 0 where there are no steps.

    It is the greatest at which two trials have the very same value and, of all pairs that are no further apart,
    four in five do. Two such pairs are needed: one may be chance.

    Args:
        Z: (n, P) features of trials over their length scales.
        losses: (n,) their values.
    """
    i, j = np.triu_indices(len(losses), 1)
    same = losses[i] == losses[j]
    if np.count_nonzero(same) < 2:
        return 0.0
    between = squared_distances(Z, Z)[i, j]
    order = np.argsort(between, kind="stable")
    same = same[order]
    count = np.cumsum(same)
    inside = np.flatnonzero(same & (count >= 2) & (count >= _SHARE * np.arange(1, len(same) + 1)))
    return float(_WIDER**2 * between[order[inside[-1]]]) if len(inside) else 0.0


@dataclass(frozen=True)
class Steps:
    """An acquisition on a landscape of steps: what lies within a step of a trial has that trial's value.

    Attributes:
        inner: the acquisition.
        process: of the objective, with all trials, pending ones among them.
        width: the squared distance that `step` returned.
    """

    inner: Criterion
    process: Posterior
    width: float

    def value(self, F: Floats) -> Floats:
        """(m,) at features (m, P)."""
        return self.inner.value(F) - self._worthless(F)

    def rough(self, F: Floats) -> Floats:
        """(m,) about the value."""
        return self.inner.rough(F) - self._worthless(F)

    def _worthless(self, F: Floats) -> Floats:
        Z = warped(F, self.process.warp) * self.process.scale
        known = squared_distances(Z, self.process.Z).min(axis=1) < self.width
        return np.asarray(_WORTHLESS * known)

    def value_and_gradient(self, F: Floats) -> tuple[Floats, Floats]:
        """Those of the acquisition: a climb goes through a step, and counts where it ends."""
        return self.inner.value_and_gradient(F)

    def fantasize(self, F: Floats) -> Steps:
        """The same as if rows (q, P) were observed at their means."""
        return replace(self, inner=self.inner.fantasize(F), process=self.process.fantasize(F))
