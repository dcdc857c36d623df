"""Studies in a SQL database: SQLite, through SQLAlchemy Core."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from ...errors import StorageError, StudyExists
from ...trial import Label, TrialRecord, TrialState
from .. import changes as change
from ..codec import as_json, from_json, to_json
from ..protocol import Proposal, Result, StudyRecord
from . import tables as sql
from .database import Database
from .locked import LockedStudy, study_row
from .migrate import prepare
from .rows import record, records


class SqlStore:
    """Studies in a SQLite file, for all threads and processes of one machine. The promises are `protocol`'s.

    A forked process may go on with its parent's store. The file must not lie on a network disk, whose locks
    are not to be trusted.

    Args:
        url_or_path: "study.db", or "sqlite:///study.db"; the file is made if it is not there.
        timeout: seconds to wait for other processes' locks, which they hold for milliseconds, before
            `StorageBusy`; a minute outlasts a slow disk.

    Raises:
        StorageError: it cannot be opened, or is not Luthier's.
        SchemaTooNew: a newer Luthier wrote it.
        StorageBusy: others held it locked for `timeout` seconds.
    """

    def __init__(self, url_or_path: str | Path, *, timeout: float = 60.0) -> None:
        url = _sqlite_url(url_or_path)
        self._path = Path(url.database or "")
        _check_path(self._path)
        self._database = Database(url, timeout)
        try:
            prepare(self._database)
        except BaseException:
            self._database.close()
            raise

    @property
    def url(self) -> str:
        """What opens the same store in another process."""
        return self._database.url.render_as_string(hide_password=False)

    # -- studies

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

        def work(connection: sa.Connection) -> None:
            if connection.execute(sql.STUDY, {"name": study.name}).first() is not None:
                raise StudyExists(f"{self._path} has a study {study.name!r} already: load it, or choose another name")
            connection.execute(sql.ADD_STUDY, row)
            locked = LockedStudy.find(connection, study.name, self._path)
            locked.set_parameters(connection, domains)
            locked.load(connection, new)

        self._database.write(work)

    def study(self, name: str) -> StudyRecord:
        """The study of that name. Raises `StudyNotFound`."""
        return self._database.read(
            lambda connection: _study_record(connection, study_row(connection, name, self._path))
        )

    def studies(self) -> list[StudyRecord]:
        """All studies, oldest first."""
        return self._database.read(
            lambda connection: [_study_record(connection, row) for row in connection.execute(sql.STUDIES).all()]
        )

    def delete_study(self, name: str) -> None:
        """Remove a study with its trials. Raises `StudyNotFound`."""

        def work(connection: sa.Connection) -> None:
            study = LockedStudy.find(connection, name, self._path)
            for statement in sql.DELETE:
                connection.execute(statement, {"study": study.id})

        self._database.write(work)

    def set_study_attrs(self, name: str, attrs: Mapping[str, Any]) -> None:
        """Set some of a study's attributes; the others stay."""

        def work(connection: sa.Connection) -> None:
            study = LockedStudy.find(connection, name, self._path)
            study.attrs = to_json({**from_json(study.attrs), **attrs})
            study.save(connection)

        self._database.write(work)

    def add_parameters(self, name: str, parameters: Mapping[str, Mapping[str, Any]]) -> None:
        """Set the JSON of some domains of a study that defines its space as it runs; the others stay."""
        domains = {parameter: to_json(domain) for parameter, domain in parameters.items()}

        def work(connection: sa.Connection) -> None:
            study = LockedStudy.find(connection, name, self._path)
            study.set_parameters(connection, domains)
            study.save(connection)

        self._database.write(work)

    # -- trials

    def changes(self, name: str, since: int) -> tuple[int, list[TrialRecord]]:
        """What changed after revision `since`, by one indexed query."""

        def work(connection: sa.Connection) -> tuple[int, Sequence[Sequence[Any]]]:
            study = study_row(connection, name, self._path)
            if since >= study.revision:
                return study.revision, []
            if since <= 0:
                return study.revision, connection.execute(sql.ALL_TRIALS, {"study": study.id}).all()
            return study.revision, connection.execute(sql.CHANGED_TRIALS, {"study": study.id, "since": since}).all()

        revision, rows = self._database.read(work)
        return revision, records(rows)  # parsed when the lock is gone

    def enqueue(self, name: str, params: Mapping[str, Label], attrs: Mapping[str, Any], client: str) -> TrialRecord:
        """Add a WAITING trial; see `Store.enqueue`."""
        attrs = as_json(attrs)

        def work(connection: sa.Connection) -> TrialRecord:
            study = LockedStudy.find(connection, name, self._path)
            row = connection.execute(sql.BY_ENQUEUE_CLIENT, {"study": study.id, "client": client}).first()
            if row is not None:
                return record(row)
            new = TrialRecord(study.trials, TrialState.WAITING, dict(params), attrs=attrs, created=self.now())
            study.add(connection, new, enqueue_client=client)
            return new

        return self._database.write(work)

    def ask(
        self, name: str, owner: str, client: str, lease: float | None = None, proposal: Proposal | None = None
    ) -> TrialRecord:
        """Start a trial and own it; see `Store.ask`."""
        token = secrets.token_hex(8)

        def work(connection: sa.Connection) -> TrialRecord:
            study = LockedStudy.find(connection, name, self._path)
            row = connection.execute(sql.BY_ASK_CLIENT, {"study": study.id, "client": client}).first()
            if row is not None:
                return record(row)
            now = self.now()
            ends = None if lease is None else now + lease
            row = connection.execute(sql.OLDEST_WAITING, {"study": study.id}).first()
            if row is None:
                new = change.new_running(study.trials, proposal, owner, token, now)
                study.add(connection, new, ask_client=client, lease_ends=ends)
            else:
                old = record(row)
                new = change.started(old, owner, token, now)
                study.put(connection, new, old, row)
                study.set_claim(connection, new.number, client, ends)
            return new

        return self._database.write(work)

    def write(
        self,
        name: str,
        number: int,
        token: str,
        *,
        params: Mapping[str, Label] | None = None,
        reports: Sequence[tuple[int, float]] = (),
        attrs: Mapping[str, Any] | None = None,
        note: Mapping[str, Any] | None = None,
        lease: float | None = None,
    ) -> None:
        """Change a RUNNING trial; see `Store.write`."""

        def work(connection: sa.Connection) -> None:
            study, row, old = self._trial(connection, name, number)
            new = change.written(old, token, params=params, reports=reports, attrs=attrs, note=note)
            if new is not old:
                study.put(connection, new, old, row)
            if lease is not None:
                study.renew_lease(connection, number, self.now() + lease)

        self._database.write(work)

    def tell(
        self,
        name: str,
        number: int,
        token: str | None,
        result: Result,
        *,
        params: Mapping[str, Label] | None = None,
        reports: Sequence[tuple[int, float]] = (),
        attrs: Mapping[str, Any] | None = None,
        note: Mapping[str, Any] | None = None,
    ) -> TrialRecord:
        """Finish a RUNNING trial; see `Store.tell`. It is on the disk when this returns."""
        attrs, note = attrs and as_json(attrs), note and as_json(note)

        def work(connection: sa.Connection) -> TrialRecord:
            study, row, old = self._trial(connection, name, number)
            new = change.told(
                old,
                token,
                result,
                objectives=study.objectives,
                now=self.now(),
                params=params,
                reports=reports,
                attrs=attrs,
                note=note,
            )
            if new is not old:
                study.put(connection, new, old, row)
            return new

        return self._database.write(work)

    def set_trial_attrs(self, name: str, number: int, attrs: Mapping[str, Any]) -> None:
        """Merge attributes into a trial in whatever state. Raises `TrialNotFound`."""

        def work(connection: sa.Connection) -> None:
            study, row, old = self._trial(connection, name, number)
            study.put(connection, replace(old, attrs={**old.attrs, **attrs}), old, row)

        self._database.write(work)

    def expired(self, name: str) -> list[TrialRecord]:
        """RUNNING trials whose lease has run out, by number."""

        def work(connection: sa.Connection) -> Sequence[Sequence[Any]]:
            study = study_row(connection, name, self._path)
            return connection.execute(sql.EXPIRED, {"study": study.id, "now": self.now()}).all()

        return records(self._database.read(work))

    def requeue(self, name: str, number: int, token: str) -> bool:
        """Put a dead owner's trial back to WAITING; see `Store.requeue`."""
        return self._take_away(name, number, lambda old: change.requeued(old, token))

    def fail(self, name: str, number: int, token: str, error: str) -> bool:
        """Finish a dead owner's trial as FAIL; False if somebody else was first."""
        return self._take_away(name, number, lambda old: change.failed(old, token, error, self.now()))

    def _take_away(self, name: str, number: int, changed: Callable[[TrialRecord], TrialRecord]) -> bool:
        def work(connection: sa.Connection) -> bool:
            study, row, old = self._trial(connection, name, number)
            new = changed(old)
            if new is old:
                return False
            study.put(connection, new, old, row)
            study.set_claim(connection, number, None, None)
            return True

        return self._database.write(work)

    # -- the rest

    def now(self) -> float:
        """The clock of this machine, which all processes at one file share; seconds since the epoch."""
        return time.time()

    def close(self) -> None:
        """Close the connections; the store is not used afterwards."""
        self._database.close()

    def _trial(
        self, connection: sa.Connection, name: str, number: int
    ) -> tuple[LockedStudy, Sequence[Any], TrialRecord]:
        study = LockedStudy.find(connection, name, self._path)
        row = study.trial(connection, number)
        return study, row, record(row)


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


def _sqlite_url(url_or_path: str | Path) -> sa.URL:
    if isinstance(url_or_path, Path) or "://" not in url_or_path:
        url = sa.URL.create("sqlite", database=str(url_or_path))
    else:
        try:
            url = sa.make_url(url_or_path)
        except exc.ArgumentError as error:
            raise StorageError(f"{url_or_path!r} is not the URL of a storage: write sqlite:///study.db") from error
        if url.get_backend_name() != "sqlite":
            raise StorageError(
                f"storage {url.render_as_string()} is not supported: give a path (study.db), a URL of SQLite "
                "(sqlite:///study.db), or None for memory"
            )
    if url.query:
        raise StorageError(f"storage {url.render_as_string()} takes no options: drop what follows the question mark")
    if url.database in (None, "", ":memory:"):
        raise StorageError("a SQLite database in memory is no storage for a study: give a file, or storage=None")
    return url


def _check_path(path: Path) -> None:
    if path.is_dir():
        raise StorageError(f"{path} is a folder: name a file in it, such as {path / 'study.db'}")
    folder = path.parent
    if not folder.exists():
        raise StorageError(f"{path} cannot be made: there is no folder {folder}; make it first")
    if not folder.is_dir():
        raise StorageError(f"{path} cannot be made: {folder} is a file, not a folder; give another path")
