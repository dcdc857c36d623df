"""Run: one run of `optimize`, wherever its study lives: how many trials, until when, and how it ends."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import Any, TypedDict, Unpack

from ..errors import (
    ConflictingTell,
    LeaseLost,
    LuthierError,
    ObjectiveError,
    SearchSpaceExhausted,
    StaleProposal,
    StorageError,
)
from ..executors import Executor, Outcome
from ..executors.ctrl_c import CtrlC, explain_ctrl_c
from ..log import TrialLog, add_trial_note
from ..stores import Result
from ..trial import FINISHED, Session, Trial, TrialRecord, TrialState
from .backend import Backend, PairingBackend
from .progress import Progress, progress_bar


class Limits(TypedDict):
    """When a run ends, and what becomes of its trials.

    Keys:
        stop: set to start no more trials.
        n_trials, total_trials, timeout, catch, max_retries: as in `Study.optimize`.
        callbacks: called with each finished trial.
        show_progress_bar: draw one.
    """

    stop: threading.Event
    n_trials: int | None
    total_trials: int | None
    timeout: float | None
    catch: tuple[type[Exception], ...]
    callbacks: Sequence[Callable[[TrialRecord], None]]
    max_retries: int
    show_progress_bar: bool


class Run:
    """The source of trials for an executor: asks a backend for them and tells it their results. Safe for threads.

    Args:
        backend: where the study is at work.
        limits: when it ends, and what becomes of its trials.
    """

    def __init__(self, backend: Backend, **limits: Unpack[Limits]) -> None:
        timeout = limits["timeout"]
        self._backend = backend
        self._pairing = backend if isinstance(backend, PairingBackend) else None
        self._stop = limits["stop"]
        self._n_trials = limits["n_trials"]
        self._total = limits["total_trials"]
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._catch = limits["catch"]
        self._callbacks = limits["callbacks"]
        self._max_retries = limits["max_retries"]
        self._show = limits["show_progress_bar"]
        # one thing after the other, except where calls take long: then one asks while others tell
        self._ending = threading.RLock()
        self._asking: AbstractContextManager[Any] = threading.Lock() if backend.is_far else self._ending
        self._telling: AbstractContextManager[Any] = nullcontext() if backend.is_far else self._ending
        self._counting = threading.Lock()
        self._started = 0
        self._dropped = 0
        self._running: dict[str, Trial] = {}  # by token: what this run asked for and has not ended
        self._ctrl_c = CtrlC()
        self._progress: Progress | None = None
        self._log = TrialLog(bar=self._show)
        self._queued: list[int] = []  # numbers of the trials that the end of the run interrupted

    @property
    def session(self) -> Session:
        """What running trials talk to."""
        return self._backend.session

    # -- the run

    def run(self, objective: Callable[[Trial], Any], executor: Executor) -> None:
        """Run trials until there are enough; whatever ends the run, no trial of it is left running.

        Raises:
            LuthierError: this process was started by an objective, and is importing its script.
            KeyboardInterrupt: on Ctrl-C, with a note on the state of the study.
        """
        _check_not_importing()
        try:
            self._run(objective, executor)
        except KeyboardInterrupt as error:
            finished, stored = self._backend.standing()
            raise explain_ctrl_c(error, finished, self._queued, stored) from None

    def _run(self, objective: Callable[[Trial], Any], executor: Executor) -> None:
        with self._ctrl_c:
            self._backend.begin()
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
        counts = self._backend.counts()
        return self._n_trials + sum(counts[state] for state in FINISHED)

    def _enough(self) -> bool:
        if self._stop.is_set() or (self._deadline is not None and time.monotonic() >= self._deadline):
            return True
        if self._n_trials is not None:
            return self._started >= self._n_trials
        if self._total is not None:
            self._backend.recover(self._max_retries)
            counts = self._backend.counts()
            return sum(counts.values()) - counts[TrialState.WAITING] >= self._total
        return False

    # -- for the executor

    def next(self) -> Trial | None:
        """Return a trial to run; None when there are enough, or nothing is left to try."""
        with self._asking, self._ctrl_c.held():
            if self._enough():
                return None
            try:
                return self._count(self._backend.ask(max_retries=self._max_retries))
            except SearchSpaceExhausted:
                self._exhausted()
                return None

    def tell_and_ask(self, trial: Trial, outcome: Outcome) -> Trial | None:
        """As `done`, then `next`; in one transaction where trials are short, so that its price shows.

        What took longer is told before anything else, and where callbacks wait for it, before the next starts.
        """
        with self._telling:
            new = self._tell_and_ask(trial, outcome)
            if new is not None:
                return new
            self.done(trial, outcome)
            return self.next()

    def _tell_and_ask(self, trial: Trial, outcome: Outcome) -> Trial | None:
        """The next trial, if this one could be told with the question for it; else nothing was done."""
        if self._callbacks or self._pairing is None or not self._pairing.tells_and_asks(trial):
            return None
        with self._ctrl_c.held():
            result, error = self._result(trial, outcome)
            if error is not None or self._enough():
                return None
            try:
                told, new = self._pairing.tell_and_ask(
                    trial.number, trial.token, result, outcome.params, max_retries=self._max_retries
                )
            except (LeaseLost, ConflictingTell, SearchSpaceExhausted, StaleProposal):
                return None  # one after the other, they say what is to be done
            self._forget(trial, counts=True)
            self._count(new)  # before anything that may raise: so it is given back
            self._log.finished(told, self._best)
            return new

    def done(self, trial: Trial, outcome: Outcome) -> None:
        """Tell the study; raise what the objective raised unless it is to be caught.

        A result of a trial that another owner has, or that was told otherwise, is dropped: the run goes on.
        """
        with self._telling:
            with self._ctrl_c.held():
                record, error = self._tell(trial, outcome)
                raised = error is not None and not isinstance(error, self._catch)
                with self._ending:
                    self._show_progress()
                    if record is not None:
                        self._log.finished(record, self._best, raised=raised)
            with self._ending:
                if error is not None and raised:
                    self._raise(error, trial, outcome.params, outcome.error)
                if record is not None:
                    self._call_back(record)

    def _tell(self, trial: Trial, outcome: Outcome) -> tuple[TrialRecord | None, Exception | None]:
        """The finished trial, None if it is another's, and what there is to raise about it."""
        result, error = self._result(trial, outcome)
        try:
            record = self._backend.tell(trial.number, trial.token, result, outcome.params)
        except (LeaseLost, ConflictingTell) as lost:
            self._drop(trial, lost)
            return None, None
        self._forget(trial, counts=True)
        return record, error

    def _result(self, trial: Trial, outcome: Outcome) -> tuple[Result, Exception | None]:
        """What to tell of what came out of an objective, and what there is to raise; what is not a result is FAIL."""
        result_of = partial(self._backend.result_of, trial.number)
        try:
            result = result_of(outcome.values, outcome.state, outcome.constraints, outcome.error)
        except ObjectiveError as error:
            return result_of(None, TrialState.FAIL, outcome.constraints, str(error)), error
        return result, outcome.exception

    def lost(self, trial: Trial, reason: str) -> None:
        """Queue the trial of a dead, or stuck, worker again, or give it up after too many times."""
        with self._telling, self._ctrl_c.held():
            number, token = trial.number, trial.token
            try:
                given_up = self._backend.record(number).retries >= self._max_retries and self._backend.give_up(
                    number, token, f"{reason} ({self._max_retries + 1} times)"
                )
                if not given_up:
                    self._backend.give_back(number, token)
                self._forget(trial, counts=given_up)
            except LeaseLost as lost:
                self._drop(trial, lost)
            self._show_progress()

    def _count(self, trial: Trial) -> Trial:
        """Take notice of a trial that was started."""
        self._running[trial.token] = trial
        with self._counting:
            self._started += 1
        self._show_progress()
        return trial

    def _exhausted(self) -> None:
        """Start no more trials, unless some run that may show more of the space, or come back unfinished."""
        if not self._running:
            self._stop.set()

    def _forget(self, trial: Trial, *, counts: bool) -> None:
        """Hold a trial no more; whether it counts as started here."""
        self._running.pop(trial.token, None)
        if not counts:
            with self._counting:
                self._started -= 1

    def _drop(self, trial: Trial, lost: Exception) -> None:
        """The trial is another's, or was told otherwise: it does not count as started here."""
        self._forget(trial, counts=False)
        self._dropped += 1
        _warn("%s (result dropped; %d so far in this run)", lost, self._dropped)

    def _raise(self, error: Exception, trial: Trial, params: Any, there: str | None) -> None:
        """Raise what came out of an objective, with a note of its trial.

        Args:
            error: what is raised.
            trial: whose it is.
            params: of the trial, as far as it asked for them.
            there: the traceback of the worker, which an error that comes from there lacks.
        """
        add_trial_note(error, trial.number, params, there if error.__traceback__ is None else None)
        raise error

    def _call_back(self, record: TrialRecord) -> None:
        try:
            for callback in self._callbacks:
                callback(record)
        except Exception as error:
            error.add_note(f"raised by a callback, after trial {record.number}")
            raise

    def interrupted(self, trial: Trial) -> None:
        """Queue the trial again: the run ends."""
        with self._ctrl_c.held():
            self._running.pop(trial.token, None)
            try:
                if self._backend.give_back(trial.number, trial.token):
                    self._queued.append(trial.number)
            except LeaseLost:
                pass  # another runs it, or it is queued already
            except StorageError as error:  # it must keep neither the other trials from it nor the cause from the user
                _warn(
                    "trial %d could not be queued again; the next run does it once its lease has run out: %s",
                    trial.number,
                    error,
                )

    def _show_progress(self) -> None:
        if self._progress is None:
            return
        with suppress(StorageError):  # only shown: the next call that matters ends the run
            best = self._best()
            self._progress.show(self._backend.counts(), None if best is None else best.value)

    def _best(self) -> TrialRecord | None:
        try:
            return self._backend.best()
        except StorageError:  # only shown: the trial that was just told must not be lost to its callbacks for it
            return None


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
