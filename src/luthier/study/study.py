"""Study: what one can do with a study in this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np

from ..engine.engine import Engine
from ..engine.optimization import Optimization
from ..engine.recovery import MAX_RETRIES, Recovery
from ..errors import ObjectiveError
from ..executors import Executor, Outcome
from ..executors.choose import choose_executor
from ..history import History
from ..log import warn_of_failure
from ..samplers import Sampler
from ..space import Space
from ..space.partial import agrees
from ..stores import Result, Store, StudyRecord
from ..trial import Trial, TrialRecord, TrialState
from ..trial.results import check_json, check_values, finite_numbers
from ..types import Configuration, Direction
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
from .attributes import check_not_ours, names_of, public
from .records import add_to, told_params
from .view import StudyView

Objective: TypeAlias = Callable[[Trial], Any]
Callback: TypeAlias = Callable[["Study", TrialRecord], None]


class Study(StudyView):
    """Searches for the best parameters. Made by `create_study` and `load_study`; safe for threads.

    >>> import luthier as lt
    >>> study = lt.create_study(space={"x": lt.Float(-1, 1)}, seed=0)
    >>> study.optimize(lambda trial: trial.params["x"] ** 2, n_trials=5)
    >>> trial = study.ask()
    >>> record = study.tell(trial, trial.params["x"] ** 2)
    >>> len(study.trials), study.best_value == min(trial.values[0] for trial in study.trials)
    (6, True)
    """

    def __init__(self, engine: Engine, record: StudyRecord) -> None:
        self._engine = engine
        self._abandoned = Recovery(engine)
        self._record = record
        self._stop = threading.Event()

    def __repr__(self) -> str:
        names = self.objective_names
        goal = ", ".join(f"{d} {x}" for d, x in zip(self.directions, names, strict=True)) if names else self.directions
        shown = goal if isinstance(goal, str) else ", ".join(goal)
        return f"Study({self.name!r}, {shown}, {len(self._engine.history)} trials)"

    # -- what it is

    @property
    def name(self) -> str:
        """Its name in the storage."""
        return self._record.name

    @property
    def directions(self) -> tuple[Direction, ...]:
        """ "minimize" or "maximize" for each objective."""
        return self._engine.history.directions

    @property
    def objective_names(self) -> tuple[str, ...] | None:
        """The names of the objectives, as given to `create_study`; None if they have none."""
        return names_of(self._record.attrs)

    @property
    def seed(self) -> int:
        """What all its randomness comes from."""
        return self._record.seed

    @property
    def _declared(self) -> Space | None:
        return self._engine.declared

    @property
    def space(self) -> Space:
        """The search space: as declared, or the parameters that the objective has asked for so far."""
        return self._engine.space

    @property
    def sampler(self) -> Sampler:
        """What proposes parameters."""
        return self._engine.sampler

    @property
    def storage(self) -> Store:
        """Where it lives."""
        return self._engine.store

    @property
    def user_attrs(self) -> dict[str, Any]:
        """What was attached by `set_user_attr`."""
        return public(self._engine.store.study(self.name).attrs)

    def set_user_attr(self, key: str, value: Any) -> None:
        """Attach a JSON value to the study. Raises `ObjectiveError` if it is not JSON."""
        check_json(key, value)
        check_not_ours(key)
        self._engine.store.set_study_attrs(self.name, {key: value})

    @property
    def history(self) -> History:
        """All trials in columns; do not change it."""
        self._engine.sync()
        return self._engine.history

    # -- ask and tell

    def ask(self, fixed: Mapping[str, Any] | None = None) -> Trial:
        """Start a trial and own it: a queued one if there is one, else a new one.

        It is owned until it is told, for as long as this process lives and holds the study or the trial. A trial
        of a process or machine that stopped responding for `lease_seconds` is queued again, and so asked for first.

        Args:
            fixed: values that this trial shall have; the others are suggested.

        Raises:
            SpaceError: fixed values that the space does not have.
        """
        if fixed is not None:
            fixed = checked_values_by_name("fixed", fixed)
        self._abandoned.requeue_expired()
        return self._engine.ask(fixed)

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
        if constraints is not None:
            limits = finite_numbers(constraints, f"the constraints of trial {number}")
        else:
            limits = live.constraints if live is not None else ()
        result = self._result(number, values, state, limits, error)
        if live is None:
            self._engine.record(number)  # raises if there is none
            live = self._engine.held.trial(number) if token is None else None
        if live is None:
            params = None if params is None else told_params(self._engine, checked_values_by_name("params", params))
            record = self._engine.tell(number, token, result, params)
        else:
            record = self._engine.tell(number, live.token, result, live.stored_params)
        if result.state is TrialState.FAIL and state is not TrialState.FAIL:  # NaN, which the caller may not expect
            warn_of_failure(record)
        return record

    def _result(
        self, number: int, values: Any, state: TrialState | None, constraints: tuple[float, ...], error: str | None
    ) -> Result:
        if state is not None and not state.is_finished:
            raise ObjectiveError(
                f"trial {number} was told {state.name}, which is not a finished state: tell COMPLETE, PRUNED or FAIL"
            )
        if state is TrialState.FAIL:
            return Result(state, None, constraints, error)
        if state is TrialState.PRUNED and values is None:
            reports = self._engine.record(number).reports
            last = reports[-1][1] if reports and len(self.directions) == 1 else None
            return Result(state, (last,) if last is not None and np.isfinite(last) else None, constraints, error)
        numbers = check_values(number, values, len(self.directions))
        if any(x != x for x in numbers):
            return Result(TrialState.FAIL, None, constraints, error or f"the objective returned {values}: NaN fails")
        return Result(state or TrialState.COMPLETE, numbers, constraints, error)

    def enqueue_trial(
        self, params: Mapping[str, Any], user_attrs: Mapping[str, Any] | None = None, skip_if_exists: bool = False
    ) -> None:
        """Queue a trial with these values; it is the next that `ask` starts. What is not named is suggested.

        Args:
            params: values by name.
            user_attrs: attached to the trial.
            skip_if_exists: do nothing if a trial has, or waits with, these values.

        Raises:
            SpaceError: values that a declared space does not have.
        """
        params = checked_values_by_name("params", params)
        attrs = {} if user_attrs is None else checked_values_by_name("user_attrs", user_attrs)
        if skip_if_exists:
            space, stored = self.space, self._engine.stored(params)
            if any(agrees(space, t.params, stored) for t in self.trials):
                return
        self._engine.enqueue(params, attrs)

    def add_trial(self, trial: TrialRecord) -> None:
        """Add one trial from elsewhere; see `add_trials`, and `create_trial`, which makes one."""
        self.add_trials([trial])

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
        add_to(self._engine, trials, os.urandom(16).hex())

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
            total_trials: run until the study has this many finished trials: safe to repeat after a crash.
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
        run = Optimization(
            self._engine,
            self._abandoned,
            result=self._result_of,
            stop=self._stop,
            n_trials=checked_count("n_trials", n_trials),
            total_trials=checked_count("total_trials", total_trials),
            timeout=checked_seconds("timeout", timeout),
            catch=checked_catch(catch),
            callbacks=[partial(_call, f, self) for f in checked_callbacks(callbacks)],
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

    def close(self) -> None:
        """End with this study: its leases are no longer renewed, and its storage is closed.

        Needed only in a process that runs on for long: a study without references ends by itself.
        """
        self._engine.close()
        self._engine.store.close()

    def _result_of(self, trial: Trial, outcome: Outcome) -> tuple[Result, Exception | None]:
        """What to tell of what came out of an objective, and what there is to raise; what is not a result is FAIL."""
        state = None if outcome.state is TrialState.COMPLETE else outcome.state
        try:
            result = self._result(trial.number, outcome.values, state, outcome.constraints, outcome.error)
        except ObjectiveError as error:
            return Result(TrialState.FAIL, None, outcome.constraints, str(error)), error
        return result, outcome.exception


def _call(callback: Callback, study: Study, record: TrialRecord) -> None:
    callback(study, record)
