"""From what trials were told to what the process models: standardised values that outliers cannot bend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...history import History
from ...trial import TrialState
from ...types import Floats, Mask

COMPLETE, PRUNED, FAIL = int(TrialState.COMPLETE), int(TrialState.PRUNED), int(TrialState.FAIL)


@dataclass(frozen=True)
class Observations:
    """The finished trials that say something, in the order of their numbers.

    Attributes:
        X: (n, d) encoded rows.
        losses: (n, m) less is better; a pruned trial's last value; NaN for a failure.
        states: (n,) values of TrialState.
        constraints: (n, c) feasible at <= 0; NaN where none was given.
        rows: (n,) where they are in the history.
    """

    X: Floats
    losses: Floats
    states: NDArray[np.int8]
    constraints: Floats
    rows: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.X)

    @property
    def succeeded(self) -> Mask:
        """(n,) complete, and no constraint violated."""
        return np.asarray((self.states == COMPLETE) & ~np.any(self.constraints > 0, axis=1))


def observations(history: History) -> Observations:
    """All complete and failed trials, and for one objective those that were pruned after a report.

    A pruned trial's last value belongs to a shorter training, so `targets` never takes it for better than the
    median of the complete ones: that it was pruned says that much, and no more. Where no trial is complete, the
    pruned ones are all that is known: they count as complete, with their rank by how far they came, then by value.
    """
    losses, states = history.losses.copy(), history.states.copy()
    if losses.shape[1] == 1:
        pruned = states == PRUNED
        losses[pruned, 0] = history.last_value[pruned] * history.signs[0]
    known = np.isfinite(losses).all(axis=1)
    states[(states == COMPLETE) & ~known] = FAIL
    losses[states == FAIL] = np.nan
    usable = (states == COMPLETE) | (states == FAIL) | ((states == PRUNED) & known)
    usable &= ~np.isnan(history.X).all(axis=1)
    if not (usable & (states == COMPLETE)).any():
        pruned = np.flatnonzero(usable & (states == PRUNED))
        reached = -history.last_step[pruned]
        order = np.lexsort((losses[pruned, 0], reached))
        ranked = np.stack([reached, losses[pruned, 0]], axis=1)[order]
        new = np.any(ranked[1:] != ranked[:-1], axis=1)  # equal trials share a rank
        losses[pruned[order], 0] = np.concatenate([[0.0], np.cumsum(new)])[: len(pruned)]
        states[pruned] = COMPLETE
    rows = np.flatnonzero(usable)
    return Observations(history.X[rows], losses[rows], states[rows], history.constraints[rows], rows)


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


def chebyshev(losses: Floats, states: NDArray[np.int8], rng: np.random.Generator) -> Floats:
    """Several objectives as one (n,) by random weights (Knowles 2006, ParEGO); NaN for a failure."""
    done = states == COMPLETE
    total = np.full(len(losses), np.nan)
    if not done.any():
        return total
    weights = rng.dirichlet(np.ones(losses.shape[1]))
    scaled = np.stack([targets(column, states)[done] for column in losses.T], axis=1)
    scaled -= scaled.min(axis=0)
    scaled /= np.maximum(scaled.max(axis=0), 1e-12)
    weighted = scaled * weights
    total[done] = weighted.max(axis=1) + 0.05 * weighted.sum(axis=1)
    return total
