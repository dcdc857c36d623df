"""What a process learns from: the finished trials of a history that say something."""

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
    """The finished trials that say something, in the order in which they finished: what came first stays first.

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
    rows = history.finish_order
    rows = rows[usable[rows]]
    return Observations(history.X[rows], losses[rows], states[rows], history.constraints[rows], rows)
