"""Run: what a run of `optimize` is, wherever its study lives: how many trials, until when, and how it ends."""

from __future__ import annotations

import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypedDict, Unpack

from ..errors import LeaseLost, LuthierError, StorageError
from ..executors import Executor, Outcome
from ..executors.ctrl_c import CtrlC, explain_ctrl_c
from ..log import TrialLog, add_trial_note
from ..trial import Session, Trial, TrialRecord, TrialState
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


class Run(ABC):
    """The source of trials for an executor; a subclass asks for them and tells their results. Safe for threads.

    Args:
        limits: when it ends, and what becomes of its trials.
    """

    def __init__(self, **limits: Unpack[Limits]) -> None:
        timeout = limits["timeout"]
        self._stop = limits["stop"]
        self._n_trials = limits["n_trials"]
        self._total = limits["total_trials"]
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._catch = limits["catch"]
        self._callbacks = limits["callbacks"]
        self._max_retries = limits["max_retries"]
        self._show = limits["show_progress_bar"]
        self._counting = threading.Lock()
        self._started = 0
        self._dropped = 0
        self._running: dict[str, Trial] = {}  # by token: what this run asked for and has not ended
        self._ctrl_c = CtrlC()
        self._progress: Progress | None = None
        self._log = TrialLog(bar=self._show)
        self._queued: list[int] = []  # numbers of the trials that the end of the run interrupted

    # -- what the study says

    @property
    @abstractmethod
    def session(self) -> Session:
        """What running trials talk to."""

    @abstractmethod
    def next(self) -> Trial | None:
        """A trial to run; None when there are enough, or nothing is left to try."""

    @abstractmethod
    def done(self, trial: Trial, outcome: Outcome) -> None:
        """Tell the study; raise what the objective raised unless it is to be caught."""

    @abstractmethod
    def tell_and_ask(self, trial: Trial, outcome: Outcome) -> Trial | None:
        """`done`, then `next`."""

    @abstractmethod
    def lost(self, trial: Trial, reason: str) -> None:
        """Queue the trial of a dead, or stuck, worker again, or give it up after too many times."""

    @abstractmethod
    def _begin(self) -> None:
        """What is to be done before the first trial; Ctrl-C is held back."""

    @abstractmethod
    def _counts(self) -> Sequence[int]:
        """How many trials are in each state now, by number of the state."""

    @abstractmethod
    def _best(self) -> TrialRecord | None:
        """The best trial so far; None for none, or where there are several objectives."""

    @abstractmethod
    def _give_back(self, trial: Trial) -> bool:
        """Queue a running trial again; False if it is another's."""

    @abstractmethod
    def _standing(self) -> tuple[int | None, bool]:
        """How many trials are finished, None where that is not known; whether the study outlives this process."""

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
            finished, stored = self._standing()
            raise explain_ctrl_c(error, finished, self._queued, stored) from None

    def _run(self, objective: Callable[[Trial], Any], executor: Executor) -> None:
        with self._ctrl_c:
            self._begin()
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
        return self._n_trials + sum(self._counts()[TrialState.COMPLETE :])

    def _enough(self) -> bool:
        if self._stop.is_set() or (self._deadline is not None and time.monotonic() >= self._deadline):
            return True
        if self._n_trials is not None:
            return self._started >= self._n_trials
        if self._total is not None:
            counts = self._counts()
            return sum(counts) - counts[TrialState.WAITING] >= self._total
        return False

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
                if self._give_back(trial):
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
        best = self._best()
        self._progress.show(self._counts(), None if best is None else best.value)


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
