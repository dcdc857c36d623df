"""A study inside a transaction that holds its lock: no other process changes it or its trials meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from ...errors import StudyNotFound, TrialNotFound
from ...trial import TrialRecord
from ..codec import from_json
from . import tables as sql
from .migrate import check_version
from .rows import fields, record


class Place(Protocol):
    """What locking a study takes of a database."""

    place: str
    """What it is called in messages."""
    locking: sa.Executable
    """Selects and locks the row of a study by `name`."""

    def time_of(self, row: Any, /) -> float:
        """Return the time at which that row was locked, by the store's clock."""
        ...


def study_row(connection: sa.Connection, name: str, place: str, statement: sa.Executable = sql.STUDY) -> Any:
    """Return the row of a study.

    Raises:
        StudyNotFound: there is no study of that name.
        SchemaTooNew: a newer version of Luthier has changed the tables since they were opened.
    """
    row = connection.execute(statement, {"name": name}).first()
    if row is None:
        raise not_found(name, place)
    check_version(int(row.schema), place)
    return row


def not_found(name: str, place: str) -> StudyNotFound:
    """Return the error for a missing study."""
    return StudyNotFound(f"there is no study {name!r} in {place}: create it first, or list the names with studies()")


@dataclass(slots=True)
class LockedStudy:
    """A study as a writing transaction holds it; `now` is the store's time when it was locked."""

    id: int
    name: str
    objectives: int
    attrs: str
    revision: int
    trials: int
    now: float
    changed: bool = False

    @staticmethod
    def find(connection: sa.Connection, name: str, database: Place) -> LockedStudy:
        """Lock a study. Raises `StudyNotFound`."""
        row = study_row(connection, name, database.place, database.locking)
        objectives = len(from_json(row.directions))
        return LockedStudy(row.id, name, objectives, row.attrs, row.revision, row.trials, database.time_of(row))

    def trial(self, connection: sa.Connection, number: int) -> tuple[Sequence[Any], TrialRecord]:
        """Return the row of a trial, and its record. Raises `TrialNotFound`."""
        row = None
        if 0 <= number < self.trials:  # which also fits into the column
            row = connection.execute(sql.ONE_TRIAL, {"study": self.id, "number": number}).first()
        if row is None:
            raise TrialNotFound(f"study {self.name!r} has no trial {number}: it has {self.trials} trials")
        return row, record(row)

    def change(self) -> None:
        """Count a change: all of a transaction are one."""
        self.revision += not self.changed
        self.changed = True

    def save(self, connection: sa.Connection) -> None:
        """Write what has changed of the study itself; to be called at the end."""
        if self.changed:
            values = {"new_revision": self.revision, "new_trials": self.trials, "new_attrs": self.attrs}
            connection.execute(sql.SET_STUDY, {"study": self.id, **values})

    def set_parameters(self, connection: sa.Connection, domains: Mapping[str, str]) -> None:
        """Update or add the JSON texts of some domains."""
        for parameter, text in domains.items():  # not an upsert: each database spells that in its own way
            found = {"study": self.id, "parameter": parameter, "new_domain": text}
            if connection.execute(sql.SET_PARAMETER, found).rowcount == 0:
                connection.execute(sql.ADD_PARAMETER, {"study_id": self.id, "name": parameter, "domain": text})

    def add(self, connection: sa.Connection, new: TrialRecord, **columns: Any) -> None:
        """Add the next trial."""
        self.trials += 1
        self.change()
        empty = {"lease_ends": None, "ask_client": None, "enqueue_client": None}
        row = {"study_id": self.id, "revision": self.revision, **empty, **columns, **fields(new)}
        connection.execute(sql.ADD_TRIAL, row)

    def load(self, connection: sa.Connection, new: Sequence[TrialRecord]) -> None:
        """Add all trials of a study that was just made."""
        empty = {"lease_ends": None, "ask_client": None, "enqueue_client": None}
        rows = [{"study_id": self.id, "revision": self.revision, **empty, **fields(trial)} for trial in new]
        if rows:
            connection.execute(sql.ADD_TRIAL, rows)

    def put(self, connection: sa.Connection, new: TrialRecord, old: TrialRecord, row: Sequence[Any]) -> None:
        """Put a record in place of the old one, which was read as `row`."""
        self.change()
        values = {f"new_{name}": value for name, value in fields(new, old, row).items() if name != "number"}
        connection.execute(
            sql.SET_TRIAL, {"study": self.id, "trial": new.number, "new_revision": self.revision, **values}
        )

    def set_claim(self, connection: sa.Connection, number: int, client: str | None, lease_ends: float | None) -> None:
        """Say which `ask` holds a trial, and until when."""
        found = {"study": self.id, "trial": number}
        connection.execute(sql.SET_CLAIM, {**found, "client": client, "ends": lease_ends})

    def renew_lease(self, connection: sa.Connection, number: int, lease_ends: float) -> None:
        """Move the end of a lease. No record shows it, so the study does not change."""
        connection.execute(sql.SET_LEASE, {"study": self.id, "trial": number, "ends": lease_ends})
