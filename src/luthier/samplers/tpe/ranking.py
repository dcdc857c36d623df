"""Which trials count as good, which as bad."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...history import History
from ...multiobjective.dominance import best_first
from ...trial import TrialState
from ...types import Rows
from .index import best_rows


class Split(NamedTuple):
    """Rows of the history.

    Attributes:
        good: the best trials, best first.
        bad: all others that were tried or are being tried.
        unfinished: those that are being tried, or wait.
    """

    good: Rows
    bad: Rows
    unfinished: Rows


def split(history: History, n_good: int, cap: int) -> Split:
    """Return the `n_good` best trials, and at most about `cap` of the rest.

    The order is: feasible COMPLETE trials by loss, the older one first among equals, or by front and crowding
    where there are several objectives; feasible PRUNED ones by how far they came, then by their last value;
    infeasible ones by total violation. RUNNING (constant liar), WAITING and FAIL trials are bad whatever else
    there is. Where there are more than `cap` bad ones, every k-th is taken, and all that are not finished.
    """
    several = len(history.directions) > 1
    good = _best_of_several(history, n_good) if several else best_rows(history, n_good)
    if len(good) < n_good:
        rows = np.flatnonzero((history.states == TrialState.PRUNED) & history.feasible)
        values = history.last_value[rows] * history.signs[0]
        order = np.lexsort((np.where(np.isnan(values), np.inf, values), -history.last_step[rows]))
        good = np.concatenate([good, rows[order[: n_good - len(good)]]])
    if len(good) < n_good:
        rows = np.flatnonzero(history.is_state(TrialState.COMPLETE, TrialState.PRUNED) & ~history.feasible)
        violation = np.nansum(np.maximum(history.constraints[rows], 0), axis=1)
        order = np.argsort(violation, kind="stable")
        good = np.concatenate([good, rows[order[: n_good - len(good)]]])
    unfinished = np.flatnonzero(~history.is_finished)
    return Split(good, _others(len(history), good, unfinished[-cap:], cap), unfinished)


def _others(n: int, good: Rows, unfinished: Rows, cap: int) -> Rows:
    """The rows below n except the good ones, in order; where they are more than `cap`, see `split`."""
    count = n - len(good)
    taken = np.sort(good)
    places = np.arange(count) if count <= cap else np.arange(cap) * (count - 1) // max(cap - 1, 1)
    bad = places + np.searchsorted(taken - np.arange(len(taken)), places, side="right")  # past the good ones before it
    return np.union1d(bad, unfinished) if count > cap and len(unfinished) else bad


def _best_of_several(history: History, n: int) -> Rows:
    """The n best of the complete and feasible rows of a study with several objectives, best first."""
    rows = np.flatnonzero((history.states == TrialState.COMPLETE) & history.feasible)
    return rows[best_first(history.losses[rows], n)]
