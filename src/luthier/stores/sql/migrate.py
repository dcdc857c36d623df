"""Upgrades an empty database, or one of an older schema, to the newest schema."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import sqlalchemy as sa

from ...errors import SchemaTooNew, StorageError
from . import tables
from .database import Database
from .server import ServerDatabase
from .tables import VERSION_TABLE

SCHEMA = 1
"""The newest schema: the revision of the last migration."""
SCRIPTS = Path(__file__).parent / "migrations"

_one_at_a_time = threading.Lock()  # Alembic keeps the migration that runs in a global


def _forget_other_threads() -> None:
    """A forked child has none of the threads of its parent, one of which may have held the lock."""
    global _one_at_a_time
    _one_at_a_time = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)


def prepare(database: Database | ServerDatabase) -> None:
    """Bring a database to the newest schema, after a copy if it holds an older one.

    The copy of a file is `FILE.backup-REVISION`; a server keeps copies of the tables, `TABLE_backup_REVISION`, or
    `TABLE_backup_REVISION_2` and so on where there are some.

    Raises:
        SchemaTooNew: a newer version of Luthier wrote it.
        StorageError: it belongs to another program, or cannot be used.
    """
    version = database.read(lambda connection: _version(connection, database))
    database.accept()
    if version == SCHEMA:
        return  # without Alembic, which takes longer to import than all the rest

    def upgrade(connection: sa.Connection) -> None:
        database.lock_schema(connection)
        version = _version(connection, database)
        if version == SCHEMA:
            return  # another process was first
        if version is not None:
            database.back_up(connection, version)
        elif not database.atomic_schema:
            tables.metadata.drop_all(connection)  # what a process left that died while it made them
        _run_migrations(connection, database.place)

    with _one_at_a_time:
        database.write(upgrade)


def _version(connection: sa.Connection, database: Database | ServerDatabase) -> int | None:
    place = database.place
    names = sa.inspect(connection).get_table_names()
    if not names:
        return None
    if VERSION_TABLE not in names:
        shown = ", ".join(names[:3])
        raise StorageError(f"{place} is a database of another program (it has {shown}): use another one")
    found = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    if found is None and not database.atomic_schema:
        return None  # it is being made, or that was cut short
    if not str(found).isdigit():
        raise StorageError(f"{place} has the schema {found!r}, which no version of Luthier writes: restore a copy")
    check_version(int(str(found)), place)
    return int(str(found))


def check_version(version: int, place: str) -> None:
    """Raise `SchemaTooNew` where a newer version of Luthier made or changed the tables."""
    if version > SCHEMA:
        raise SchemaTooNew(
            f"{place} has schema {version}, this version of Luthier reads up to {SCHEMA}: "
            "upgrade Luthier, or use another storage"
        )


def _run_migrations(connection: sa.Connection, place: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(f"{place} cannot be upgraded to schema {SCHEMA} and was left unchanged: {error}") from error
