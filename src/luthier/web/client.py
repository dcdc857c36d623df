"""RemoteStudy: a study of a service, with the face of `Study`."""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .. import errors
from ..errors import LeaseLost, LuthierError, MissingDependency, ObjectiveError, SearchSpaceExhausted, StorageError
from ..executors.protocol import evaluate
from ..heartbeat import Heartbeat
from ..live import Trial, check_values, finite_numbers
from ..space import Domain, Space, domain_from_json, domain_to_json
from ..stores.codec import from_json, to_json
from ..trial import Label, TrialRecord, TrialState

try:
    import httpx
except ImportError as _error:
    raise MissingDependency("the client of a service needs httpx: pip install 'luthier[serve]'") from _error

_log = logging.getLogger("luthier")

RETRY_SECONDS = 60.0
"""For how long a call is tried again while the service does not answer: longer than a restart takes."""

_MAX_WAIT = 2.0


class Connection:
    """Calls of one service, tried again until they are answered. Safe for threads.

    Args:
        url: where the service is, as "http://127.0.0.1:8000".
        token: what `luthier serve` printed; None if it asks for none.
        retry_seconds: for how long a call without an answer is tried again.
        transport: of httpx, in place of the network.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        retry_seconds: float = RETRY_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.url = url
        self._retry_seconds = retry_seconds
        # not through a proxy of the environment: the token is for the service alone
        self._http = httpx.Client(base_url=url, headers=headers, timeout=60.0, transport=transport, trust_env=False)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """The answer to one call. Every call may be made twice: ids and tokens make the second one harmless.

        Raises:
            LuthierError: as `Study` does; StorageError if the service does not answer or refuses.
            ValueError: the service refuses the input.
        """
        content = None if body is None else to_json(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        deadline = time.monotonic() + self._retry_seconds
        wait = 0.05
        while True:
            cause: Exception | None = None
            try:
                reply = self._http.request(method, path, content=content, headers=headers, params=query)
            except httpx.TransportError as error:
                cause = error
            else:
                if reply.status_code != 503:
                    return _value(reply)
            if time.monotonic() + wait > deadline:
                if cause is None:
                    return _value(reply)
                raise StorageError(f"the service at {self.url} does not answer: {cause}") from cause
            time.sleep(wait)
            wait = min(2 * wait, _MAX_WAIT)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _value(reply: httpx.Response) -> Any:
    """The value of an answer; an error of the service is raised as what it was there."""
    try:
        data = from_json(reply.text)
    except StorageError:
        data = None
    if reply.is_success:
        return data
    if not isinstance(data, dict) or not {"error", "message"} <= data.keys():
        raise StorageError(f"the service answered {reply.status_code} and no error of Luthier's: is the URL right?")
    kind = getattr(errors, str(data["error"]), None)
    if isinstance(kind, type) and issubclass(kind, LuthierError):
        raise kind(data["message"])
    if reply.status_code == 422:
        raise ValueError(data["message"])
    raise StorageError(f"the service refused ({reply.status_code} {data['error']}): {data['message']}")


class _RemoteSession:
    """What one running trial talks to."""

    def __init__(self, study: RemoteStudy, token: str) -> None:
        self._study = study
        self._token = token

    def suggest_new(self, number: int, name: str, domain: Domain) -> Label:
        body = {"token": self._token, "name": name, "domain": domain_to_json(domain)}
        value: Label = self._study._call("POST", f"/v1/trials/{number}/suggest", body)["value"]
        return value

    def report(self, number: int, step: int, value: float) -> None:
        if math.isinf(value):
            raise ObjectiveError(f"trial {number} reports {value}: a service takes finite numbers and NaN")
        body = {"token": self._token, "step": step, "value": None if math.isnan(value) else value}
        self._study._call("POST", f"/v1/trials/{number}/report", body)

    def should_prune(self, number: int) -> bool:
        return bool(self._study._call("POST", f"/v1/trials/{number}/should-prune", {"token": self._token})["prune"])

    def set_trial_attrs(self, number: int, attrs: Mapping[str, Any]) -> None:
        self._study._call("POST", f"/v1/trials/{number}/attrs", {"attrs": attrs})


class RemoteStudy:
    """A study of a service. Made by `connect` and `create_study`; safe for threads.

    A thread renews the leases of the trials that were asked for here until they are told.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self.name = name
        found = self._call("GET", "/v1/study")
        self.directions: tuple[str, ...] = tuple(found["directions"])
        self.seed: int = found["seed"]
        self._declared = None if found["space"] is None else Space.from_json(found["space"])
        self._running: dict[int, Trial] = {}
        self._heartbeat: Heartbeat | None = None

    def __repr__(self) -> str:
        return f"RemoteStudy({self._connection.url!r}, {self.name!r})"

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        return self._connection.call(method, path, body, study=self.name, **query)

    # -- what is known

    @property
    def trials(self) -> list[TrialRecord]:
        """All trials, by number."""
        found: list[TrialRecord] = []
        start: int | None = 0
        while start is not None:
            page = self._call("GET", "/v1/trials", start=start, limit=1000)
            found += map(_record, page["trials"])
            start = page["next"]
        return found

    @property
    def best_trials(self) -> list[TrialRecord]:
        """The Pareto front, or the one best trial; empty before the first result."""
        return [_record(data) for data in self._call("GET", "/v1/best")]

    @property
    def best_trial(self) -> TrialRecord:
        """The best trial. Raises ValueError: there is none yet, or the study has several objectives."""
        if len(self.directions) != 1:
            raise ValueError(f"study {self.name!r} has {len(self.directions)} objectives: use .best_trials")
        best = self.best_trials
        if not best:
            raise ValueError(f"study {self.name!r} has no complete, feasible trial yet: there is no best one")
        return best[0]

    @property
    def best_params(self) -> dict[str, Any]:
        """The parameters of the best trial."""
        return dict(self.best_trial.params)

    @property
    def best_value(self) -> float:
        """The value of the best trial."""
        value = self.best_trial.value
        assert value is not None
        return value

    # -- ask and tell

    def ask(self, client: str | None = None) -> Trial:
        """Start a trial and own it until it is told, for as long as this process lives.

        Args:
            client: a unique id of this call; the same id gets the same trial again. A fresh one by default, which
                also finds the trial whose reply was lost.
        """
        got = self._call("POST", "/v1/ask", {"client": client or secrets.token_hex(16)})
        number, token = got["number"], got["token"]
        domains = {name: domain_from_json(data) for name, data in got["domains"].items()}
        session = _RemoteSession(self, token)
        trial = Trial(number, token, session, got["params"], domains, self._declared, frozenset(got["fixed"]))
        self._running[number] = trial
        if got["lease"] is not None:
            if self._heartbeat is None:
                self._heartbeat = Heartbeat(self._held, self._renew, got["lease"] / 3)
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
    ) -> TrialRecord:
        """Finish a trial that was asked for here; when it returns, the result is safe. As `Study.tell`.

        Raises:
            ObjectiveError: values that are no result.
            TrialNotRunning: a number that is not of a trial that runs here.
            ConflictingTell, LeaseLost: the trial is finished otherwise, or somebody else's by now.
        """
        live = trial if isinstance(trial, Trial) else self._running.get(trial)
        if live is None:
            raise errors.TrialNotRunning(f"trial {trial} was not asked for here, or was told: give what `ask` gave")
        state = TrialState.COMPLETE if state is None else TrialState(state)
        if not state.is_finished:
            raise ObjectiveError(f"trial {live.number} is told to be {state.name}: tell a finished state")
        numbers: tuple[float, ...] | None = None
        if state is not TrialState.FAIL and not (state is TrialState.PRUNED and values is None):
            numbers = check_values(live.number, values, len(self.directions))
            if any(math.isnan(x) for x in numbers):
                state, error, numbers = TrialState.FAIL, error or f"the objective returned {values}: NaN fails", None
        limits = live.constraints if constraints is None else finite_numbers(constraints, "the constraints")
        body = {
            "token": live.token,
            "values": numbers,
            "state": state.name,
            "constraints": limits,
            "error": error,
            "params": live.stored_params if self._declared is None else None,
        }
        try:
            record = _record(self._call("POST", f"/v1/trials/{live.number}/tell", body))
        except (LeaseLost, errors.TrialNotRunning):
            self._forget(live)
            raise
        self._forget(live)
        return record

    def enqueue_trial(self, params: Mapping[str, Any], user_attrs: Mapping[str, Any] | None = None) -> None:
        """Queue a trial with these values; it is the next that `ask` starts. What is not named is suggested."""
        body = {"client": secrets.token_hex(16), "params": params, "attrs": user_attrs or {}}
        self._call("POST", "/v1/enqueue", body)

    def optimize(
        self,
        objective: Callable[[Trial], Any],
        n_trials: int | None = None,
        *,
        catch: type[Exception] | tuple[type[Exception], ...] = (),
    ) -> None:
        """Run trials of an objective here, one after the other; start it on several machines for more at once.

        Args:
            objective: as in `Study.optimize`.
            n_trials: how many to add; None until the space is exhausted or Ctrl-C.
            catch: exceptions of the objective that make its trial FAIL and let the run go on; any other makes it
                FAIL and is raised. On Ctrl-C the trial that runs is queued again.
        """
        done = 0
        while n_trials is None or done < n_trials:
            try:
                trial = self.ask()
            except SearchSpaceExhausted:
                return
            try:
                outcome = evaluate(objective, trial)
            except BaseException:  # Ctrl-C or an exit: the trial did not end
                self._forget(trial)
                self._call("POST", f"/v1/trials/{trial.number}/give-back", {"token": trial.token})
                raise
            state = None if outcome.state is TrialState.COMPLETE else outcome.state
            try:
                self.tell(trial, outcome.values, state=state, error=outcome.error)
            except LeaseLost as lost:
                _log.warning("%s (result dropped)", lost)
                continue
            except ObjectiveError as wrong:
                self.tell(trial, state=TrialState.FAIL, error=str(wrong))
                if not isinstance(wrong, catch):
                    raise
            done += 1
            if outcome.exception is not None and not isinstance(outcome.exception, catch):
                raise outcome.exception

    def close(self) -> None:
        """Renew no more, and close the connections."""
        if self._heartbeat is not None:
            self._heartbeat.stop()
        self._connection.close()

    # -- leases

    def _held(self) -> list[tuple[int, str]]:
        return [(number, trial.token) for number, trial in self._running.copy().items()]

    def _renew(self, number: int, token: str) -> None:
        try:
            self._call("POST", f"/v1/trials/{number}/heartbeat", {"token": token})
        except StorageError:
            raise
        except LuthierError:  # taken, told or deleted: whoever runs it hears of it at its next call
            trial = self._running.get(number)
            if trial is not None and trial.token == token:
                self._running.pop(number, None)

    def _forget(self, trial: Trial) -> None:
        if self._running.get(trial.number) is trial:
            self._running.pop(trial.number, None)


def connect(url: str, token: str | None, study_name: str, *, retry_seconds: float = RETRY_SECONDS) -> RemoteStudy:
    """The study of that name in the service at a URL.

    Args:
        url: where the service is, as "http://127.0.0.1:8000".
        token: what `luthier serve` printed; None if it asks for none.
        study_name: which study.
        retry_seconds: for how long a call is tried again while the service does not answer.

    Raises:
        StudyNotFound: the service has none of that name.
        StorageError: the service does not answer, or refuses the token.
    """
    return _opened(Connection(url, token, retry_seconds), study_name, None)


def create_study(
    url: str,
    token: str | None,
    study_name: str,
    *,
    space: Space | Mapping[str, Domain] | None = None,
    directions: Sequence[str] = ("minimize",),
    sampler: str = "auto",
    pruner: str | None = None,
    seed: int | None = None,
    load_if_exists: bool = False,
    retry_seconds: float = RETRY_SECONDS,
) -> RemoteStudy:
    """A new study in the service at a URL.

    Args:
        url, token, study_name, retry_seconds: as in `connect`.
        space: what is searched; None where the objective defines it with `trial.suggest_*`.
        directions: "minimize" or "maximize" for each objective.
        sampler: "auto", "random", "tpe" or "gp".
        pruner: "median", or None: trials run to their end.
        seed: the same seed gives the same study; a fresh one by default.
        load_if_exists: go on with the study of that name if there is one. Without it, a reply that is lost and
            asked again may end as StudyExists.

    Raises:
        StudyExists: the name is taken.
        SpaceError, ValueError: a space or settings that cannot be.
    """
    connection = Connection(url, token, retry_seconds)
    declared = Space(space) if isinstance(space, Mapping) else space
    body = {
        "name": study_name,
        "space": None if declared is None else declared.to_json(),
        "directions": list(directions),
        "seed": seed,
        "sampler": sampler,
        "pruner": pruner,
        "load_if_exists": load_if_exists,
    }
    return _opened(connection, study_name, body)


def _opened(connection: Connection, name: str, new: Mapping[str, Any] | None) -> RemoteStudy:
    """A study, made first if there is something to make; the connection is closed if that fails."""
    try:
        if new is not None:
            connection.call("POST", "/v1/studies", new)
        return RemoteStudy(connection, name)
    except BaseException:
        connection.close()
        raise


def _record(data: Mapping[str, Any]) -> TrialRecord:
    """The record of a trial's JSON."""
    values = data["values"]
    return TrialRecord(
        number=data["number"],
        state=TrialState[data["state"]],
        params=data["params"],
        values=None if values is None else tuple(values),
        constraints=tuple(data["constraints"]),
        reports=tuple((step, value) for step, value in data["reports"]),
        attrs=data["attrs"],
        error=data["error"],
        created=data["created"],
        started=data["started"],
        finished=data["finished"],
        retries=data["retries"],
    )
