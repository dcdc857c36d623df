"""Study: the face of a search. `create_study`, `load_study`, and what one can do with a study."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, TypeAlias

import numpy as np

from ..abandoned import MAX_RETRIES, Abandoned
from ..engine import LEASE_SECONDS, Engine
from ..errors import ObjectiveError, SpaceError, StudyExists, StudyNotFound
from ..executors import Executor, Outcome
from ..executors.choose import choose_executor
from ..history import Direction, History
from ..live import Trial, check_json, check_values, finite_numbers
from ..optimize import Optimization
from ..pareto import non_dominated
from ..samplers import AutoSampler, Sampler, expected_order
from ..schedulers import Scheduler
from ..space import Space
from ..stores import Result, Store, StudyRecord, open_store
from ..streams import fresh_seed
from ..trial import Configuration, TrialRecord, TrialState

Objective: TypeAlias = Callable[[Trial], Any]
Callback: TypeAlias = Callable[["Study", TrialRecord], None]


class Study:
    """A search for the best parameters. Made by `create_study` and `load_study`; safe for threads."""

    def __init__(self, engine: Engine, record: StudyRecord) -> None:
        self._engine = engine
        self._abandoned = Abandoned(engine)
        self._record = record
        self._stop = threading.Event()

    def __repr__(self) -> str:
        return f"Study({self.name!r}, {len(self._engine.history)} trials)"

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
    def direction(self) -> Direction:
        """The direction of the only objective. Raises ValueError if there are several."""
        if len(self.directions) != 1:
            raise ValueError(f"study {self.name!r} has {len(self.directions)} objectives: use .directions")
        return self.directions[0]

    @property
    def seed(self) -> int:
        """What all its randomness comes from."""
        return self._record.seed

    @property
    def space(self) -> Space:
        """What is searched: as declared, or as far as the objective has shown it."""
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
        return dict(self._engine.store.study(self.name).attrs)

    def set_user_attr(self, key: str, value: Any) -> None:
        """Attach a JSON value to the study. Raises `ObjectiveError` if it is not JSON."""
        check_json(key, value)
        self._engine.store.set_study_attrs(self.name, {key: value})

    # -- what is known

    @property
    def history(self) -> History:
        """All trials in columns; do not change it."""
        self._engine.sync()
        return self._engine.history

    @property
    def trials(self) -> list[TrialRecord]:
        """All trials, by number."""
        return list(self.history.records)

    @property
    def best_trial(self) -> TrialRecord:
        """The complete, feasible trial with the best value, the earliest of equals.

        Raises:
            ValueError: there is none yet, or the study has several objectives.
        """
        history = self._with_a_result()
        candidates = np.flatnonzero(history.is_complete & history.feasible)
        best = candidates[np.argmin(history.losses[candidates, 0])]
        return history.records[int(best)]

    @property
    def recommended_trial(self) -> TrialRecord:
        """The complete, feasible trial that is expected to be best when it runs again.

        The best value of a noisy search is a lucky one. Here a value counts for half, and what a Gaussian process
        makes of all trials for the rest; without noise it is nearly always `best_trial`. An answer takes
        some tens of milliseconds at 100 trials. To know rather than expect, run the best again:
        `luthier.confirm.rerun`.

        Raises:
            ValueError: there is none yet, or the study has several objectives.
        """
        history = self._with_a_result()
        return history.records[int(expected_order(history)[0])]

    def _with_a_result(self) -> History:
        if len(self.directions) != 1:
            raise ValueError(f"study {self.name!r} has {len(self.directions)} objectives: use .best_trials")
        history = self.history
        if not (history.is_complete & history.feasible).any():
            raise ValueError(f"study {self.name!r} has no complete, feasible trial yet: there is no best one")
        return history

    @property
    def best_trials(self) -> list[TrialRecord]:
        """The Pareto front: complete, feasible trials that no other beats in every objective."""
        history = self.history
        candidates = np.flatnonzero(history.is_complete & history.feasible)
        front = candidates[non_dominated(history.losses[candidates])]
        return [history.records[int(i)] for i in front]

    @property
    def best_params(self) -> dict[str, Any]:
        """The parameters of the best trial; in a declared space with objects in place of labels."""
        params = self.best_trial.params
        return self.space.restore(params) if self._engine.declared is not None else dict(params)

    @property
    def best_value(self) -> float:
        """The value of the best trial."""
        value = self.best_trial.value
        assert value is not None
        return value

    # -- ask and tell

    def ask(self, fixed: Mapping[str, Any] | None = None) -> Trial:
        """Start a trial and own it: a queued one if there is one, else a new one.

        It is owned until it is told, for as long as this process lives and holds the study or the trial. A trial
        of a process or machine that fell silent for `lease_seconds` is queued again, and so asked for first.

        Args:
            fixed: values that this trial shall have; the others are suggested.

        Raises:
            SpaceError: fixed values that the space does not have.
        """
        self._abandoned.take_expired()
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
            values: one number per objective. NaN makes the trial FAIL.
            state: COMPLETE by default; PRUNED or FAIL if the trial ended so. A pruned trial without values
                takes its last report.
            constraints: feasible where every entry is at most 0; by default what the trial set.
            error: why it failed.
            token: of the attempt that is told, where a number is given and the trial was run elsewhere.
            params: stored values that it used, likewise.

        Returns:
            the finished trial. To tell the same result again changes nothing.

        Raises:
            ObjectiveError: values that are no result: None, text, ±inf, too few or too many.
            TrialNotFound, TrialNotRunning, ConflictingTell, LeaseLost: the trial is unknown, finished
                already, finished otherwise, or somebody else's by now.
        """
        live = trial if isinstance(trial, Trial) else None
        number = live.number if live is not None else int(trial)  # type: ignore[arg-type]
        if constraints is not None:
            limits = finite_numbers(constraints, f"the constraints of trial {number}")
        else:
            limits = live.constraints if live is not None else ()
        result = self._result(number, values, state, limits, error)
        if live is None:
            self._engine.record(number)  # raises if there is none
            live = self._engine.held.trial(number) if token is None else None
        if live is None:
            return self._engine.tell(number, token, result, params)
        return self._engine.tell(number, live.token, result, live.stored_params)

    def _result(
        self, number: int, values: Any, state: TrialState | None, constraints: tuple[float, ...], error: str | None
    ) -> Result:
        if state is not None and not TrialState(state).is_finished:
            raise ObjectiveError(f"trial {number} is told to be {TrialState(state).name}: tell a finished state")
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
        if skip_if_exists:
            stored = self.space.check_partial({k: v for k, v in params.items() if k in self.space})
            if any(stored.items() <= dict(t.params).items() for t in self.trials):
                return
        self._engine.enqueue(params, user_attrs or {})

    # -- optimize

    def optimize(
        self,
        objective: Objective,
        n_trials: int | None = None,
        timeout: float | None = None,
        n_jobs: int = 1,
        catch: type[Exception] | tuple[type[Exception], ...] = (),
        callbacks: Sequence[Callback] = (),
        show_progress_bar: bool = False,
        *,
        total_trials: int | None = None,
        executor: Executor | Literal["ray", "dask"] | None = None,
        address: str | None = None,
        resources: Mapping[str, float] | None = None,
        max_retries: int = MAX_RETRIES,
        trial_timeout: float | None = None,
    ) -> None:
        """Run trials of an objective until there are enough.

        Trials that a killed run of this machine left behind are started again first, with the parameters
        and the random stream they had; so a run that was killed and repeated ends as one that was not.

        Args:
            objective: takes a `Trial`, returns its value, or one per objective; raises `TrialPruned` when
                stopped early.
            n_trials: how many trials to add. With none of n_trials, timeout and total_trials: until `stop`,
                Ctrl-C, or the space is exhausted.
            timeout: seconds after which no trial is started.
            n_jobs: worker processes; 1 runs in this process, -1 is one per core.
            catch: exceptions of the objective that make its trial FAIL and let the study go on; any other
                makes it FAIL and is raised.
            callbacks: called with the study and each finished trial.
            show_progress_bar: draw one.
            total_trials: run until the study has this many finished trials: safe to repeat after a crash.
            executor: where trials run, in place of worker processes: "ray" or "dask" for a cluster, which takes as
                many trials at once as it can hold if n_jobs is 1 or -1, and n_jobs of them otherwise.
            address: of the cluster; None starts one on this machine for the run.
            resources: what one trial takes of the cluster; see `RayExecutor` and `DaskExecutor`.
            max_retries: how often a trial whose worker died, was stuck or fell silent is started again before it
                counts as FAIL.
            trial_timeout: seconds after which the worker process of a trial is killed, and the trial counts as
                one whose worker died; on clusters too. n_jobs=1 then runs in one worker process: a stuck objective
                in this process cannot be stopped from outside.

        A trial that was taken from this process (it was paused for longer than `lease_seconds`) is dropped with a
        warning in the log "luthier", does not count, and the run goes on.

        Raises:
            ValueError: both n_trials and total_trials; a trial_timeout that is not positive; n_jobs or trial_timeout
                with an executor that is made already; an executor that is unknown; address or resources without a
                cluster.
            LuthierError: workers cannot get or load the objective, or no cluster answers.
            MissingDependency: the library of the cluster is not installed.
            ObjectiveError: the objective returned something that is no result, and `catch` does not name it.
            KeyboardInterrupt: on Ctrl-C, after what was running is queued again.
        """
        if n_trials is not None and total_trials is not None:
            raise ValueError("give n_trials (adds trials) or total_trials (counts all), not both")
        runs_on = choose_executor(executor, n_jobs, trial_timeout, address, resources)
        self._stop.clear()
        run = Optimization(
            self._engine,
            self._abandoned,
            result=self._result_of,
            stop=self._stop,
            n_trials=n_trials,
            total_trials=total_trials,
            timeout=timeout,
            catch=catch if isinstance(catch, tuple) else (catch,),
            callbacks=[lambda record, f=f: f(self, record) for f in callbacks],  # type: ignore[misc]
            max_retries=max_retries,
            show_progress_bar=show_progress_bar,
        )
        run.run(objective, runs_on)

    def stop(self) -> None:
        """Let `optimize` end once what runs is finished; for callbacks and other threads."""
        self._stop.set()

    def close(self) -> None:
        """End with this study: its leases are renewed no more, and its storage is closed.

        Needed only where a process goes on for long: a study that nobody holds any more ends by itself.
        """
        self._engine.close()
        self._engine.store.close()

    def _result_of(self, trial: Trial, outcome: Outcome) -> tuple[Result, Exception | None]:
        """What to tell of what came out of an objective, and what there is to raise; what is no result is FAIL."""
        state = None if outcome.state is TrialState.COMPLETE else outcome.state
        try:
            result = self._result(trial.number, outcome.values, state, outcome.constraints, outcome.error)
        except ObjectiveError as error:
            return Result(TrialState.FAIL, None, outcome.constraints, str(error)), error
        return result, outcome.exception


def create_study(
    *,
    direction: Direction | None = None,
    directions: Sequence[Direction] | None = None,
    space: Space | Mapping[str, Any] | None = None,
    sampler: Sampler | None = None,
    pruner: Scheduler | None = None,
    storage: str | PathLike[str] | Store | None = None,
    study_name: str | None = None,
    load_if_exists: bool = False,
    seed: int | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> Study:
    """A new study.

    Args:
        direction: "minimize" (default) or "maximize", for one objective.
        directions: one for each of several objectives.
        space: what is searched, as a `Space` or a dict of domains; None where the objective defines it
            with `trial.suggest_*`.
        sampler: what proposes parameters; `AutoSampler()` by default.
        pruner: what stops poor trials early; None by default: trials run to their end.
        storage: None keeps the study in memory; a path or "sqlite:///PATH" in an SQLite file.
        study_name: unique in the storage; made up if not given.
        load_if_exists: go on with the study of that name if there is one.
        seed: the same seed gives the same study; a fresh one by default.
        lease_seconds: a process that does not renew its hold of a trial for so long loses it to whoever asks next.
            A thread renews every third of it, so only dead and paused processes, and dead machines, do. Two minutes
            by default: longer than any busy database or native code that holds the interpreter; shorter only makes
            the trial of a dead machine start again sooner. A study in memory needs none.

    Raises:
        StudyExists: the name is taken and load_if_exists is False.
        StorageError: the storage cannot be used.
        ValueError: both direction and directions, one that is neither "minimize" nor "maximize", a
            pruner with several objectives, or lease_seconds that are not positive.
        SpaceError: load_if_exists, and the study there has another space.
    """
    if direction is not None and directions is not None:
        raise ValueError("give direction (one objective) or directions (several), not both")
    chosen = tuple(directions) if directions is not None else (direction or "minimize",)
    if not chosen or any(d not in ("minimize", "maximize") for d in chosen):
        raise ValueError(f"directions are {list(chosen)}: each must be 'minimize' or 'maximize', and at least one")
    if pruner is not None and len(chosen) > 1:
        raise ValueError("a pruner needs one objective: leave pruner out, or optimize one objective")
    declared = Space(space) if isinstance(space, Mapping) else space
    store = open_store(storage)
    record = StudyRecord(
        name=study_name if study_name is not None else f"study-{fresh_seed():016x}",
        directions=chosen,
        seed=fresh_seed() if seed is None else int(seed),
        space=None if declared is None else declared.to_json(),
    )
    try:
        store.create_study(record)
    except StudyExists as error:
        if not load_if_exists:
            raise StudyExists(
                f"{error}: choose another study_name, or pass load_if_exists=True to go on with that study"
            ) from error
        record = store.study(record.name)
        if record.directions != chosen and (direction is not None or directions is not None):
            raise StudyExists(
                f"study {record.name!r} has the directions {list(record.directions)}, not {list(chosen)}"
            ) from error
    return _study(store, record, declared, sampler, pruner, lease_seconds)


def load_study(
    study_name: str | None = None,
    *,
    storage: str | PathLike[str] | Store,
    space: Space | Mapping[str, Any] | None = None,
    sampler: Sampler | None = None,
    pruner: Scheduler | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> Study:
    """A study from a storage.

    Args:
        study_name: which; may be left out if the storage has one study only.
        storage: a path, "sqlite:///PATH", or a store.
        space: the declared space again, if its choices are objects (a storage holds their labels alone).
        sampler: as in `create_study`; a storage does not remember it.
        pruner: as in `create_study`; a storage does not remember it.
        lease_seconds: as in `create_study`, for the trials that this process asks for.

    Raises:
        StudyNotFound: there is none of that name, or several and none is named.
        StorageError: the storage cannot be used.
        SpaceError: `space` is not that of the study.
    """
    store = open_store(storage, must_exist=True)
    if study_name is None:
        names = [study.name for study in store.studies()]
        if len(names) != 1:
            known = ", ".join(map(repr, names)) or "none"
            raise StudyNotFound(f"the storage has {len(names)} studies: {known}; name the one to load")
        study_name = names[0]
    declared = Space(space) if isinstance(space, Mapping) else space
    return _study(store, store.study(study_name), declared, sampler, pruner, lease_seconds)


def _study(
    store: Store,
    record: StudyRecord,
    declared: Space | None,
    sampler: Sampler | None,
    pruner: Scheduler | None,
    lease: float,
) -> Study:
    if record.space is not None:
        stored = Space.from_json(record.space)
        if declared is not None and declared != stored:
            from_here, there = set(declared.names), set(stored.names)
            changed = sorted(from_here ^ there) or [
                name for name in stored.names if stored.parameters[name] != declared.parameters[name]
            ]
            _raise_space_differs(record.name, changed)
        declared = declared or stored
    elif declared is not None:
        _raise_space_differs(record.name, list(declared.names))
    engine = Engine(store, record, sampler or AutoSampler(), pruner, declared, lease)
    return Study(engine, record)


def _raise_space_differs(name: str, parameters: Sequence[str]) -> None:
    """Say that a study was made with another space."""
    where = ", ".join(map(repr, parameters)) or "require"
    raise SpaceError(f"study {name!r} was made with another space (see {where}): use another study_name")
