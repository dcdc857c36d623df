"""What a study of a service and its trials say over the network: calls, ids, records."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from ..errors import StorageError
from ..space import Domain, domain_to_json
from ..stores.codec import to_json
from ..trial import TrialRecord, TrialState
from ..types import Label

_MAX_ERROR = 100_000  # characters that a service takes
_MAX_BYTES = 900_000  # of the trials in one call: a service takes a body of 1 MiB
_MAX_TRIALS = 1000  # in one call


class Calls(Protocol):
    """What a study talks to: a `Connection`."""

    url: str

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Return the answer to one call."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class RemoteSession:
    """What running trials talk to.

    Args:
        call: calls the service about the study of the trials.
    """

    def __init__(self, call: Callable[..., Any]) -> None:
        self._request = call

    def _call(self, number: int, token: str, what: str, **body: Any) -> Any:
        return self._request("POST", f"/v1/trials/{number}/{what}", {"token": token, **body})

    def suggest_new(self, number: int, token: str, name: str, domain: Domain) -> Label:
        """Return the stored value of a parameter that nothing was suggested for yet."""
        value: Label = self._call(number, token, "suggest", name=name, domain=domain_to_json(domain))["value"]
        return value

    def report(self, number: int, token: str, step: int, value: float) -> None:
        """Take an intermediate value."""
        self._call(number, token, "report", step=step, value=_number(value))

    def should_prune(self, number: int, token: str) -> bool:
        """Return whether the pruner would stop the trial now."""
        return bool(self._call(number, token, "should-prune")["prune"])

    def set_trial_attrs(self, number: int, token: str, attrs: Mapping[str, Any]) -> None:
        """Attach attributes to a trial."""
        self._call(number, token, "attrs", attrs=dict(attrs))


def fresh_id() -> str:
    """Return an id that no other call has."""
    return os.urandom(16).hex()


def sendable(error: str | None) -> str | None:
    """Return a traceback as a service takes it: the end of one that is too long, without what JSON cannot carry."""
    if error is None:
        return None
    return error.replace("\0", "\\0").encode("utf-8", "replace").decode()[-_MAX_ERROR:]


def record_of(data: Mapping[str, Any]) -> TrialRecord:
    """Return the record of a trial's JSON."""
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


def added_json(record: TrialRecord) -> dict[str, Any]:
    """Return the JSON of a trial from elsewhere, as a service takes it."""
    return {
        "state": record.state.name,
        "params": dict(record.params),
        "values": record.values,
        "constraints": record.constraints,
        "reports": [(step, _number(value)) for step, value in record.reports],
        "attrs": dict(record.attrs),
        "error": sendable(record.error),
        "created": record.created,
        "started": record.started,
        "finished": record.finished,
    }


def in_parts(trials: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the JSON of trials from elsewhere, divided into what one call can hold.

    Raises:
        StorageError: a trial is too large for a call.
    """
    parts: list[list[dict[str, Any]]] = []
    room = 0
    for i, trial in enumerate(trials):
        size = len(to_json(trial)) + 1  # ASCII, and a comma
        if size > _MAX_BYTES:
            raise StorageError(
                f"the trial at position {i} has {size} bytes, and a service takes up to {_MAX_BYTES}: shorten its "
                "attributes, its reports or its error"
            )
        if size > room or len(parts[-1]) == _MAX_TRIALS:
            parts.append([])
            room = _MAX_BYTES
        parts[-1].append(trial)
        room -= size
    return parts


def _number(value: float) -> float | str | None:
    """A number in plain JSON, which has neither NaN nor the infinities: None, "inf" or "-inf"."""
    return value if math.isfinite(value) else None if math.isnan(value) else str(value)
