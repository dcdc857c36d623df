"""A store in memory: fast, and gone with its process."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from ..trial import TrialRecord
from .changes import new_first_revision
from .codec import as_json
from .protocol import StudyRecord
from .state import Change, StoreState, StudyState
from .state_store import StateStore


class _Locked:
    """The state behind its lock."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a Ctrl-C as it is let go must not lock its thread out
        self.state = StoreState()

    def __enter__(self) -> StoreState:
        self._lock.acquire()
        return self.state

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class MemoryStore(StateStore):
    """Keeps studies in the memory of this process, behind one lock; safe for threads. The promises are `protocol`'s.

    >>> import luthier as lt
    >>> from luthier.stores import MemoryStore
    >>> store = MemoryStore()
    >>> study = lt.create_study(storage=store, study_name="mine")
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    >>> len(lt.load_study("mine", storage=store).trials)
    2

    A result lasts for as long as the process lives.
    """

    _place = "memory"
    shared = False

    def __init__(self) -> None:
        self._locked = _Locked()
        self._new_token = map(f"{os.urandom(4).hex()}-{{}}".format, itertools.count()).__next__  # no call of the system

    def now(self) -> float:
        """Return the clock of this machine, in seconds since the epoch."""
        return time.time()

    def close(self) -> None:
        """Nothing to give up: the studies go when the store does."""

    def _reading(self) -> AbstractContextManager[StoreState]:
        return self._locked

    def _writing(self) -> AbstractContextManager[StoreState]:
        return self._locked

    def _add(self, record: StudyRecord, trials: Sequence[TrialRecord]) -> None:
        """Keep a copy, which its maker cannot change."""
        copy = replace(
            record,
            directions=tuple(record.directions),
            space=as_json(record.space),
            parameters=as_json(record.parameters),
            attrs=as_json(record.attrs),
        )
        copies = [replace(trial, params=dict(trial.params), attrs=as_json(trial.attrs)) for trial in trials]
        self._locked.state.add(copy, copies, new_first_revision())

    def _remove(self, name: str) -> None:
        del self._locked.state.studies[name]

    def _put_record(self, study: StudyState, record: StudyRecord) -> None:
        study.put_record(record, study.revision + 1)

    def _put(self, study: StudyState, *new: Change) -> None:
        for one in new:
            study.put(one, study.revision + 1)

    def _put_soon(self, study: StudyState, new: Change) -> None:
        self._put(study, new)

    def _renew(self, study: StudyState, number: int, ends: float) -> None:
        study.leases[number] = ends
