"""Optimization: one run of `Study.optimize`: how many trials, until when, and what becomes of each."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from .abandoned import Abandoned
from .engine import Engine
from .errors import ConflictingTell, LeaseLost, LuthierError, SearchSpaceExhausted, StorageError
from .executors import Executor, Outcome
from .executors.ctrl_c import CtrlC, explain_ctrl_c
from .live import Session, Trial
from .log import TrialLog, add_trial_note
from .progress import Progress, progress_bar
from .stores import Result
from .trial import TrialRecord, TrialState

_SHORT_SECONDS = 1.0  # of a trial, from which on its result is told at once: a commit is nothing beside it


class Optimization:
    """The source of trials for an executor. Safe for threads.

    Args:
        engine: the study at work.
        abandoned: its trials whose owner is gone.
        result: what to tell of what came out of a trial, and what there is to raise.
        stop: set to start no more trials.
        n_trials, total_trials, timeout, catch, max_retries: as in `Study.optimize`.
        callbacks: called with each finished trial.
        show_progress_bar: draw one.
    """

    def __init__(
        self,
        engine: Engine,
        abandoned: Abandoned,
        *,
        result: Callable[[Trial, Outcome], tuple[Result, Exception | None]],
        stop: threading.Event,
        n_trials: int | None,
        total_trials: int | None,
        timeout: float | None,
        catch: tuple[type[Exception], ...],
        callbacks: Sequence[Callable[[TrialRecord], None]],
        max_retries: int,
        show_progress_bar: bool,
    ) -> None:
        self._engine = engine
        self._abandoned = abandoned
        self._result = result
        self._stop = stop
        self._n_trials = n_trials
        self._total = total_trials
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._catch = catch
        self._callbacks = callbacks
        self._max_retries = max_retries
        self._show = show_progress_bar
        self._started = 0
        self._dropped = 0
        self._lock = threading.RLock()
        self._running: dict[str, Trial] = {}  # by token: what this run asked for and has not ended
        self._ctrl_c = CtrlC()
        self._progress: Progress | None = None
        self._log = TrialLog(bar=show_progress_bar)
        self._queued: list[int] = []  # numbers of the trials that the end of the run interrupted

    @property
    def session(self) -> Session:
        """What running trials talk to."""
        return self._engine

    def run(self, objective: Callable[[Trial], Any], executor: Executor) -> None:
        """Run trials until there are enough; whatever ends the run, no trial of it is left running.

        Raises:
            LuthierError: this process was started by an objective, and is importing its script.
            KeyboardInterrupt: on Ctrl-C, with a note that says how the study stands.
        """
        _check_not_importing()
        try:
            self._run(objective, executor)
        except KeyboardInterrupt as error:
            history = self._engine.history
            done = int((history.states >= TrialState.COMPLETE).sum())
            raise explain_ctrl_c(error, done, self._queued, self._engine.store.shared) from None

    def _run(self, objective: Callable[[Trial], Any], executor: Executor) -> None:
        with self._ctrl_c:
            self._abandoned.give_back_dead()
            bar: AbstractContextManager[Progress | None] = progress_bar(self._goal()) if self._show else nullcontext()
            with bar as self._progress:
                self._show_progress()
                try:
                    self._ctrl_c.let_go()
                    executor.run(objective, self)
                finally:
                    self._ctrl_c.hold()
                    for trial in list(self._running.values()):  # Ctrl-C came between an ask and the executor
                        self.interrupted(trial)

    def _goal(self) -> int | None:
        if self._total is not None or self._n_trials is None:
            return self._total
        return self._n_trials + int((self._engine.history.states >= TrialState.COMPLETE).sum())

    def _enough(self) -> bool:
        if self._stop.is_set() or (self._deadline is not None and time.monotonic() >= self._deadline):
            return True
        if self._n_trials is not None:
            return self._started >= self._n_trials
        if self._total is not None:
            self._engine.sync()
            return int((self._engine.history.states != TrialState.WAITING).sum()) >= self._total
        return False

    def next(self) -> Trial | None:
        """A trial to run; None when there are enough, or nothing is left to try."""
        with self._lock, self._ctrl_c.held():
            self._abandoned.take_expired(self._max_retries)
            if self._enough():
                return None
            try:
                return self._count(self._engine.ask())
            except SearchSpaceExhausted:
                if not self._running:  # else what runs may show more of the space, or come back unfinished
                    self._stop.set()
                return None

    def _count(self, trial: Trial) -> Trial:
        self._running[trial.token] = trial
        self._started += 1
        self._show_progress()
        return trial

    def exchange(self, trial: Trial, outcome: Outcome) -> Trial | None:
        """As `done`, then `next`; in one transaction where trials are short, so that its price shows.

        What took longer is told before anything else, and where somebody is to hear of it, before the next starts.
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
            self._abandoned.take_expired(self._max_retries)
            if error is not None or self._enough():
                return None
            try:
                told, new = self._engine.tell_and_ask(trial.number, trial.token, result, outcome.params)
            except (LeaseLost, ConflictingTell, SearchSpaceExhausted):
                return None  # one after the other, they say what is to be done
            self._running.pop(trial.token, None)
            self._log.finished(told, self._best)
            return self._count(new)

    def done(self, trial: Trial, outcome: Outcome) -> None:
        """Tell the study; raise what the objective raised unless it is to be caught.

        A result of a trial that another owner has, or that somebody told otherwise, is dropped: the run goes on.
        """
        with self._lock:
            with self._ctrl_c.held():
                record, error = self._tell(trial, outcome)
                self._show_progress()
                raised = error is not None and not isinstance(error, self._catch)
                if record is not None:
                    self._log.finished(record, self._best, raised=raised)
            if error is not None and raised:
                there = outcome.error if error.__traceback__ is None else None
                add_trial_note(error, trial.number, outcome.params, there)
                raise error
            if record is not None:
                self._call_back(record)

    def _call_back(self, record: TrialRecord) -> None:
        try:
            for callback in self._callbacks:
                callback(record)
        except Exception as error:
            error.add_note(f"raised by a callback, after trial {record.number}")
            raise

    def _best(self) -> TrialRecord | None:
        history = self._engine.history
        candidates = (history.is_complete & history.feasible).nonzero()[0]
        if len(history.directions) != 1 or not len(candidates):
            return None
        return history.records[int(candidates[np.argmin(history.losses[candidates, 0])])]

    def _tell(self, trial: Trial, outcome: Outcome) -> tuple[TrialRecord | None, Exception | None]:
        """The finished trial, None if it is another's, and what there is to raise about it."""
        record = None
        result, error = self._result(trial, outcome)
        try:
            record = self._engine.tell(trial.number, trial.token, result, outcome.params)
        except (LeaseLost, ConflictingTell) as lost:
            self._drop(lost)
            error = None
        self._running.pop(trial.token, None)
        return record, error

    def _drop(self, lost: LeaseLost | ConflictingTell) -> None:
        """The trial is another's, or somebody told it otherwise: it does not count as started here."""
        self._started -= 1
        self._dropped += 1
        _warn("%s (result dropped; %d so far in this run)", lost, self._dropped)

    def lost(self, trial: Trial, reason: str) -> None:
        """Queue the trial of a dead, or stuck, worker again, or give it up after too many times."""
        with self._lock, self._ctrl_c.held():
            too_often = self._engine.record(trial.number).retries >= self._max_retries
            error = f"{reason} ({self._max_retries + 1} times)"
            if not (too_often and self._engine.give_up(trial.number, trial.token, error)):
                self._started -= 1
                self._engine.give_back(trial.number, trial.token)
            self._running.pop(trial.token, None)
            self._show_progress()

    def interrupted(self, trial: Trial) -> None:
        """Queue the trial again: the run ends."""
        with self._ctrl_c.held():
            self._running.pop(trial.token, None)
            try:
                self._engine.give_back(trial.number, trial.token)
                self._queued.append(trial.number)
            except StorageError as error:  # it must keep neither the other trials from it nor the cause from the user
                _warn(
                    "trial %d could not be queued again; the next run does it once its lease has run out: %s",
                    trial.number,
                    error,
                )

    def _show_progress(self) -> None:
        if self._progress is None:
            return
        best = self._best()
        counts = np.bincount(self._engine.history.states, minlength=len(TrialState))
        self._progress.show(counts.tolist(), None if best is None else best.value)


def _check_not_importing() -> None:
    process = sys.modules.get("multiprocessing.process")
    if process is not None and getattr(process.current_process(), "_inheriting", False):
        raise LuthierError(
            "optimize was called while a process that an objective started imports this script, which would run it "
            'again from its beginning: put the call under `if __name__ == "__main__":`'
        )


def _warn(text: str, *args: object) -> None:
    import logging  # costs as much as a third of this package, and is hardly ever needed

    logging.getLogger("luthier").warning(text, *args)
