"""RemoteBackend: a study of a service, as a run of `optimize` and the face of the study see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from ..errors import LeaseLost, LuthierError, StorageError, TrialNotRunning
from ..space import Space, domain_from_json
from ..stores import Result
from ..trial import Trial, TrialRecord, TrialState
from ..trial.results import result_of
from ..types import Configuration
from .session import Calls, RemoteSession, fresh_id, record_of, sendable


class RemoteBackend:
    """A `Backend` over the calls of a service. Safe for threads.

    A thread renews the leases of the trials that were asked for here until they are told.

    Args:
        calls: the service.
        name: of the study.
        declared: the declared space, with its objects; None where the objective defines it.
        objectives: how many the study has.
        lease: seconds for which a trial is held; None for ever.
    """

    is_far = True

    def __init__(self, calls: Calls, name: str, declared: Space | None, objectives: int, lease: float | None) -> None:
        from ..engine.heartbeat import Heartbeat  # which brings logging

        self.call = partial(calls.call, study=name)
        """Calls the service about the study."""
        self._declared, self._objectives, self._lease = declared, objectives, lease
        self._running: dict[int, Trial] = {}
        self._heartbeat = Heartbeat(self._held, self._renew, (lease or 1.0) / 3)

    @property
    def session(self) -> RemoteSession:
        """What running trials talk to."""
        return RemoteSession(self.call)

    def close(self) -> None:
        """Stop renewing leases."""
        self._heartbeat.stop()

    # -- a trial

    def ask(
        self,
        fixed: Mapping[str, Any] | None = None,
        client: str | None = None,
        *,
        max_retries: int | None = None,  # noqa: ARG002 - the service decides
    ) -> Trial:
        """Start a trial; see `RemoteStudy.ask`."""
        got = self.call("POST", "/v1/ask", {"client": client or fresh_id(), "params": dict(fixed or {})})
        number, token = got["number"], got["token"]
        domains = {name: domain_from_json(data) for name, data in got["domains"].items()}
        trial = Trial(number, token, self.session, got["params"], domains, self._declared, frozenset(got["fixed"]))
        self._running[number] = trial
        if self._lease is not None:
            self._heartbeat.start()
        return trial

    def trial(self, number: int) -> Trial | None:
        """Return the trial of that number, if it was asked for here."""
        return self._running.get(number)

    def result_of(
        self, number: int, values: Any, state: TrialState | None, constraints: Iterable[float], error: str | None
    ) -> Result:
        """Return what a trial is told; the service knows the reports of a pruned one, and completes it."""
        return result_of(number, values, state, constraints, error, objectives=self._objectives)

    def tell(self, number: int, token: str | None, result: Result, params: Configuration | None) -> TrialRecord:
        """Finish a trial; durable when it returns."""
        assert token is not None
        body = {
            "token": token,
            "values": result.values,
            "state": result.state.name,
            "constraints": result.constraints,
            "error": sendable(result.error),
            "params": params if self._declared is None else None,
        }
        try:
            record = record_of(self.call("POST", f"/v1/trials/{number}/tell", body))
        except (LeaseLost, TrialNotRunning):
            self._forget(number, token)
            raise
        self._forget(number, token)
        return record

    def give_back(self, number: int, token: str) -> bool:
        """Queue a trial again that did not end; False if it is another's."""
        self._forget(number, token)
        return bool(self.call("POST", f"/v1/trials/{number}/give-back", {"token": token})["queued"])

    def give_up(self, number: int, token: str, error: str) -> bool:
        """Finish a trial whose worker died too often. Raises `LeaseLost` if it is another's."""
        self.tell(number, token, Result(TrialState.FAIL, error=error), None)
        return True

    # -- the study

    def begin(self) -> None:
        """Nothing: the service sees to trials of clients that are gone."""

    def recover(self, max_retries: int) -> None:
        """Nothing: the service sees to it, and every count is a fresh one."""

    def record(self, number: int) -> TrialRecord:
        """Return the trial of that number."""
        return record_of(self.call("GET", f"/v1/trials/{number}"))

    def counts(self) -> dict[TrialState, int]:
        """Return how many trials are in each state."""
        counts = self.call("GET", "/v1/study")["trials"]
        return {state: counts[state.name] for state in TrialState}

    def best(self) -> TrialRecord | None:
        """Return the best trial so far; None for none, or where there are several objectives."""
        best = self.call("GET", "/v1/best") if self._objectives == 1 else []
        return record_of(best[0]) if best else None

    def standing(self) -> tuple[None, bool]:
        """Return that finished trials are kept, whatever their number: a call could fail as what ends the run did."""
        return None, True

    # -- leases

    def _held(self) -> list[tuple[int, str]]:
        return [(number, trial.token) for number, trial in self._running.copy().items()]

    def _renew(self, number: int, token: str) -> None:
        try:
            self.call("POST", f"/v1/trials/{number}/heartbeat", {"token": token})
        except StorageError:
            raise
        except LuthierError:  # taken, told or deleted: the process that runs it is told at its next call
            self._forget(number, token)

    def _forget(self, number: int, token: str) -> None:
        """Stop holding an attempt; a later one of the same trial stays."""
        trial = self._running.get(number)
        if trial is not None and trial.token == token:
            self._running.pop(number, None)
