"""SqlStudies: what a SQL store does with whole studies, and the transaction that all of its calls are made in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from ...errors import StorageError, StudyExists, StudyNotFound
from ...trial import TrialRecord
from .. import changes as change
from ..codec import from_json, to_json
from ..protocol import StudyRecord
from . import tables as sql
from .database import Database
from .locked import LockedStudy, study_row
from .server import ServerDatabase

T = TypeVar("T")


class SqlStudies:
    """Keeps studies in a database; `SqlStore` adds their trials.

    Args:
        database: where.
    """

    def __init__(self, database: Database | ServerDatabase) -> None:
        self._database = database
        self._place = database.place

    def create_study(self, study: StudyRecord) -> None:
        """Add a study. Raises `StudyExists`."""
        self.load(replace(study, created=self.now()), ())

    def load(self, study: StudyRecord, records: Sequence[TrialRecord]) -> None:
        """Add a study with trials from elsewhere; see `Store.load`."""
        new = change.loaded(records, len(study.directions))
        row = {
            "name": study.name,
            "directions": to_json(study.directions),
            "seed": to_json(study.seed),
            "space": to_json(study.space),
            "attrs": to_json(study.attrs),
            "created": study.created,
            "revision": 1 if new else 0,
            "trials": len(new),
        }
        domains = {parameter: to_json(domain) for parameter, domain in study.parameters.items()}
        tried: list[str] = []  # so here: what an attempt may have left whose commit was not answered

        def work(connection: sa.Connection) -> None:
            found = connection.execute(sql.STUDY, {"name": study.name}).first()
            if tried and found is not None and all(found._mapping[key] == value for key, value in row.items()):
                return
            if found is not None:
                raise StudyExists(f"{self._place} already has a study {study.name!r}: load it, or choose another name")
            tried.append(study.name)
            connection.execute(sql.ADD_STUDY, {**row, **self._database.new_study_id(connection)})
            locked = LockedStudy.find(connection, study.name, self._database)
            locked.set_parameters(connection, domains)
            locked.load(connection, new)

        try:
            self._database.write(work)
        except StorageError as error:
            if isinstance(error.__cause__, exc.IntegrityError):  # between the look and the insert
                raise StudyExists(
                    f"{self._place} already has a study {study.name!r}, created just now: "
                    "load it, or choose another name"
                ) from error
            raise

    def study(self, name: str) -> StudyRecord:
        """Return the study of that name. Raises `StudyNotFound`."""
        return self._database.read(
            lambda connection: _study_record(connection, study_row(connection, name, self._place))
        )

    def studies(self) -> list[StudyRecord]:
        """Return all studies, oldest first."""
        return self._database.read(
            lambda connection: [_study_record(connection, row) for row in connection.execute(sql.STUDIES).all()]
        )

    def delete_study(self, name: str) -> None:
        """Remove a study with its trials. Raises `StudyNotFound`."""
        tried: list[int] = []

        def work(connection: sa.Connection) -> None:
            try:
                study = LockedStudy.find(connection, name, self._database)
            except StudyNotFound:
                if tried:
                    return
                raise
            tried.append(study.id)
            for statement in sql.DELETE:
                connection.execute(statement, {"study": study.id})

        self._database.write(work)

    def set_study_attrs(self, name: str, attrs: Mapping[str, Any]) -> None:
        """Set some of a study's attributes; the others stay."""

        def work(_connection: sa.Connection, study: LockedStudy) -> None:
            study.attrs = to_json({**from_json(study.attrs), **attrs})
            study.change()

        self._change(name, work)

    def add_parameters(self, name: str, parameters: Mapping[str, Mapping[str, Any]]) -> None:
        """Set the JSON of some domains of a study that defines its space as it runs; the others stay."""
        domains = {parameter: to_json(domain) for parameter, domain in parameters.items()}

        def work(connection: sa.Connection, study: LockedStudy) -> None:
            study.set_parameters(connection, domains)
            study.change()

        self._change(name, work)

    # -- the rest

    def now(self) -> float:
        """Return the clock of the server, or of this machine where there is only a file; seconds since the epoch."""
        return self._database.clock()

    def close(self) -> None:
        """Close the connections; the store is not used afterwards."""
        self._database.close()

    def _change(self, name: str, work: Callable[[sa.Connection, LockedStudy], T]) -> T:
        """What `work` returns, in a transaction that holds the study; it may run more than once."""

        def locked(connection: sa.Connection) -> T:
            study = LockedStudy.find(connection, name, self._database)
            result = work(connection, study)
            study.save(connection)
            return result

        return self._database.write(locked)


def _study_record(connection: sa.Connection, row: Any) -> StudyRecord:
    domains = connection.execute(sql.PARAMETERS, {"study": row.id}).all()
    return StudyRecord(
        name=row.name,
        directions=tuple(from_json(row.directions)),
        seed=from_json(row.seed),
        space=from_json(row.space),
        parameters={parameter: from_json(text) for parameter, text in domains},
        attrs=from_json(row.attrs),
        created=row.created,
    )
