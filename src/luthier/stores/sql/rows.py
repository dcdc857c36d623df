"""Rows of the trials table to records and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...trial import TrialRecord, TrialState
from ..codec import many_from_json, to_json
from .tables import RECORD

_STATES = tuple(TrialState)
_CHUNK = 1000  # rows parsed at once: as fast as all at once, and it spares memory


def _values(x: list[float] | None) -> tuple[float, ...] | None:
    return None if x is None else tuple(x)


def _reports(x: list[list[Any]]) -> tuple[tuple[int, float], ...]:
    return tuple([(step, value) for step, value in x])


_FROM_JSON: dict[str, Callable[[Any], Any] | None] = {  # what is kept as JSON, and what the parsed value becomes
    "params": None,
    "objective_values": _values,
    "constraints": tuple,
    "reports": _reports,
    "attrs": None,
    "error": None,
}
_NAMES = tuple(column.name for column in RECORD)
_FIELDS = tuple("values" if name == "objective_values" else name for name in _NAMES)


def records(rows: Sequence[Sequence[Any]]) -> list[TrialRecord]:
    """Return the records of rows of `RECORD`."""
    found: list[TrialRecord] = []
    for i in range(0, len(rows), _CHUNK):
        columns: list[Sequence[Any]] = list(zip(*rows[i : i + _CHUNK], strict=True))
        for j, name in enumerate(_NAMES):
            if name == "state":
                columns[j] = [_STATES[state] for state in columns[j]]
            elif name in _FROM_JSON:
                parsed, finish = many_from_json(columns[j]), _FROM_JSON[name]
                columns[j] = parsed if finish is None else list(map(finish, parsed))
        found.extend(map(TrialRecord, *columns))
    return found


def record(row: Sequence[Any]) -> TrialRecord:
    """Return the record of one row of `RECORD`."""
    return records([row])[0]


def fields(new: TrialRecord, old: TrialRecord | None = None, row: Sequence[Any] = ()) -> dict[str, Any]:
    """Return the columns of a record by name; texts of `row` are kept where the old record's field is the new one's."""
    data: dict[str, Any] = {}
    for j, (name, attribute) in enumerate(zip(_NAMES, _FIELDS, strict=True)):
        value = getattr(new, attribute)
        if name not in _FROM_JSON:
            data[name] = value
        elif old is not None and value is getattr(old, attribute):
            data[name] = row[j]
        else:
            data[name] = to_json(value)
    data["state"] = int(new.state)
    return data
