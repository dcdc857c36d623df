"""MySQL and MariaDB, through PyMySQL."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from .server import Trouble

_BUSY_CODES = {1020, 1205, 1213}  # record changed since the read, lock wait timeout, deadlock
# too many connections, handshake broken, shutting down, killed, no way there, lost
_DOWN_CODES = {1040, 1043, 1053, 1077, 1079, 1080, 1158, 1159, 1160, 1161, 1203, 1927, 2002, 2003, 2006, 2013, 2055}

_SCHEMA_LOCK = "CONCAT('luthier:', MD5(DATABASE()))"  # such locks are the whole server's, of up to 64 characters


class MySQL:
    """What is particular to MySQL and MariaDB."""

    extra = "mysql"
    # NOW() would be the statement's start
    now: sa.ColumnElement[float] = sa.literal_column("UNIX_TIMESTAMP(SYSDATE(6))", sa.Double)
    looking: Mapping[str, Any] = MappingProxyType({})  # another level is a command there, and one back
    atomic_schema = False

    def options(self, timeout: float) -> Mapping[str, str]:
        """Noticing within the deadline that a server is gone, and text of all languages."""
        connecting, answering = max(1, round(min(timeout, 10))), max(2, 2 * round(timeout))  # a lock may take `timeout`
        return {
            "connect_timeout": str(connecting),
            "read_timeout": str(answering),
            "write_timeout": str(answering),
            "charset": "utf8mb4",
        }

    def settings(self, timeout: float) -> str:
        """No text is cut, tables take transactions, the clock has no summer time, locks are waited for."""
        return (
            "SET SESSION sql_mode = 'TRADITIONAL', default_storage_engine = InnoDB, time_zone = '+00:00', "
            f"innodb_lock_wait_timeout = {max(1, round(timeout))}, lock_wait_timeout = {max(1, round(timeout))}"
        )

    def lock_schema(self, connection: sa.Connection, timeout: float) -> bool:
        """Wait for the lock, which is the connection's: so that is not kept, but closed after the transaction."""
        connection.detach()
        statement = f"SELECT GET_LOCK({_SCHEMA_LOCK}, {max(1, round(timeout))})"
        return bool(connection.exec_driver_sql(statement).scalar())

    def trouble(self, error: exc.DBAPIError) -> Trouble:
        """By the number of the error."""
        code = error.orig.args[0] if error.orig is not None and error.orig.args else None
        if code in _BUSY_CODES:
            return Trouble.BUSY
        return Trouble.DOWN if error.connection_invalidated or code in _DOWN_CODES else Trouble.FATAL
