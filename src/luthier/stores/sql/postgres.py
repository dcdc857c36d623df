"""PostgreSQL, through psycopg 3."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from .server import Trouble

_SCHEMA_LOCK = 0x6C757468696572  # "luthier"; advisory locks are a database's own

# what the server answers, before there is an SQLSTATE, while it cannot take a connection yet or any more
_NOT_NOW = ("starting up", "shutting down", "recovery", "too many", "accepting connections", "connection slots")
_REFUSED = ("FATAL:", "no password supplied")
_BUSY_STATES = ("40001", "40P01", "55P03")  # serialization failure, deadlock, lock timeout
_DOWN_STATES = ("08", "57P", "53300")  # connection lost, server stopped or starting, too many connections


class Postgres:
    """What is particular to PostgreSQL."""

    extra = "postgres"
    # now() would be the transaction's start. Who waits for a row sees what was committed meanwhile, and this anew
    now: sa.ColumnElement[float] = sa.literal_column("extract(epoch FROM clock_timestamp())::float8", sa.Double)
    looking: Mapping[str, Any] = MappingProxyType({"isolation_level": "AUTOCOMMIT"})  # which the driver just notes
    atomic_schema = True

    def options(self, timeout: float) -> Mapping[str, str]:
        """Noticing within the deadline that a server is gone, and text of all languages."""
        seconds = max(2, round(min(timeout, 10)))  # libpq takes 1 for 2
        return {
            "connect_timeout": str(seconds),
            "tcp_user_timeout": str(1000 * max(seconds, round(timeout))),
            "keepalives_idle": "30",
            "keepalives_interval": "10",
            "keepalives_count": "3",
            "client_encoding": "utf8",
        }

    def settings(self, timeout: float) -> str:
        """Locks are waited for until the deadline, and a commit is on the disk when it is answered."""
        return (
            f"SELECT set_config('lock_timeout', '{max(1, round(1000 * timeout))}', false), "
            "CASE WHEN current_setting('synchronous_commit') = 'off' "
            "THEN set_config('synchronous_commit', 'on', false) END"
        )

    def lock_schema(self, connection: sa.Connection, _timeout: float) -> bool:
        """Wait for the lock, which goes with the transaction; `lock_timeout` ends the wait."""
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")
        return True

    def trouble(self, error: exc.DBAPIError) -> Trouble:
        """By SQLSTATE, or by the text where there was no connection yet."""
        state = getattr(error.orig, "sqlstate", None)
        if state is not None:
            if state in _BUSY_STATES:
                return Trouble.BUSY
            return Trouble.DOWN if state.startswith(_DOWN_STATES) else Trouble.FATAL
        if error.connection_invalidated:
            return Trouble.DOWN
        text = str(error.orig)
        refused = any(words in text for words in _REFUSED) and not any(words in text for words in _NOT_NOW)
        return Trouble.DOWN if isinstance(error, exc.OperationalError) and not refused else Trouble.FATAL
