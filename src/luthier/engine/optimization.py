"""Optimization: one run of `Study.optimize`, over an engine in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Unpack

import numpy as np

from ..errors import ConflictingTell, LeaseLost, SearchSpaceExhausted
from ..executors import Outcome
from ..stores import Result
from ..trial import Session, Trial, TrialRecord, TrialState
from .engine import Engine
from .recovery import Recovery
from .run import Limits, Run

_SHORT_SECONDS = 1.0  # of a trial, from which on its result is told at once: a commit is nothing beside it


class Optimization(Run):
    """The trials of an engine. Safe for threads.

    Args:
        engine: the study at work.
        abandoned: its trials whose owner is gone.
        result: what to tell of what came out of a trial, and what there is to raise.
        limits: when it ends, and what becomes of its trials.
    """

    def __init__(
        self,
        engine: Engine,
        abandoned: Recovery,
        *,
        result: Callable[[Trial, Outcome], tuple[Result, Exception | None]],
        **limits: Unpack[Limits],
    ) -> None:
        super().__init__(**limits)
        self._engine = engine
        self._abandoned = abandoned
        self._result = result
        self._lock = threading.RLock()

    @property
    def session(self) -> Session:
        """What running trials talk to."""
        return self._engine

    def _begin(self) -> None:
        self._abandoned.requeue_dead()

    def _counts(self) -> Sequence[int]:
        counts: list[int] = np.bincount(self._engine.history.states, minlength=len(TrialState)).tolist()
        return counts

    def _standing(self) -> tuple[int, bool]:
        return sum(self._counts()[TrialState.COMPLETE :]), self._engine.store.shared

    def _give_back(self, trial: Trial) -> bool:
        return self._engine.give_back(trial.number, trial.token)

    def _enough(self) -> bool:
        if self._total is not None:
            self._engine.sync()
        return super()._enough()

    def next(self) -> Trial | None:
        """A trial to run; None when there are enough, or nothing is left to try."""
        with self._lock, self._ctrl_c.held():
            self._abandoned.requeue_expired(self._max_retries)
            if self._enough():
                return None
            try:
                return self._count(self._engine.ask())
            except SearchSpaceExhausted:
                self._exhausted()
                return None

    def tell_and_ask(self, trial: Trial, outcome: Outcome) -> Trial | None:
        """As `done`, then `next`; in one transaction where trials are short, so that its price shows.

        What took longer is told before anything else, and where callbacks wait for it, before the next starts.
        """
        with self._lock:
            new = self._in_one(trial, outcome)
            if new is not None:
                return new
            self.done(trial, outcome)
            return self.next()

    def _in_one(self, trial: Trial, outcome: Outcome) -> Trial | None:
        """The next trial, if this one could be told with the question for it; else nothing was done."""
        if self._engine.lease is None or self._callbacks or self._engine.held.ran_for(trial) >= _SHORT_SECONDS:
            return None
        with self._ctrl_c.held():
            result, error = self._result(trial, outcome)
            self._abandoned.requeue_expired(self._max_retries)
            if error is not None or self._enough():
                return None
            try:
                told, new = self._engine.tell_and_ask(trial.number, trial.token, result, outcome.params)
            except (LeaseLost, ConflictingTell, SearchSpaceExhausted):
                return None  # one after the other, they say what is to be done
            self._forget(trial, counts=True)
            self._count(new)  # before anything that may raise: so it is given back
            self._log.finished(told, self._best)
            return new

    def done(self, trial: Trial, outcome: Outcome) -> None:
        """Tell the study; raise what the objective raised unless it is to be caught.

        A result of a trial that another owner has, or that was told otherwise, is dropped: the run goes on.
        """
        with self._lock:
            with self._ctrl_c.held():
                record, error = self._tell(trial, outcome)
                self._show_progress()
                raised = error is not None and not isinstance(error, self._catch)
                if record is not None:
                    self._log.finished(record, self._best, raised=raised)
            if error is not None and raised:
                self._raise(error, trial, outcome.params, outcome.error)
            if record is not None:
                self._call_back(record)

    def _best(self) -> TrialRecord | None:
        history = self._engine.history
        candidates = (history.is_complete & history.feasible).nonzero()[0]
        if len(history.directions) != 1 or not len(candidates):
            return None
        return history.records[int(candidates[np.argmin(history.losses[candidates, 0])])]

    def _tell(self, trial: Trial, outcome: Outcome) -> tuple[TrialRecord | None, Exception | None]:
        """The finished trial, None if it is another's, and what there is to raise about it."""
        result, error = self._result(trial, outcome)
        try:
            record = self._engine.tell(trial.number, trial.token, result, outcome.params)
        except (LeaseLost, ConflictingTell) as lost:
            self._drop(trial, lost)
            return None, None
        self._forget(trial, counts=True)
        return record, error

    def lost(self, trial: Trial, reason: str) -> None:
        """Queue the trial of a dead, or stuck, worker again, or give it up after too many times."""
        with self._lock, self._ctrl_c.held():
            too_often = self._engine.record(trial.number).retries >= self._max_retries
            error = f"{reason} ({self._max_retries + 1} times)"
            given_up = too_often and self._engine.give_up(trial.number, trial.token, error)
            if not given_up:
                self._engine.give_back(trial.number, trial.token)
            self._forget(trial, counts=given_up)
            self._show_progress()
