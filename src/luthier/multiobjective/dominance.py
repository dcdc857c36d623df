"""Which of several results no other beats, and the order behind these. Less is better; NaN is as bad as infinity.

What matters is the order of values within an objective, never their size, so no scale and no outlier does. A row
dominates another if it is nowhere greater and somewhere less; equal rows do not dominate each other.

Source: Deb et al. 2002, "A fast and elitist multiobjective genetic algorithm: NSGA-II", III.A and III.B.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import Floats, Mask, Rows


def ranks(losses: Floats) -> NDArray[np.intp]:
    """Return the place (n, m) of each loss (n, m) among the different losses of its objective, from 0."""
    places = np.empty(losses.shape, dtype=np.intp)
    for place, column in zip(places.T, losses.T, strict=True):
        place[:] = np.unique(np.where(np.isnan(column), np.inf, column), return_inverse=True)[1]
    return places


def non_dominated(losses: Floats) -> Mask:
    """Return which rows (n,) of losses (n, m) no other row dominates; equal rows all count."""
    return _front(ranks(losses))


def fronts(losses: Floats) -> Iterator[Rows]:
    """Yield the rows that no other dominates, then those that no other of the rest does, and so on, until none is left.

    Each is worked out when it is asked for.
    """
    places = ranks(losses)
    rest = np.arange(len(places))
    while len(rest):
        in_front = _front(places[rest])
        yield rest[in_front]
        rest = rest[~in_front]


def crowding(values: NDArray[Any]) -> Floats:
    """Return how far apart (n,) the neighbours of each row of one front (n, m) are, infinite at its ends.

    It is the sum over objectives, as shares of the front's extent.

    Args:
        values: finite ones: losses, or their `ranks` among all that are compared.
    """
    if len(values) < 3:
        return np.full(len(values), np.inf)
    distance = np.zeros(len(values))
    for column in 0.5 * values.T:  # halves, so that no difference of huge values overflows
        order = np.argsort(column, kind="stable")
        gaps = np.full(len(values), np.inf)
        gaps[1:-1] = column[order[2:]] - column[order[:-2]]
        distance[order] += gaps / (np.ptp(column) or 1.0)
    return distance


def best_first(losses: Floats, n: int) -> Rows:
    """Return the n best rows of losses (k, m), or all where there are fewer: front by front.

    Of the last front come those that are most apart from the others.
    """
    places = ranks(losses)
    found: list[Rows] = []
    wanted = n
    for front in fronts(losses):
        if wanted <= 0:
            break
        if len(front) > wanted:
            front = front[np.argsort(-crowding(places[front]), kind="stable")[:wanted]]
        found.append(front)
        wanted -= len(front)
    return np.concatenate(found) if found else np.empty(0, dtype=np.intp)


def _front(places: NDArray[np.intp]) -> Mask:
    """(n,) which rows of ranks (n, m) no other dominates; one step for each row that is kept."""
    kept = np.zeros(len(places), dtype=bool)
    undecided = np.arange(len(places))
    sums = places.sum(axis=1)
    while len(undecided):
        best = places[undecided[sums[undecided].argmin()]]  # nothing dominates the row of the least sum
        kept[undecided[(places[undecided] == best).all(axis=1)]] = True
        undecided = undecided[(places[undecided] < best).any(axis=1)]
    return kept
