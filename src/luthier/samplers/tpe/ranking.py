"""Which trials count as good, which as bad."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...history import History
from ...trial import TrialState
from ...types import Floats
from .index import Rows, index_of


class Split(NamedTuple):
    """Rows of the history.

    Attributes:
        good: the best trials, best first.
        bad: all others that were tried or are being tried.
    """

    good: Rows
    bad: Rows


def split(history: History, n_good: int, cap: int) -> Split:
    """Return the `n_good` best trials, and at most about `cap` of the rest.

    The order is: feasible COMPLETE trials by loss, the older one first among equals, or by front and crowding
    where there are several objectives; feasible PRUNED ones by how far they came, then by their last value;
    infeasible ones by total violation. RUNNING (constant liar), WAITING and FAIL trials are bad whatever else
    there is. Where there are more than `cap` bad ones, every k-th is taken, and all that are not finished.
    """
    index = index_of(history)
    several = len(history.directions) > 1
    good = _best_of_several(history, n_good) if several else index.best(history, n_good)
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
    return Split(good, _others(len(history), good, sorted(index.unfinished)[-cap:], cap))


def _others(n: int, good: Rows, unfinished: list[int], cap: int) -> Rows:
    """The rows below n except the good ones, in order; where they are more than `cap`, see `split`."""
    count = n - len(good)
    taken = np.sort(good)
    places = np.arange(count) if count <= cap else np.arange(cap) * (count - 1) // max(cap - 1, 1)
    bad = places + np.searchsorted(taken - np.arange(len(taken)), places, side="right")  # past the good ones before it
    return np.union1d(bad, np.array(unfinished, dtype=np.intp)) if count > cap and unfinished else bad


def _best_of_several(history: History, n: int) -> Rows:
    """The n best of the complete and feasible rows of a study with several objectives, best first."""
    rows = np.flatnonzero((history.states == TrialState.COMPLETE) & history.feasible)
    losses = history.losses[rows]  # (k, m)
    return rows[best_by_domination(np.where(np.isnan(losses), np.inf, losses), n)]


def best_by_domination(losses: Floats, n: int) -> Rows:
    """Return positions of the n best rows of losses (k, m): by front, then by crowding distance.

    Source: Deb et al. 2002, "A fast and elitist multiobjective genetic algorithm: NSGA-II", III.A and III.B;
    on ranks in place of values, so that no scale and no outlier matters.
    """
    ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in losses.T], axis=1)  # (k, m)
    rest = np.arange(len(ranks))
    found: list[Rows] = []
    count = 0
    while count < min(n, len(ranks)):
        in_front = _front(ranks[rest])
        front = rest[in_front]
        if count + len(front) > n:
            front = front[np.argsort(-_crowding(ranks[front]), kind="stable")[: n - count]]
        found.append(front)
        count += len(front)
        rest = rest[~in_front]
    return np.concatenate(found) if found else np.empty(0, dtype=np.intp)


def _front(ranks: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(k,) which rows no other dominates; equal rows count together."""
    kept = np.zeros(len(ranks), dtype=bool)
    open_ = np.arange(len(ranks))
    sums = ranks.sum(axis=1)
    while len(open_):
        best = ranks[open_[sums[open_].argmin()]]  # nothing dominates the row of the least sum
        same = (ranks[open_] == best).all(axis=1)
        kept[open_[same]] = True
        open_ = open_[(ranks[open_] < best).any(axis=1)]
    return kept


def _crowding(ranks: NDArray[np.intp]) -> Floats:
    """(k,) crowding distances within one front; infinite at its ends."""
    distance = np.zeros(len(ranks))
    for column in ranks.T:
        order = np.argsort(column, kind="stable")
        gaps = np.full(len(ranks), np.inf)
        gaps[1:-1] = column[order[2:]] - column[order[:-2]]
        distance[order] += gaps / max(1, np.ptp(column))
    return distance
