"""SQLite: connections and transactions.

The settings, and why:

- `BEGIN IMMEDIATE` for every transaction that writes: it takes the write lock first, so nothing that was read can
  be stale when it is written, and waiting happens where nothing is lost by it.
- `journal_mode`: WAL from SQLite 3.51.3 on; before, two connections could corrupt a WAL file, so the rollback
  journal. PERSIST keeps the file FILE-journal and ends a commit by clearing its head: of the three ways to end
  one it waits for the disk least often, and the clearing is itself on the disk when the commit returns (DELETE
  would need `synchronous=EXTRA` for that).
- `journal_size_limit`: so that one large transaction does not leave a large journal for ever.
- `synchronous=FULL`: a commit is on the disk when it returns, whatever happens to the power afterwards.
- `busy_timeout` of a few milliseconds: enough for a commit to outwait readers; longer waits are ours, at random and
  with a deadline, because SQLite's own get long (100 ms) and starve some of several writers.
"""

from __future__ import annotations

import random
import secrets
import sqlite3
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc

from ...errors import StorageBusy, StorageError
from ..files import sync_folder
from . import tables
from .forking import Running, watch

T = TypeVar("T")

_BUSY_MS = 20
_PAUSES = 0.001, 0.01  # seconds: the first and the longest mean wait for a lock
_WAL_IS_SAFE = (3, 51, 3)
_JOURNAL_BYTES = 2**20

_HELP = {
    "SQLITE_FULL": "the disk (or a quota) is full: free some space. Nothing that was acknowledged is lost",
    "SQLITE_IOERR": "the disk cannot be read or written, or a size limit was hit: check that it has room and is "
    "still there. Nothing that was acknowledged is lost",
    "SQLITE_READONLY": "it is read-only: allow writing to the file and its folder",
    "SQLITE_CANTOPEN": "it cannot be opened: check the permissions of the file and its folder",
    "SQLITE_NOTADB": "it is not a database: give another path",
    "SQLITE_CORRUPT": "the file is damaged: restore a copy, or try SQLite's `.recover`",
}


class Database:
    """An engine with transactions that wait for locks until a deadline; safe for threads and for forking.

    Args:
        url: where it is.
        timeout: seconds to wait for others' locks.
    """

    def __init__(self, url: sa.URL, timeout: float) -> None:
        self.url, self.timeout = url, timeout
        self.path = Path(url.database or "")
        self.place = str(self.path)
        self.atomic_schema = True
        self.locking: sa.Executable = tables.LOCKED_STUDY
        self._settings = ["synchronous=FULL"]
        self._engine = _sqlite(url, self._settings)
        self._reader = self._engine.execution_options(luthier_begin="BEGIN")  # shares the connections
        self._closing = weakref.finalize(self, self._engine.dispose)
        watch(self._engine)

    def accept(self) -> None:
        """Choose the journal, once the file is known to be ours: the choice is written into it."""
        journal = "WAL" if sqlite3.sqlite_version_info >= _WAL_IS_SAFE else "PERSIST"
        self._settings += [f"journal_mode={journal}", f"journal_size_limit={_JOURNAL_BYTES}"]
        self._engine.dispose()  # connections take their settings as they are made

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Return what `work` returns, in a transaction that holds the write lock. It may run more than once.

        Raises:
            StorageBusy: others held the lock until the deadline.
            StorageError: the database cannot be used.
        """
        return self._run(self._engine, work)

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Return what `work` returns, in a transaction that sees one moment; errors as for `write`."""
        return self._run(self._reader, work)

    def look(self, statement: sa.Executable, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the rows of one statement, which sees one moment; errors as for `write`."""
        return self.read(lambda connection: connection.execute(statement, values).all())

    def _run(self, engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
        deadline = time.monotonic() + self.timeout
        pause, longest = _PAUSES
        while True:
            try:
                with Running(), engine.begin() as connection:
                    return work(connection)
            except UnicodeEncodeError as error:
                raise StorageError(f"{self.path} cannot store text such as {error.object!r}: {error.reason}") from error
            except (exc.DBAPIError, sqlite3.Error) as error:
                name = _error_name(error)
                if not name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                    raise StorageError(self._explained(error, name)) from error
                if time.monotonic() >= deadline:
                    raise StorageBusy(
                        f"{self.path} stayed locked by other programs for {self.timeout:g} s: "
                        "look for a program that holds it open, or give SqlStore a longer timeout="
                    ) from error
            time.sleep(random.uniform(0, 2 * pause))  # at random, so that writers do not meet again and again
            pause = min(2 * pause, longest)

    def _explained(self, error: BaseException, name: str) -> str:
        cause = getattr(error, "orig", None) or error
        for prefix, help_ in _HELP.items():
            if name.startswith(prefix):
                return f"{self.path}: {help_} ({cause})"
        return f"{self.path} failed: {cause}"

    def clock(self) -> float:
        """Return the clock of this machine, which all processes at one file share; seconds since the epoch."""
        return time.time()

    def now(self, _connection: sa.Connection) -> float:
        """Return the clock, inside a transaction."""
        return self.clock()

    def time_of(self, _row: Any) -> float:
        """Return the clock, as a study was locked."""
        return self.clock()

    def new_study_id(self, connection: sa.Connection) -> Mapping[str, int]:
        """The id of a new study: some way above the others, as SQLite's own choice may be that of a deleted one."""
        last: int = connection.execute(tables.LAST_STUDY).scalar_one()
        return {"id": last + 1 + secrets.randbelow(2**20)}

    def lock_schema(self, _connection: sa.Connection) -> None:
        """Nothing to do: a transaction that writes holds the whole file."""

    def back_up(self, _connection: sa.Connection, version: int) -> None:
        """Copy the whole database to `FILE.backup-VERSION`, replacing it if it exists; all of it or nothing."""
        copy = self.path.with_name(f"{self.path.name}.backup-{version}")
        part = copy.with_name(copy.name + ".part")
        try:
            part.unlink(missing_ok=True)
            with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(part)) as target:
                source.backup(target)  # on the disk when it returns
            part.replace(copy)
            sync_folder(copy)
        except (OSError, sqlite3.Error) as error:
            part.unlink(missing_ok=True)
            raise StorageError(f"{self.path} cannot be copied to {copy}, so it was left unchanged: {error}") from error

    def close(self) -> None:
        """Close all connections."""
        self._closing()


def _sqlite(url: sa.URL, settings: list[str]) -> sa.Engine:
    engine = sa.create_engine(
        url,
        connect_args={"isolation_level": None, "timeout": _BUSY_MS / 1000},  # None: no BEGIN but ours
        max_overflow=-1,  # as many threads as there are: waiting is the lock's business
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: Any) -> None:
        for setting in settings:
            connection.execute(f"PRAGMA {setting}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("luthier_begin", "BEGIN IMMEDIATE"))

    return engine


def _error_name(error: BaseException) -> str:
    name: str = getattr(getattr(error, "orig", None) or error, "sqlite_errorname", "")
    return name
