"""Studies in a SQL database: SQLite, PostgreSQL, MySQL or MariaDB, through SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from ...trial import TrialRecord, TrialState
from ...types import Label
from .. import changes as change
from ..codec import as_json
from ..protocol import Proposal, Result
from . import tables as sql
from .database import Database
from .locked import LockedStudy, not_found, study_row
from .migrate import check_version, prepare
from .mysql import MySQL
from .postgres import Postgres
from .rows import record, records
from .server import ServerDatabase
from .studies import SqlStudies
from .urls import parse

T = TypeVar("T")

_STUDY = 2**32  # how far apart the revisions of studies begin


class SqlStore(SqlStudies):
    """Keeps studies in a SQLite file for the processes of one machine, or on a server for those of many.

    >>> import luthier as lt
    >>> from luthier.stores.sql import SqlStore
    >>> store = SqlStore("study.db", timeout=30)
    >>> study = lt.create_study(storage=store, study_name="mine", seed=0)
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    >>> store.url.startswith("sqlite:///"), [record.name for record in store.studies()]
    (True, ['mine'])
    >>> store.close()

    The promises are `protocol`'s. A forked process may go on with its parent's store. A file must not lie on a network
    disk, whose locks are not to be trusted. A result is as durable as the server's commits are: PostgreSQL's `fsync`
    and MySQL's `innodb_flush_log_at_trx_commit=1`, both set so by default, are the server's to keep.

    Lease time is the server's clock, which all share. A file has none: there it is the clock of the machine, or of the
    container, that makes the call. Set back, it makes leases last longer; set ahead by more than a lease, it takes
    trials from owners that live (they get `LeaseLost`; no result is lost).

    Args:
        url_or_path: "study.db", or "sqlite:///study.db"; the file is made if it is not there. Or
            "postgresql://user:password@host/name", "mysql://..." or "mariadb://...", of a database that exists.
        timeout: seconds to wait for other processes' locks, which they hold for milliseconds, before `StorageBusy`,
            and for a server that is down; a minute outlasts a slow disk or a restart.

    Raises:
        StorageError: it cannot be opened, or is not Luthier's.
        SchemaTooNew: a newer version of Luthier wrote it.
        StorageBusy: others held it locked for `timeout` seconds.
        MissingDependency: the driver of a server is not installed.
    """

    shared = True

    def __init__(self, url_or_path: str | Path, *, timeout: float = 60.0) -> None:
        super().__init__(_database(parse(url_or_path), timeout))
        try:
            prepare(self._database)
        except BaseException:
            self._database.close()
            raise

    @property
    def url(self) -> str:
        """What opens the same store in another process; it holds the password."""
        return self._database.url.render_as_string(hide_password=False)

    def changes(self, name: str, since: int) -> tuple[int, list[TrialRecord]]:
        """Return what changed after revision `since`, by one indexed query."""
        if since <= 0:
            revision, rows = self._database.read(lambda connection: self._all_trials(connection, name))
            return revision, records(rows)  # parsed when the lock is gone
        found = self._database.look(sql.CHANGES, {"name": name, "since": since % _STUDY})
        if not found:
            raise not_found(name, self._place)
        *_, study, counted, schema = found[0]
        check_version(int(schema), self._place)
        first = _first_revision(study)
        change.check_since(name, since, first, first + counted)
        return first + counted, records([row[:-3] for row in found if row[0] is not None])

    def _all_trials(self, connection: sa.Connection, name: str) -> tuple[int, Sequence[Sequence[Any]]]:
        study = study_row(connection, name, self._place)
        rows = connection.execute(sql.ALL_TRIALS, {"study": study.id}).all()
        return _first_revision(study.id) + study.revision, rows

    def enqueue(self, name: str, params: Mapping[str, Label], attrs: Mapping[str, Any], client: str) -> TrialRecord:
        """Add a WAITING trial; see `Store.enqueue`."""
        attrs = as_json(attrs)

        def work(connection: sa.Connection, study: LockedStudy) -> TrialRecord:
            row = connection.execute(sql.BY_ENQUEUE_CLIENT, {"study": study.id, "client": client}).first()
            if row is not None:
                return record(row)
            new = TrialRecord(study.trials, TrialState.WAITING, dict(params), attrs=attrs, created=study.now)
            study.add(connection, new, enqueue_client=client)
            return new

        return self._change(name, work)

    def add(self, name: str, records: Sequence[TrialRecord], client: str) -> list[TrialRecord]:
        """Add trials from elsewhere, all of them or none; see `Store.add`."""

        def kept(connection: sa.Connection, study: LockedStudy, i: int) -> TrialRecord | None:
            by = {"study": study.id, "client": change.added_client(client, i)}
            row = connection.execute(sql.BY_ENQUEUE_CLIENT, by).first()
            return None if row is None else record(row)

        def work(connection: sa.Connection, study: LockedStudy) -> list[TrialRecord]:
            old: list[TrialRecord] = []
            while (known := kept(connection, study, len(old))) is not None:
                old.append(known)
            if old:
                return old
            new = change.added(records, study.trials, study.objectives, study.now)
            for i, trial in enumerate(new):
                study.add(connection, trial, enqueue_client=change.added_client(client, i))
            return new

        return self._change(name, work)

    def ask(
        self, name: str, owner: str, client: str, lease: float | None = None, proposal: Proposal | None = None
    ) -> TrialRecord:
        """Start a trial and own it; see `Store.ask`."""
        return self._change(name, self._start(owner, client, lease, proposal))

    def _start(
        self, owner: str, client: str, lease: float | None, proposal: Proposal | None
    ) -> Callable[[sa.Connection, LockedStudy], TrialRecord]:
        """What starts a trial in a transaction."""
        token = change.new_token()
        look = sql.BY_ASK_CLIENT if change.leaves_the_queue(proposal) else sql.BY_ASK_CLIENT_OR_WAITING

        def start(connection: sa.Connection, study: LockedStudy) -> TrialRecord:
            now, ends = study.now, None if lease is None else study.now + lease
            row = connection.execute(look, {"study": study.id, "client": client}).first()
            if row is None:
                new = change.new_running(study.trials, proposal, owner, token, now)
                study.add(connection, new, ask_client=client, lease_ends=ends)
                return new
            old = record(row)
            if old.state is not TrialState.WAITING:
                return old
            new = change.started(old, owner, token, now)
            study.put(connection, new, old, row)
            study.set_claim(connection, new.number, client, ends)
            return new

        return start

    def write(
        self,
        name: str,
        number: int,
        token: str,
        *,
        params: Mapping[str, Label] | None = None,
        reports: Sequence[tuple[int, float]] = (),
        attrs: Mapping[str, Any] | None = None,
        lease: float | None = None,
    ) -> None:
        """Change a RUNNING trial; see `Store.write`."""

        def work(connection: sa.Connection, study: LockedStudy) -> None:
            row, old = study.trial(connection, number)
            new = change.written(old, token, params=params, reports=reports, attrs=attrs)
            if new is not old:
                study.put(connection, new, old, row)
            if lease is not None:
                study.renew_lease(connection, number, study.now + lease)

        self._change(name, work)

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
    ) -> TrialRecord:
        """Finish a RUNNING trial; see `Store.tell`. It is on the disk when this returns."""
        attrs = attrs and as_json(attrs)
        told = self._told(number, token, result, params=params, reports=reports, attrs=attrs)
        return self._change(name, told)

    def tell_and_ask(
        self,
        name: str,
        number: int,
        token: str,
        result: Result,
        owner: str,
        client: str,
        lease: float | None = None,
        proposal: Proposal | None = None,
        *,
        params: Mapping[str, Label] | None = None,
        reports: Sequence[tuple[int, float]] = (),
    ) -> tuple[TrialRecord, TrialRecord]:
        """Finish a RUNNING trial and start another; see `Store.tell_and_ask`."""
        told = self._told(number, token, result, params=params, reports=reports)
        start = self._start(owner, client, lease, proposal)
        return self._change(name, lambda connection, study: (told(connection, study), start(connection, study)))

    def _told(
        self, number: int, token: str | None, result: Result, **more: Any
    ) -> Callable[[sa.Connection, LockedStudy], TrialRecord]:
        """What finishes a trial in a transaction; done again after a commit that was not answered, it finds
        its own."""
        tried: list[float | None] = []

        def told(connection: sa.Connection, study: LockedStudy) -> TrialRecord:
            row, old = study.trial(connection, number)
            if old.finished in tried:
                return old
            new = change.told(old, token, result, objectives=study.objectives, now=study.now, **more)
            if new is not old:
                tried.append(new.finished)
                study.put(connection, new, old, row)
            return new

        return told

    def set_trial_attrs(self, name: str, number: int, attrs: Mapping[str, Any]) -> None:
        """Merge attributes into a trial in whatever state. Raises `TrialNotFound`."""

        def work(connection: sa.Connection, study: LockedStudy) -> None:
            row, old = study.trial(connection, number)
            study.put(connection, replace(old, attrs={**old.attrs, **attrs}), old, row)

        self._change(name, work)

    def expired(self, name: str) -> list[TrialRecord]:
        """Return RUNNING trials whose lease has run out, by number."""

        def work(connection: sa.Connection) -> Sequence[Sequence[Any]]:
            study = study_row(connection, name, self._place)
            now = self._database.now(connection)
            return connection.execute(sql.EXPIRED, {"study": study.id, "now": now}).all()

        return records(self._database.read(work))

    def requeue(self, name: str, number: int, token: str) -> bool:
        """Put a dead owner's trial back to WAITING; see `Store.requeue`."""
        return self._take_away(name, number, lambda old, _: change.requeued(old, token))

    def fail(self, name: str, number: int, token: str, error: str) -> bool:
        """Finish a dead owner's trial as FAIL; False if another process was first."""
        return self._take_away(name, number, lambda old, now: change.failed(old, token, error, now))

    def _take_away(self, name: str, number: int, changed: Callable[[TrialRecord, float], TrialRecord]) -> bool:
        tried: list[TrialRecord] = []

        def work(connection: sa.Connection, study: LockedStudy) -> bool:
            row, old = study.trial(connection, number)
            new = changed(old, study.now)
            if new is old:
                return old in tried
            tried.append(new)
            study.put(connection, new, old, row)
            study.set_claim(connection, number, None, None)
            return True

        return self._change(name, work)


def _database(url: sa.URL, timeout: float) -> Database | ServerDatabase:
    backend = url.get_backend_name()
    if backend == "sqlite":
        return Database(url, timeout)
    return ServerDatabase(url, timeout, Postgres() if backend == "postgresql" else MySQL())


def _first_revision(study: int) -> int:
    """The revision that a study begins with: no study has the id of one that was deleted."""
    return study * _STUDY % 2**63
