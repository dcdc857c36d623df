"""RemoteStudy: a study of a service, with the face of `Study`."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Literal, TypeAlias

from ..engine.recovery import MAX_RETRIES
from ..errors import LeaseLost, LuthierError, ObjectiveError, SpaceError, StorageError, TrialNotRunning
from ..executors import Executor, Outcome
from ..executors.choose import choose_executor
from ..history import History
from ..log import warn_of_failure
from ..space import Domain, Space, domain_from_json
from ..space.growing import GrowingSpace
from ..space.partial import agrees, without_inactive
from ..study.arguments import (
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
from ..study.attributes import names_of, public
from ..study.records import checked_trials, stored_by_run
from ..study.view import StudyView
from ..trial import Session, Trial, TrialRecord, TrialState
from ..trial.results import check_json, check_values, finite_numbers
from ..types import Configuration, Direction
from .session import Calls, RemoteSession, added_json, fresh_id, in_parts, record_of, sendable

Callback: TypeAlias = Callable[["RemoteStudy", TrialRecord], None]


class RemoteStudy(StudyView):
    """A study of a service. Made by `connect` and `create_study`; safe for threads.

    A thread renews the leases of the trials that were asked for here until they are told.

    Args:
        calls: the service.
        name: of the study.
        space: the declared space again, if its choices are objects (a service stores only their labels).

    Raises:
        StudyNotFound: the service has none of that name.
        SpaceError: `space` is not that of the study.
    """

    def __init__(self, calls: Calls, name: str, space: Space | None = None) -> None:
        from ..engine.heartbeat import Heartbeat  # which brings logging

        self._calls = calls
        self._name = name
        found = self._call("GET", "/v1/study")
        self._directions: tuple[Direction, ...] = tuple(found["directions"])
        self._objective_names = names_of(found["attrs"])
        self.seed: int = found["seed"]
        self.sampler: str = found["sampler"]
        self.pruner: str | None = found["pruner"]
        self._space = None if found["space"] is None else Space.from_json(found["space"])
        if space is not None:
            if space != self._space:
                raise SpaceError(
                    f"study {name!r} was created with a different space: leave space out, or use another study"
                )
            self._space = space
        self._running: dict[int, Trial] = {}
        self._lease: float | None = found["lease"]
        self._heartbeat = Heartbeat(self._held, self._renew, (self._lease or 1.0) / 3)
        self._stop = threading.Event()

    def __repr__(self) -> str:
        return f"RemoteStudy({self._calls.url!r}, {self.name!r})"

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        return self._calls.call(method, path, body, study=self.name, **query)

    # -- what it is

    @property
    def name(self) -> str:
        """Its name in the service."""
        return self._name

    @property
    def directions(self) -> tuple[Direction, ...]:
        """ "minimize" or "maximize" for each objective."""
        return self._directions

    @property
    def objective_names(self) -> tuple[str, ...] | None:
        """The names of the objectives; None if they have none."""
        return self._objective_names

    @property
    def url(self) -> str:
        """Where the service is."""
        return self._calls.url

    @property
    def space(self) -> Space:
        """The search space: as declared, or the parameters that the objective has asked for so far."""
        return self._declared if self._declared is not None else self._shown_space(self.trials)

    @property
    def user_attrs(self) -> dict[str, Any]:
        """What was attached by `set_user_attr`."""
        return public(self._call("GET", "/v1/study")["attrs"])

    def set_user_attr(self, key: str, value: Any) -> None:
        """Attach a JSON value to the study. Raises `ObjectiveError` if it is not JSON."""
        check_json(key, value)
        self._call("POST", "/v1/study/attrs", {"attrs": {key: value}})

    @property
    def _declared(self) -> Space | None:
        return self._space

    # -- what is known

    @property
    def trials(self) -> list[TrialRecord]:
        """All trials, by number; each look reads them all from the service."""
        found: list[TrialRecord] = []
        start: int | None = 0
        while start is not None:
            page = self._call("GET", "/v1/trials", start=start, limit=1000)
            found += map(record_of, page["trials"])
            start = page["next"]
        return found

    @property
    def history(self) -> History:
        """All trials in columns, as they are now."""
        trials = self.trials
        history = History(self._declared or self._shown_space(trials), self.directions)
        history.put(trials)
        return history

    @property
    def best_trials(self) -> list[TrialRecord]:
        """The Pareto front, or the one best trial; empty before the first result."""
        return [record_of(data) for data in self._call("GET", "/v1/best")]

    @property
    def best_trial(self) -> TrialRecord:
        """The best trial. Raises ValueError: there is no complete trial yet, or the study has several objectives."""
        self._one_objective("best_trials")
        best = self.best_trials
        if not best:
            raise ValueError(f"study {self.name!r} has no complete, feasible trial yet")
        return best[0]

    def _shown_space(self, trials: Iterable[TrialRecord]) -> Space:
        growing = GrowingSpace(self._known_domains())
        growing.learn([t.params for t in trials if t.state is TrialState.COMPLETE])
        return growing.space

    def _known_domains(self) -> dict[str, Domain]:
        known = self._call("GET", "/v1/study")["parameters"]
        return {name: domain_from_json(data) for name, data in known.items()}

    # -- ask and tell

    def ask(self, fixed: Mapping[str, Any] | None = None, *, client: str | None = None) -> Trial:
        """Start a trial and own it until it is told, for as long as this process lives.

        Args:
            fixed: values that this trial shall have; the others are suggested.
            client: a unique id of this call; the same id gets the same trial again. A fresh one by default, which
                also finds the trial whose reply was lost.

        Raises:
            SpaceError: fixed values that the space does not have.
        """
        given = {} if fixed is None else checked_values_by_name("fixed", fixed)
        got = self._call("POST", "/v1/ask", {"client": client or fresh_id(), "params": given})
        number, token = got["number"], got["token"]
        domains = {name: domain_from_json(data) for name, data in got["domains"].items()}
        names = frozenset(got["fixed"])
        trial = Trial(number, token, RemoteSession(self._call), got["params"], domains, self._declared, names)
        self._running[number] = trial
        if self._lease is not None:
            self._heartbeat.start()
        return trial

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
        """Finish a trial; when it returns, the result is safe. As `Study.tell`.

        Args:
            trial: what `ask` gave, or its number.
            values, state, constraints, error: as in `Study.tell`.
            token: of the attempt that is told, where a number is given and the trial was asked for elsewhere.
            params: stored values that it used, likewise.

        Raises:
            ObjectiveError: values that are not a result.
            TrialNotRunning: a number, without a token, that is not of a trial that runs here.
            ConflictingTell, LeaseLost: the trial is finished with another result, or another owner's by now.
        """
        live = trial if isinstance(trial, Trial) else None
        number = live.number if live is not None else checked_number(trial)
        state = checked_state(state)
        if live is None and token is None:
            live = self._running.get(number)
            if live is None:
                raise TrialNotRunning(
                    f"trial {number} is not running here: pass the trial that `ask` returned, or its token"
                )
        if live is not None:
            token, params = live.token, live.stored_params
            constraints = live.constraints if constraints is None else constraints
        assert token is not None
        record = self._tell(number, token, values, state, constraints or (), error, params)
        if record.state is TrialState.FAIL and state is not TrialState.FAIL:  # NaN, which the caller may not expect
            warn_of_failure(record)
        return record

    def _tell(
        self,
        number: int,
        token: str,
        values: Any,
        state: TrialState | None,
        constraints: Iterable[float],
        error: str | None,
        params: Configuration | None,
    ) -> TrialRecord:
        state = TrialState.COMPLETE if state is None else state
        if not state.is_finished:
            raise ObjectiveError(
                f"trial {number} was told {state.name}, which is not a finished state: tell COMPLETE, PRUNED or FAIL"
            )
        numbers: tuple[float, ...] | None = None
        if state is not TrialState.FAIL and not (state is TrialState.PRUNED and values is None):
            numbers = check_values(number, values, len(self.directions))
            if any(math.isnan(x) for x in numbers):
                state, error, numbers = TrialState.FAIL, error or f"the objective returned {values}: NaN fails", None
        body = {
            "token": token,
            "values": numbers,
            "state": state.name,
            "constraints": finite_numbers(constraints, f"the constraints of trial {number}"),
            "error": sendable(error),
            "params": params if self._declared is None else None,
        }
        try:
            record = record_of(self._call("POST", f"/v1/trials/{number}/tell", body))
        except (LeaseLost, TrialNotRunning):
            self._forget(number, token)
            raise
        self._forget(number, token)
        return record

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
        stored = params if self._declared is None else self._stored(params)
        space = self.space
        if skip_if_exists and any(agrees(space, t.params, stored) for t in self.trials):
            return
        self._call("POST", "/v1/enqueue", {"client": fresh_id(), "params": stored, "attrs": attrs})

    def add_trial(self, trial: TrialRecord) -> None:
        """Add one trial from elsewhere; see `add_trials`."""
        self.add_trials([trial])

    def add_trials(self, trials: Iterable[TrialRecord]) -> None:
        """Add finished and waiting trials from elsewhere, as `Study.add_trials`, as many in one call as it can hold.

        All are checked before the first is sent. Those of a call are added together, or none of them.

        Raises:
            TypeError, SpaceError, ObjectiveError: as `Study.add_trials`.
            StorageError: a trial is too large to be sent.
        """
        declared = self._declared
        if declared is None:
            known = self._known_domains()
            records = checked_trials(trials, None, known, partial(stored_by_run, known=known))
        else:
            records = checked_trials(trials, declared, {}, self._stored)
        for part in in_parts(map(added_json, records)):
            self._call("POST", "/v1/add", {"client": fresh_id(), "trials": part})

    def _stored(self, params: Mapping[str, Any]) -> Configuration:
        """Values for some parameters of a declared space as the service stores them."""
        assert self._declared is not None
        return without_inactive(self._declared, self._declared.check_partial(params))

    # -- optimize

    def optimize(
        self,
        objective: Callable[[Trial], Any],
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
        """Run trials of an objective here, until there are enough. Start it on several machines for more at once.

        Args:
            objective: as in `Study.optimize`, as are all the others except this one.
            total_trials: until the study has this many trials that were started, here or elsewhere; several
                machines that start a last one at the same time may make one more each.

        A trial that was taken from here is dropped with a warning in the log "luthier", does not count, and the run
        goes on. On Ctrl-C the trials that run are queued again.

        Raises:
            TypeError, ValueError, MissingDependency, ObjectiveError, KeyboardInterrupt: as `Study.optimize`.
            StorageError: the service does not answer any more.
        """
        from .run import RemoteRun

        checked_objective(objective)
        check_one_limit(n_trials, total_trials)
        n_jobs = checked_jobs(n_jobs)
        run = RemoteRun(
            _Asked(self),
            stop=self._stop,
            n_trials=checked_count("n_trials", n_trials),
            total_trials=checked_count("total_trials", total_trials),
            timeout=checked_seconds("timeout", timeout),
            catch=checked_catch(catch),
            callbacks=[partial(_call_back, f, self) for f in checked_callbacks(callbacks)],
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
        """Stop renewing leases, and close the connections."""
        self._heartbeat.stop()
        self._calls.close()

    # -- leases

    def _held(self) -> list[tuple[int, str]]:
        return [(number, trial.token) for number, trial in self._running.copy().items()]

    def _renew(self, number: int, token: str) -> None:
        try:
            self._call("POST", f"/v1/trials/{number}/heartbeat", {"token": token})
        except StorageError:
            raise
        except LuthierError:  # taken, told or deleted: the process that runs it is told at its next call
            self._forget(number, token)

    def _forget(self, number: int, token: str) -> None:
        """Stop holding an attempt; a later one of the same trial stays."""
        trial = self._running.get(number)
        if trial is not None and trial.token == token:
            self._running.pop(number, None)


class _Asked:
    """What a run needs of its study: an `Asked`."""

    def __init__(self, study: RemoteStudy) -> None:
        self._study = study

    def ask(self) -> Trial:
        return self._study.ask()

    @property
    def session(self) -> Session:
        return RemoteSession(self._study._call)

    def finish(self, trial: Trial, outcome: Outcome) -> tuple[TrialRecord, Exception | None]:
        state = None if outcome.state is TrialState.COMPLETE else outcome.state
        tell = partial(self._study._tell, trial.number, trial.token, params=outcome.params)
        try:
            return tell(outcome.values, state, outcome.constraints, outcome.error), outcome.exception
        except ObjectiveError as error:
            return tell(None, TrialState.FAIL, outcome.constraints, str(error)), error

    def give_back(self, trial: Trial) -> bool:
        self._study._forget(trial.number, trial.token)
        found = self._study._call("POST", f"/v1/trials/{trial.number}/give-back", {"token": trial.token})
        return bool(found["queued"])

    def give_up(self, trial: Trial, error: str) -> None:
        self._study._tell(trial.number, trial.token, None, TrialState.FAIL, (), error, None)

    def trial(self, number: int) -> TrialRecord:
        return record_of(self._study._call("GET", f"/v1/trials/{number}"))

    def counts(self) -> list[int]:
        counts = self._study._call("GET", "/v1/study")["trials"]
        return [counts[state.name] for state in TrialState]

    def best(self) -> TrialRecord | None:
        best = self._study.best_trials if len(self._study.directions) == 1 else []
        return best[0] if best else None


def _call_back(callback: Callback, study: RemoteStudy, record: TrialRecord) -> None:
    callback(study, record)
