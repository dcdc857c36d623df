"""A database behind a server: transactions that are tried again until a deadline.

A study is locked by its row (`SELECT ... FOR UPDATE`), so what is read after that is the newest and stays so; READ
COMMITTED is enough for it, and on MySQL also locks the least. Readers take no lock and see one moment.

When the connection breaks while a commit is answered, it is unknown whether it counted, and the work is done
again. That is safe because the work can tell: `ask` and `enqueue` by their client id, `tell` by its token, the others
by what they left.
"""

from __future__ import annotations

import itertools
import logging
import random
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import event, exc

from ...errors import StorageBusy, StorageError, missing
from . import tables
from .forking import Running, watch
from .urls import place

T = TypeVar("T")

_PAUSES = 0.002, 0.5  # seconds: the first and the longest mean wait before a transaction is tried again

_POOL = "luthier"  # as which the pool logs


class Trouble(Enum):
    """What an error of a driver means."""

    BUSY = "other programs hold a lock, or there was a deadlock: try again"
    DOWN = "the server cannot be reached, or is still starting: try again"
    FATAL = "trying again does not help"


class Server(Protocol):
    """What differs between servers."""

    extra: str
    """The extra of Luthier that brings the driver."""
    now: sa.ColumnElement[float]
    """The clock: seconds since the epoch. In a statement that locks a row, it is read when the lock is there."""
    looking: Mapping[str, Any]
    """Options under which one statement takes the fewest round trips."""
    atomic_schema: bool
    """Whether tables are made inside the transaction, whole or not at all."""

    def options(self, timeout: float) -> Mapping[str, str]:
        """Return what a connection is opened with, where the URL does not say otherwise."""
        ...

    def settings(self, timeout: float) -> str:
        """Return the statement that every connection starts with."""
        ...

    def lock_schema(self, connection: sa.Connection, timeout: float, /) -> bool:
        """Wait until no other process creates or changes the tables; False if that took too long.

        Others wait until the transaction has ended: one that came in before its commit would not see what it made.
        """
        ...

    def trouble(self, error: exc.DBAPIError) -> Trouble:
        """Return what an error means."""
        ...


class ServerDatabase:
    """An engine with transactions that outlast locks and restarts until a deadline; safe for threads and for forking.

    Args:
        url: where it is.
        timeout: seconds to wait for others' locks, and for a server that is down.
        server: what is particular to it.

    Raises:
        MissingDependency: the driver is not installed.
    """

    def __init__(self, url: sa.URL, timeout: float, server: Server) -> None:
        self.url, self.timeout = url, timeout
        self.place = place(url)
        self.atomic_schema = server.atomic_schema
        self._server = server
        self.locking: sa.Executable = tables.LOCKED_STUDY.add_columns(server.now.label("now"))
        full = url.set(query={**server.options(timeout), **url.query})
        try:
            self._engine = sa.create_engine(
                full, isolation_level="READ COMMITTED", max_overflow=-1, pool_logging_name=_POOL
            )
        except ImportError as error:
            raise missing(f"storage {self.place} needs {url.get_driver_name()}", server.extra) from error
        self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ")  # shares the connections
        self._looker = self._engine.execution_options(**server.looking)
        logging.getLogger(f"sqlalchemy.pool.impl.QueuePool.{_POOL}").addFilter(_is_news)
        self._closing = weakref.finalize(self, self._engine.dispose)
        settings = server.settings(timeout)

        @event.listens_for(self._engine, "connect")
        def _set_up(connection: Any, _record: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute(settings)
            connection.commit()

        watch(self._engine)

    def accept(self) -> None:
        """Nothing to do once the database is known to be ours."""

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Return what `work` returns, in a transaction that is durable when this returns. It may run more than once.

        Raises:
            StorageBusy: others held a lock until the deadline.
            StorageError: the database cannot be used, or could not be reached until the deadline.
        """
        return self._run(self._engine, work)

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Return what `work` returns, in a transaction that sees one moment; errors as for `write`."""
        return self._run(self._reader, work)

    def look(self, statement: sa.Executable, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the rows of one statement, which sees one moment by itself; errors as for `write`."""
        return self._run(self._looker, lambda connection: connection.execute(statement, values).all())

    def clock(self) -> float:
        """Return the clock of the server, which all machines share; seconds since the epoch."""
        return self.read(self.now)

    def now(self, connection: sa.Connection) -> float:
        """Return the clock, inside a transaction."""
        return float(connection.execute(sa.select(self._server.now)).scalar_one())

    def time_of(self, row: Any) -> float:
        """Return the clock, as a study was locked."""
        return float(row.now)

    def new_study_id(self, _connection: sa.Connection) -> Mapping[str, int]:
        """Nothing to add: a server gives no id twice."""
        return {}

    def lock_schema(self, connection: sa.Connection) -> None:
        """Wait until no other process creates or changes the tables. Raises `StorageBusy`."""
        if not self._server.lock_schema(connection, self.timeout):
            raise StorageBusy(
                f"other programs were changing the schema of {self.place} for {self.timeout:g} s: try again later"
            )

    def back_up(self, connection: sa.Connection, version: int) -> None:
        """Copy the tables to `TABLE_backup_VERSION`, or with a further number where an upgrade was begun before.

        Copies are never overwritten: on MySQL an upgrade that was cut short leaves tables that are half changed.
        """
        there = set(sa.inspect(connection).get_table_names())
        suffixes = (f"backup_{version}" + (f"_{i}" if i > 1 else "") for i in itertools.count(1))
        names = [table.name for table in tables.metadata.sorted_tables]
        suffix = next(suffix for suffix in suffixes if there.isdisjoint(f"{name}_{suffix}" for name in names))
        for name in names:
            connection.exec_driver_sql(f"CREATE TABLE {name}_{suffix} AS SELECT * FROM {name}")

    def close(self) -> None:
        """Close all connections."""
        self._closing()

    def _run(self, engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
        deadline = time.monotonic() + self.timeout
        pause, longest = _PAUSES
        while True:
            try:
                with Running(), self._connect(engine) as connection, connection.begin():
                    return work(connection)
            except UnicodeEncodeError as wrong:
                raise StorageError(
                    f"{self.place} cannot store text such as {wrong.object!r}: {wrong.reason}"
                ) from wrong
            except (exc.DBAPIError, engine.dialect.loaded_dbapi.Error) as raised:
                error = raised if isinstance(raised, exc.DBAPIError) else _wrapped(raised, engine.dialect)
                trouble = self._server.trouble(error)
                if trouble is Trouble.FATAL or time.monotonic() >= deadline:
                    raise self._failure(error, trouble) from error
            time.sleep(random.uniform(0, 2 * pause))  # at random, so that writers do not meet again and again
            pause = min(2 * pause, longest)

    def _connect(self, engine: sa.Engine) -> sa.Connection:
        try:
            return engine.connect()
        except (TypeError, ValueError, RuntimeError) as error:  # how drivers refuse an option, or miss a library
            raise StorageError(f"{self.place} cannot be opened: {error}; look at the options in the URL") from error

    def _failure(self, error: exc.DBAPIError, trouble: Trouble) -> StorageError:
        cause = " ".join(str(error.orig).split())
        if trouble is Trouble.BUSY:
            return StorageBusy(
                f"{self.place} stayed locked by other programs for {self.timeout:g} s: look for a transaction that is "
                f"left open there, or give SqlStore a longer timeout= ({cause})"
            )
        if trouble is Trouble.DOWN:
            return StorageError(
                f"{self.place} could not be reached for {self.timeout:g} s: check that the server runs and that the "
                f"URL names it, or give SqlStore a longer timeout=. Nothing that was acknowledged is lost ({cause})"
            )
        return StorageError(f"{self.place} failed: {cause}")


def _is_news(record: logging.LogRecord) -> bool:
    """Whether the pool says more than that a connection was found dead on its way back: that is tried again, or raised,
    and its traceback on stderr would only frighten."""
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__module__.partition(".")[0] not in ("psycopg", "pymysql")


def _wrapped(error: Exception, dialect: sa.Dialect) -> exc.DBAPIError:
    """A driver's own error as SQLAlchemy's: the isolation level is set outside of its care, on the way out of the pool
    and back, and there a lost connection shows first."""
    lost = dialect.is_disconnect(error, None, None)  # type: ignore[arg-type]
    base = dialect.loaded_dbapi.Error
    return cast(exc.DBAPIError, exc.DBAPIError.instance(None, None, error, base, connection_invalidated=lost))
