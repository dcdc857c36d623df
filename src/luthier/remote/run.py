"""RemoteRun: one run of `RemoteStudy.optimize`, over the calls of a service."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol, Unpack

from ..engine.run import Limits, Run
from ..errors import ConflictingTell, LeaseLost, SearchSpaceExhausted, StorageError
from ..executors import Outcome
from ..trial import Session, Trial, TrialRecord


class Asked(Protocol):
    """What a run needs of its study."""

    def ask(self) -> Trial:
        """Start a trial."""
        ...

    @property
    def session(self) -> Session:
        """What running trials talk to."""
        ...

    def finish(self, trial: Trial, outcome: Outcome) -> tuple[TrialRecord, Exception | None]:
        """Tell what came out of an objective; the finished trial, FAIL without a result, and what there is to raise."""
        ...

    def give_back(self, trial: Trial) -> bool:
        """Queue a trial again that did not end; False if it is another's."""
        ...

    def give_up(self, trial: Trial, error: str) -> None:
        """Finish a trial whose worker died too often."""
        ...

    def trial(self, number: int) -> TrialRecord:
        """Return the trial of that number."""
        ...

    def counts(self) -> list[int]:
        """Return how many trials are in each state, by number of the state."""
        ...

    def best(self) -> TrialRecord | None:
        """Return the best trial so far; None for none, or where there are several objectives."""
        ...


class RemoteRun(Run):
    """The trials of a service. Safe for threads.

    Args:
        study: what is asked and told.
        limits: when it ends, and what becomes of its trials.
    """

    def __init__(self, study: Asked, **limits: Unpack[Limits]) -> None:
        super().__init__(**limits)
        self._study = study
        self._asking, self._ending = threading.Lock(), threading.RLock()

    @property
    def session(self) -> Session:
        """What running trials talk to."""
        return self._study.session

    def _begin(self) -> None:
        """Nothing: the service sees to trials of clients that are gone."""

    def _counts(self) -> Sequence[int]:
        return self._study.counts()

    def _best(self) -> TrialRecord | None:
        try:
            return self._study.best()
        except StorageError:  # only shown: the trial that was just told must not be lost to its callbacks for it
            return None

    def _show_progress(self) -> None:
        with suppress(StorageError):  # the next call that matters ends the run
            super()._show_progress()

    def _standing(self) -> tuple[None, bool]:
        return None, True  # a call could fail as what ends the run did

    def _give_back(self, trial: Trial) -> bool:
        return self._study.give_back(trial)

    # -- for the executor

    def next(self) -> Trial | None:
        """Return a trial to run; None when there are enough, or nothing is left to try."""
        with self._asking, self._ctrl_c.held():
            if self._enough():
                return None
            try:
                return self._count(self._study.ask())
            except SearchSpaceExhausted:
                self._exhausted()
                return None

    def done(self, trial: Trial, outcome: Outcome) -> None:
        """Tell the study; raise what the objective raised unless it is to be caught.

        A result of a trial that another owner has, or that was told otherwise, is dropped: the run goes on.
        """
        with self._ctrl_c.held():
            try:
                record, error = self._study.finish(trial, outcome)
            except (LeaseLost, ConflictingTell) as lost:
                self._drop(trial, lost)
                return
            self._forget(trial, counts=True)
        with self._ending:
            with self._ctrl_c.held():
                self._show_progress()
                raised = error is not None and not isinstance(error, self._catch)
                self._log.finished(record, self._best, raised=raised)
            if error is not None and raised:
                self._raise(error, trial, outcome.params, outcome.error)
            self._call_back(record)

    def tell_and_ask(self, trial: Trial, outcome: Outcome) -> Trial | None:
        """`done`, then `next`."""
        self.done(trial, outcome)
        return self.next()

    def lost(self, trial: Trial, reason: str) -> None:
        """Queue the trial of a dead, or stuck, worker again, or give it up after too many times."""
        with self._ctrl_c.held():
            try:
                too_often = self._study.trial(trial.number).retries >= self._max_retries
                if too_often:
                    self._study.give_up(trial, f"{reason} ({self._max_retries + 1} times)")
                else:
                    self._study.give_back(trial)
                self._forget(trial, counts=too_often)
            except LeaseLost as lost:
                self._drop(trial, lost)
            self._show_progress()
