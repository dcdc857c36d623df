"""What a suggestion asks of a history, kept up to date by what changed, so that it costs no more after 100,000 trials.

Nothing in here is more than a view: it could be computed again from the history at any time.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

import numpy as np

from ...history import History
from ...trial import TrialState
from ...types import Floats, Rows
from ..tried import marks


class Index:
    """An index of one history. Under the study's lock, like the history.

    Attributes:
        n_ranked: how many trials are COMPLETE or PRUNED, and so have a result to be ranked by.
        unfinished: rows that are WAITING or RUNNING.
        tried: how many rows there are of each point, by its mark.
    """

    def __init__(self) -> None:
        self._version: int | None = None
        self._room = 25
        self._forget()

    def _forget(self) -> None:
        self.n_ranked = 0
        self.unfinished: set[int] = set()
        self.tried: dict[int, int] = {}
        self._marks: list[int] = []
        self._states: list[TrialState] = []
        self._best: list[tuple[float, int]] | None = None  # (loss, row) of the best complete and feasible rows

    def update(self, history: History) -> None:
        """Take in what changed since the last time."""
        if self._version == history.version:
            return
        changed: Iterable[int] | None = None if self._version is None else history.changed_since(self._version)
        self._version = None  # an interrupt must not leave a half of it
        if changed is None:
            self._forget()
            changed = range(len(history))
        rows = sorted(set(changed))
        self._count(rows, history)
        if self._best is not None:
            self._rank(rows, history)
        self._version = history.version

    def _count(self, rows: Sequence[int], history: History) -> None:
        known = len(self._marks)
        for row, mark in zip(rows, marks(history.X[rows]).tolist(), strict=True):
            state = history.records[row].state
            if row < known:
                before, self._marks[row] = self._marks[row], mark
                self.tried[before] -= 1
                if not self.tried[before]:
                    del self.tried[before]
                self.n_ranked -= _is_ranked(self._states[row])
                self._states[row] = state
            else:
                self._marks.append(mark)
                self._states.append(state)
            self.tried[mark] = self.tried.get(mark, 0) + 1
            self.n_ranked += _is_ranked(state)
            if state.is_finished:
                self.unfinished.discard(row)
            else:
                self.unfinished.add(row)

    def _rank(self, rows: Sequence[int], history: History) -> None:
        assert self._best is not None
        before = {row: loss for loss, row in self._best}
        sign = float(history.signs[0])
        for row in rows:
            record = history.records[row]
            counts = record.state is TrialState.COMPLETE and record.is_feasible
            loss = record.values[0] * sign if record.values else math.inf
            loss = math.inf if math.isnan(loss) else loss
            if row in before:
                if not counts or loss != before[row]:  # the engine never does that to a finished trial
                    self._best = None
                    return
            elif counts and (len(self._best) < self._room or (loss, row) < self._best[-1]):
                insort(self._best, (loss, row))
                del self._best[self._room :]

    def best(self, history: History, n: int) -> Rows:
        """(n,) or fewer rows that are COMPLETE and feasible, by their first loss, then by number."""
        if self._best is None or n > self._room:
            self._room = max(n, self._room)
            rows = np.flatnonzero((history.states == TrialState.COMPLETE) & history.feasible)
            losses = _losses(history, rows)
            order = np.argsort(losses, kind="stable")[: self._room]
            self._best = list(zip(losses[order].tolist(), rows[order].tolist(), strict=True))
        return np.array([row for _, row in self._best[:n]], dtype=np.intp)


_INDEXES: WeakKeyDictionary[History, Index] = WeakKeyDictionary()


def index_of(history: History) -> Index:
    """Return the index of a history as it is now."""
    index = _INDEXES.get(history)
    if index is None:
        index = _INDEXES[history] = Index()
    index.update(history)
    return index


def _is_ranked(state: int) -> bool:
    return state == TrialState.COMPLETE or state == TrialState.PRUNED


def _losses(history: History, rows: Rows) -> Floats:
    """The first losses of some rows; inf where there is none."""
    losses = history.values[rows, 0] * history.signs[0]
    return np.where(np.isnan(losses), np.inf, losses)
