"""ActiveStudy: what one can do with a study wherever it is at work: told, filled, optimized."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Literal, TypeAlias

from ..engine.backend import Backend
from ..engine.recovery import MAX_RETRIES
from ..engine.run import Run
from ..executors import Executor
from ..executors.choose import choose_executor
from ..log import warn_of_failure
from ..space.partial import agrees
from ..trial import Trial, TrialRecord, TrialState
from ..types import Configuration
from .arguments import (
    check_one_limit,
    checked_callbacks,
    checked_catch,
    checked_count,
    checked_jobs,
    checked_number,
    checked_objective,
    checked_retries,
    checked_seconds,
    checked_state,
    checked_values_by_name,
)
from .view import StudyView

Objective: TypeAlias = Callable[[Trial], Any]
Callback: TypeAlias = Callable[[Any, TrialRecord], None]


class ActiveStudy(StudyView):
    """A study over a backend; what `Study` and `RemoteStudy` share beside their answers.

    Args:
        backend: where it is at work.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._stop = threading.Event()

    # -- what depends on where it is at work

    @abstractmethod
    def ask(self, fixed: Mapping[str, Any] | None = None) -> Trial:
        """Start a trial and own it: a queued one if there is one, else a new one."""

    @abstractmethod
    def _trial_here(self, number: int) -> Trial | None:
        """The trial of that number, if it runs in this process.

        Raises:
            TrialNotFound, TrialNotRunning: it cannot be told by its number alone.
        """

    @abstractmethod
    def _told_params(self, params: Mapping[str, Any]) -> Configuration:
        """The parameters that a trial is told with, as they are stored. Raises `SpaceError`."""

    @abstractmethod
    def _stored(self, params: Mapping[str, Any]) -> Configuration:
        """Values for a trial that waits, as they are stored. Raises `SpaceError`."""

    @abstractmethod
    def _enqueue(self, params: Mapping[str, Any], attrs: Mapping[str, Any]) -> None:
        """Queue a trial."""

    # -- tell

    def tell(
        self,
        trial: Trial | int,
        values: float | Sequence[float] | None = None,
        *,
        state: TrialState | None = None,
        constraints: Iterable[float] | None = None,
        error: str | None = None,
        token: str | None = None,
        params: Configuration | None = None,
    ) -> TrialRecord:
        """Finish a trial; when it returns, the result is safe.

        Args:
            trial: what `ask` gave, or its number.
            values: one number per objective. NaN makes the trial FAIL, with a warning in the log.
            state: COMPLETE by default; PRUNED or FAIL if the trial ended so. A pruned trial without values
                takes its last report.
            constraints: feasible where every entry is at most 0; by default what the trial set.
            error: why it failed.
            token: of the attempt that is told, where a number is given and the trial was run elsewhere.
            params: stored values that it used, likewise.

        Returns:
            the finished trial. To tell the same result again changes nothing.

        Raises:
            ObjectiveError: values that are not a result: None, text, ±inf, too few or too many.
            SpaceError: params with something else than a number, or than one of the choices, of a parameter.
            TrialNotFound, TrialNotRunning, ConflictingTell, LeaseLost: the trial is unknown, finished
                already, finished with another result, or another owner's by now.
        """
        live = trial if isinstance(trial, Trial) else None
        number = live.number if live is not None else checked_number(trial)
        state = checked_state(state)
        if live is None and token is None:
            live = self._trial_here(number)
        if live is not None:
            token, params = live.token, live.stored_params
            constraints = live.constraints if constraints is None else constraints
        elif params is not None:
            params = self._told_params(checked_values_by_name("params", params))
        result = self._backend.result_of(number, values, state, () if constraints is None else constraints, error)
        record = self._backend.tell(number, token, result, params)
        if result.state is TrialState.FAIL and state is not TrialState.FAIL:  # NaN, which the caller may not expect
            warn_of_failure(record)
        return record

    # -- trials to come, and from elsewhere

    def enqueue_trial(
        self, params: Mapping[str, Any], user_attrs: Mapping[str, Any] | None = None, skip_if_exists: bool = False
    ) -> None:
        """Queue a trial with these values; it is the next that `ask` starts. What is not named is suggested.

        Args:
            params: values by name.
            user_attrs: attached to the trial.
            skip_if_exists: do nothing if a trial has, or waits with, these values.

        Raises:
            SpaceError: values that a declared space does not have, or of another kind than what an objective has asked
                for under that name; a number outside a range that it showed is refused only when it asks again.
        """
        params = checked_values_by_name("params", params)
        attrs = {} if user_attrs is None else checked_values_by_name("user_attrs", user_attrs)
        if skip_if_exists:
            space, stored = self.space, self._stored(params)
            if any(agrees(space, t.params, stored) for t in self.trials):
                return
        self._enqueue(params, attrs)

    def add_trial(self, trial: TrialRecord) -> None:
        """Add one trial from elsewhere; see `add_trials`, and `create_trial`, which makes one."""
        self.add_trials([trial])

    @abstractmethod
    def add_trials(self, trials: Iterable[TrialRecord]) -> None:
        """Add finished and waiting trials from elsewhere: all of them, or none. They are durable when it returns.

        They get the next numbers, and everything that the study suggests from now on takes them into account. Those
        that wait are the next that `ask` starts.

        Args:
            trials: of `create_trial`, or of another study's `trials`.

        Raises:
            TypeError: something else than a trial.
            SpaceError: parameters that do not fit a declared space, or the choices that an objective has shown.
            ObjectiveError: a trial that is RUNNING elsewhere, or waits and has values; values that are not one finite
                number per objective; reports as in `create_trial`.
        """

    # -- optimize

    def optimize(
        self,
        objective: Objective,
        n_trials: int | None = None,
        timeout: float | timedelta | None = None,
        n_jobs: int = 1,
        catch: type[Exception] | Iterable[type[Exception]] = (),
        callbacks: Iterable[Callback] | None = (),
        show_progress_bar: bool = False,
        *,
        total_trials: int | None = None,
        executor: Executor | Literal["ray", "dask"] | None = None,
        address: str | None = None,
        resources: Mapping[str, float] | None = None,
        max_retries: int = MAX_RETRIES,
        trial_timeout: float | timedelta | None = None,
    ) -> None:
        """Run trials of an objective until there are enough.

        Trials that a killed run of this machine left behind are started again first, with the parameters
        and the random stream they had; so a run that was killed and repeated ends as one that was not.

        Args:
            objective: takes a `Trial`, returns its value, or one per objective; raises `TrialPruned` when
                stopped early.
            n_trials: how many trials to add; 0 adds none. With none of n_trials, timeout and total_trials: until
                `stop`, Ctrl-C, or the space is exhausted.
            timeout: seconds, or a `timedelta`, after which no trial is started.
            n_jobs: worker processes; 1 runs in this process, -1 is one per core.
            catch: a class of exceptions, or several in a list or tuple, that make their trial FAIL and let the study
                go on; any other makes it FAIL and is raised.
            callbacks: functions in a list, called with the study and each finished trial.
            show_progress_bar: draw one.
            total_trials: run until the study has this many trials that are finished, or run in other programs: safe
                to repeat after a crash.
            executor: where trials run, in place of worker processes: "ray" or "dask" for a cluster, which takes as
                many trials at once as it can hold if n_jobs is 1 or -1, and n_jobs of them otherwise.
            address: of the cluster; None starts one on this machine for the run.
            resources: what one trial takes of the cluster; see `RayExecutor` and `DaskExecutor`.
            max_retries: how often a trial whose worker died, was stuck or stopped responding is started again before it
                counts as FAIL.
            trial_timeout: seconds, or a `timedelta`, after which the worker process of a trial is killed, and the
                trial counts as one whose worker died; on clusters too. n_jobs=1 then runs in one worker process: a
                stuck objective in this process cannot be stopped from outside.

        A trial that was taken from this process (it was paused for longer than `lease_seconds`) is dropped with a
        warning in the log "luthier", does not count, and the run goes on.

        Raises:
            TypeError: an argument of the wrong kind, such as an objective that cannot be called with a trial, or
                n_trials=2.5.
            ValueError: an argument out of range; both n_trials and total_trials; n_jobs or trial_timeout with an
                executor that you constructed; an unknown executor; address or resources without a cluster.
            LuthierError: workers cannot get or load the objective, or no cluster answers.
            MissingDependency: the library of the cluster is not installed.
            ObjectiveError: the objective returned something that is not a result, and `catch` does not name it.
            KeyboardInterrupt: on Ctrl-C, after what was running is queued again.
        """
        checked_objective(objective)
        check_one_limit(n_trials, total_trials)
        n_jobs = checked_jobs(n_jobs)
        run = Run(
            self._backend,
            stop=self._stop,
            n_trials=checked_count("n_trials", n_trials),
            total_trials=checked_count("total_trials", total_trials),
            timeout=checked_seconds("timeout", timeout),
            catch=checked_catch(catch),
            callbacks=[partial(f, self) for f in checked_callbacks(callbacks)],
            max_retries=checked_retries(max_retries),
            show_progress_bar=show_progress_bar,
        )
        seconds = checked_seconds("trial_timeout", trial_timeout, positive=True)
        runs_on = choose_executor(executor, n_jobs, seconds, address, resources)
        self._stop.clear()
        run.run(objective, runs_on)

    def stop(self) -> None:
        """Let `optimize` end once what runs is finished; for callbacks and other threads."""
        self._stop.set()
