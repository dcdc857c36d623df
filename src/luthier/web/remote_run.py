"""RemoteRun: one run of `RemoteStudy.optimize`: how many trials, until when, and what becomes of each."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from ..errors import ConflictingTell, LeaseLost, SearchSpaceExhausted
from ..executors import Executor, Outcome
from ..executors.ctrl_c import explain_ctrl_c
from ..live import Session, Trial
from ..log import TrialLog, add_trial_note
from ..progress import Progress, progress_bar
from ..trial import TrialRecord, TrialState

_log = logging.getLogger("luthier")


class Asked(Protocol):
    """What a run needs of its study."""

    def ask(self) -> Trial:
        """Start a trial."""
        ...

    @property
    def session(self) -> Session:
        """What running trials talk to."""
        ...

    def finish(self, trial: Trial, outcome: Outcome) -> TrialRecord:
        """Tell what came out of an objective; what is no result makes the trial FAIL and is raised."""
        ...

    def give_back(self, trial: Trial) -> None:
        """Queue a trial again that did not end."""
        ...

    def give_up(self, trial: Trial, error: str) -> None:
        """Finish a trial whose worker died too often."""
        ...

    def trial(self, number: int) -> TrialRecord:
        """The trial of that number."""
        ...

    def counts(self) -> list[int]:
        """How many trials are in each state, by number of the state."""
        ...

    def best(self) -> float | None:
        """The best value so far; None for none, or where there are several objectives."""
        ...


class RemoteRun:
    """The source of trials for an executor. Safe for threads.

    Args:
        study: what is asked and told.
        stop: set to start no more trials.
        n_trials, total_trials, timeout, catch, max_retries: as in `Study.optimize`.
        callbacks: called with each finished trial, one at a time.
        show_progress_bar: draw one.
    """

    def __init__(
        self,
        study: Asked,
        *,
        stop: threading.Event,
        n_trials: int | None,
        total_trials: int | None,
        timeout: float | None,
        catch: tuple[type[Exception], ...],
        callbacks: Sequence[Callable[[TrialRecord], None]],
        max_retries: int,
        show_progress_bar: bool,
    ) -> None:
        self._study = study
        self._stop = stop
        self._n_trials = n_trials
        self._total = total_trials
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._catch = catch
        self._callbacks = callbacks
        self._max_retries = max_retries
        self._show = show_progress_bar
        self._asking, self._ending = threading.Lock(), threading.RLock()
        self._counting = threading.Lock()
        self._started = 0
        self._progress: Progress | None = None
        self._trial_log = TrialLog(bar=show_progress_bar)
        self._queued: list[int] = []  # numbers of the trials that the end of the run interrupted

    @property
    def session(self) -> Session:
        """What running trials talk to."""
        return self._study.session

    def run(self, objective: Callable[[Trial], Any], executor: Executor) -> None:
        """Run trials until there are enough."""
        bar: AbstractContextManager[Progress | None] = progress_bar(self._goal()) if self._show else nullcontext()
        with bar as self._progress:
            self._show_progress()
            try:
                executor.run(objective, self)
            except KeyboardInterrupt as error:
                raise explain_ctrl_c(error, None, self._queued, stored=True) from None

    def _goal(self) -> int | None:
        if self._total is not None or self._n_trials is None:
            return self._total
        return self._n_trials + sum(self._study.counts()[TrialState.COMPLETE :])

    def _enough(self) -> bool:
        if self._stop.is_set() or (self._deadline is not None and time.monotonic() >= self._deadline):
            return True
        if self._n_trials is not None:
            return self._started >= self._n_trials
        if self._total is not None:
            counts = self._study.counts()
            return sum(counts) - counts[TrialState.WAITING] >= self._total
        return False

    # -- for the executor

    def next(self) -> Trial | None:
        """A trial to run; None when there are enough, or nothing is left to try."""
        with self._asking:
            if self._enough():
                return None
            try:
                trial = self._study.ask()
            except SearchSpaceExhausted:
                self._stop.set()
                return None
            with self._counting:
                self._started += 1
        self._show_progress()
        return trial

    def done(self, trial: Trial, outcome: Outcome) -> None:
        """Tell the study; raise what the objective raised unless it is to be caught."""
        try:
            record = self._study.finish(trial, outcome)
        except (LeaseLost, ConflictingTell) as lost:
            self._drop(lost)
            return
        except self._catch:
            record = self._study.trial(trial.number)
        with self._ending:
            self._show_progress()
            raised = outcome.exception is not None and not isinstance(outcome.exception, self._catch)
            self._trial_log.finished(record, lambda: None, raised=raised)
            if outcome.exception is not None and raised:
                there = outcome.error if outcome.exception.__traceback__ is None else None
                add_trial_note(outcome.exception, trial.number, outcome.params, there)
                raise outcome.exception
            for callback in self._callbacks:
                callback(record)

    def exchange(self, trial: Trial, outcome: Outcome) -> Trial | None:
        """`done`, then `next`."""
        self.done(trial, outcome)
        return self.next()

    def lost(self, trial: Trial, reason: str) -> None:
        """Queue the trial of a dead, or stuck, worker again, or give it up after too many times."""
        try:
            if self._study.trial(trial.number).retries >= self._max_retries:
                self._study.give_up(trial, f"{reason} ({self._max_retries + 1} times)")
            else:
                self._study.give_back(trial)
                self._count_off()
        except LeaseLost as lost:
            self._drop(lost)
        self._show_progress()

    def interrupted(self, trial: Trial) -> None:
        """Queue the trial again: the run ends."""
        self._study.give_back(trial)
        self._queued.append(trial.number)

    def _count_off(self) -> None:
        with self._counting:
            self._started -= 1

    def _drop(self, lost: LeaseLost | ConflictingTell) -> None:
        """The trial is another's, or somebody told it otherwise: it does not count as started here."""
        self._count_off()
        _log.warning("%s (result dropped)", lost)

    def _show_progress(self) -> None:
        if self._progress is not None:
            self._progress.show(self._study.counts(), self._study.best())
