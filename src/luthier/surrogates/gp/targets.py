"""From what trials were told to what the process models: standardised values that outliers cannot bend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...types import Floats
from .observations import COMPLETE, FAIL, PRUNED, Observations


@dataclass(frozen=True)
class Target:
    """What one process models: n trials in order, and a standardised number for each.

    Attributes:
        name: what it is called among the targets of its space.
        X: (n, d) encoded rows.
        raw: (n, k) all that the numbers depend on, row by row.
        of_first: the standardised numbers (m,) of the first m trials, as if there were no others.
    """

    name: str
    X: Floats
    raw: Floats
    of_first: Callable[[int], Floats]

    def __len__(self) -> int:
        return len(self.X)

    def first(self, m: int) -> Target:
        """Return the target of the first m trials alone."""
        return Target(self.name, self.X[:m], self.raw[:m], self.of_first)

    @cached_property
    def y(self) -> Floats:
        """(n,) the standardised numbers of all trials."""
        return self.of_first(len(self))


def objective(seen: Observations) -> Target:
    """Return the target of the only objective."""
    losses, states = seen.losses[:, 0], seen.states
    raw = np.stack([losses, states.astype(np.float64)], axis=1)
    return Target("objective", seen.X, raw, lambda m: targets(losses[:m], states[:m]))


def constraint(name: str, X: Floats, c: Floats) -> tuple[Target, float]:
    """Return the target of constraint values (n,) of encoded rows (n, d), and where the threshold 0 lies in it."""
    threshold = constraint_targets(c)[1]
    return Target(name, X, c[:, None], lambda m: constraint_targets(c[:m])[0]), threshold


def targets(losses: Floats, states: NDArray[np.int8]) -> Floats:
    """Standardised values (n,) of losses (n,): failures are worse than the worst, the worse half is ranked.

    A failure counts as the worst plus half the range. All zero where nothing is known or all is the same.
    """
    done = states == COMPLETE
    y = np.zeros(len(losses))
    if not done.any():
        return y
    scale = float(np.abs(losses[done]).max()) or 1.0
    y = np.clip(losses / scale, -2.0, 2.0)  # (the square of 1e200 would overflow; a pruned value may be any)
    low, high = float(y[done].min()), float(y[done].max())
    pruned = states == PRUNED
    y[pruned] = np.maximum(y[pruned], np.median(y[done]))
    y[states == FAIL] = high + 0.5 * (high - low)
    return standardised(half_rank(y))


def half_rank(y: Floats) -> Floats:
    """Values with the worse half moved to where a normal distribution would have it (Song et al. 2024,
    arXiv 2408.11527, half-rank warping).
    """
    return rank_beyond(y, float(np.median(y)), 0.5)


def rank_beyond(y: Floats, cut: float, share: float) -> Floats:
    """Values with those beyond a cut moved to where a normal distribution with that share below it would have them.

    The others keep their distances: they are what the search is after. Their spread below the cut sets that of the
    rest, so one value of 1e30 counts as "worst" and no more.
    """
    from scipy.special import ndtri

    better, start = y <= cut, float(ndtri(share))
    below = cut - y[better]
    size = float(below.max(initial=0.0)) or 1.0  # beside a huge value their squares would be zero
    spread = size * float(np.sqrt(np.mean((below / size) ** 2) / (1.0 + start**2)))
    values, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - 0.5 * (counts - 1) - 0.5)[inverse]  # 0.5 ... n - 0.5, ties share theirs
    if spread == 0.0:
        spread = 1.0 if len(values) > 1 else 0.0
    return np.where(better, y, cut + spread * np.maximum(ndtri(ranks / len(y)) - start, 0.0))


def standardised(y: Floats) -> Floats:
    """Mean 0 and standard deviation 1; all zero where there is no spread."""
    centred = y - y.mean()
    size = float(np.abs(centred).max())
    if size <= 1e-12 * float(np.abs(y).max()):
        return np.zeros_like(y)
    centred /= size
    return np.asarray(centred / centred.std())


def constraint_targets(c: Floats) -> tuple[Floats, float]:
    """Standardised constraint values (n,) and the standardised threshold, the place of 0.

    Values are compressed by sign(c)·ln(1 + |c|/median|c|) first, which leaves 0 where it is.
    """
    size = np.abs(c)
    scale = float(np.median(size[size > 0])) if (size > 0).any() else 1.0
    y = np.sign(c) * np.log1p(np.minimum(size, 1e30 * scale) / scale)
    sd = float(y.std()) or 1.0
    return (y - y.mean()) / sd, -float(y.mean()) / sd
