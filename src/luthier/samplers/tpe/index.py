"""What a suggestion asks of the finished trials, kept up to date by what changed: 100,000 cost no more than few."""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass, field

import numpy as np

from ...history import History
from ...trial import TrialState
from ...types import Rows
from ..replay import Replay
from ..tried import marks

_ROOM = 25  # of the best rows that are kept; for more, all are sorted


@dataclass
class Index:
    """What finished trials have in common. `index_of` makes it.

    Attributes:
        n_ranked: how many are COMPLETE or PRUNED, and so have a result to be ranked by.
        tried: the marks of their points; see `tried`.
        best: (first loss, row) of the best that are COMPLETE and feasible, at most _ROOM.
    """

    n_ranked: int = 0
    tried: set[int] = field(default_factory=set)
    best: list[tuple[float, int]] = field(default_factory=list)


def _step(index: Index, history: History, rows: Rows) -> Index:
    """The index with the finished trials of some more rows."""
    index.tried.update(marks(history.X[rows]).tolist())
    sign = float(history.signs[0])
    for row in rows.tolist():
        record = history.records[row]
        index.n_ranked += record.state in (TrialState.COMPLETE, TrialState.PRUNED)
        if record.state is TrialState.COMPLETE and record.is_feasible:
            loss = record.values[0] * sign if record.values else math.inf
            place = (math.inf if math.isnan(loss) else loss, row)
            if len(index.best) < _ROOM or place < index.best[-1]:
                insort(index.best, place)
                del index.best[_ROOM:]
    return index


index_of = Replay(lambda _: Index(), _step, in_order=False)
"""Returns the index of a history as it is now."""


def best_rows(history: History, n: int) -> Rows:
    """Return n or fewer rows that are COMPLETE and feasible, by their first loss, then by number."""
    if n <= _ROOM:
        return np.array([row for _, row in index_of(history).best[:n]], dtype=np.intp)
    rows = np.flatnonzero(history.is_complete & history.feasible)
    losses = history.values[rows, 0] * history.signs[0]
    return rows[np.argsort(np.where(np.isnan(losses), np.inf, losses), kind="stable")[:n]]
