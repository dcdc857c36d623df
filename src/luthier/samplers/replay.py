"""A history gone through in the order in which its trials finished, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from ..history import History
from ..trial import TrialRecord
from ..types import Rows

T = TypeVar("T")


@dataclass
class _Done(Generic[T]):
    """How far a history was gone through: the value, and the records that it comes from, by row."""

    value: T
    version: int = 0
    records: dict[int, TrialRecord] = field(default_factory=dict)
    last: tuple[float, int] = (-np.inf, -1)
    last_but_one: tuple[float, int] = (-np.inf, -1)


class Replay(Generic[T]):
    """Folds the finished trials of a history into a value, and keeps it for the next time.

    >>> import luthier as lt
    >>> from luthier.samplers import Replay
    >>> def step(seen, history, rows):
    ...     return seen + [history.records[row].value for row in rows]
    >>> values = Replay(lambda history: [], step)
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)}, seed=0)
    >>> first, second = study.ask(), study.ask()
    >>> for trial, value in ((second, 2.0), (first, 1.0)):
    ...     record = study.tell(trial, value)
    >>> values(study.history)
    [2.0, 1.0]

    The order is that of `History.finish_order`: by the time at which trials finished, then by number. So the value
    follows from the history alone: one that was loaded again gives the same, and a study that was killed goes on as
    one that was not. What it cost to come to it is paid once: a history that has grown goes on from its last value. It
    starts over where that is not possible, as when a trial comes to be known that finished before others did: that
    is rare, as a study takes in what others wrote before it asks for parameters. Where a trial is told and the next one
    asked for in one transaction, the time of the trial told is known only afterwards: for that it does not start over.

    Nothing is kept longer than the history itself. Not safe for threads by itself, as the history is not.

    Args:
        initial: the value of a history in which no trial has finished; of its space and directions.
        step: the value after some more trials, given the value before, the history, and their rows (k,) in order. It
            may change the value in place and return it. Whether rows come in one call or in several must make no
            difference. It may look at these rows and at those before them, which are finished, and at no others; but
            not at the times at which they finished.
        in_order: False where the order of trials makes no difference to the value: then it need not start over for
            one that comes late.

    The value is the replay's own: whoever asks for it must neither change it nor rely on it after the history changes.
    """

    def __init__(
        self, initial: Callable[[History], T], step: Callable[[T, History, Rows], T], *, in_order: bool = True
    ) -> None:
        self._initial, self._step, self._in_order = initial, step, in_order
        self._cache: WeakKeyDictionary[History, _Done[T]] = WeakKeyDictionary()

    def __call__(self, history: History) -> T:
        """Return the value of a history as it is now."""
        done = self._cache.get(history)
        if done is not None and done.version == history.version:
            return done.value
        self._cache.pop(history, None)  # an interrupt must not leave a half of it
        rows = None if done is None else self._news(done, history)
        if done is None or rows is None:
            done, rows = _Done(self._initial(history)), history.finish_order
        if len(rows):
            done.value = self._step(done.value, history, rows)
            done.records.update((row, history.records[row]) for row in rows.tolist())
            for row in rows[-2:].tolist():
                done.last_but_one, done.last = sorted((done.last, _place(history.records[row])))
        done.version = history.version
        self._cache[history] = done
        return done.value

    def _news(self, done: _Done[T], history: History) -> Rows | None:
        """Rows that have finished since, in order; None where the value cannot be gone on with."""
        changed = history.changed_since(done.version)
        if changed is None:
            return None
        new = []
        for row in set(changed):
            record, known = history.records[row], done.records.get(row)
            if known is not None:
                if known is not record and known != record and not self._is_retimed(done, known, record):
                    return None
            elif record.state.is_finished:
                new.append(_place(record))
        new.sort()
        if self._in_order and new and new[0] < done.last:
            return None
        return np.array([row for _, row in new], dtype=np.intp)

    def _is_retimed(self, done: _Done[T], known: TrialRecord, record: TrialRecord) -> bool:
        """Take notice of another time of a trial; False if anything else has changed, or the order has."""
        if replace(known, finished=record.finished) != record:
            return False
        if self._in_order:
            if _place(known) != done.last or _place(record) < done.last_but_one:
                return False
            done.last = _place(record)
        done.records[record.number] = record
        return True


def _place(record: TrialRecord) -> tuple[float, int]:
    """What finished trials are sorted by."""
    return -np.inf if record.finished is None else record.finished, record.number
