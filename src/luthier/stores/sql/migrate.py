"""From an empty file or an older schema to the newest one."""

from __future__ import annotations

import threading
from pathlib import Path

import sqlalchemy as sa

from ...errors import SchemaTooNew, StorageError
from .database import Database

SCHEMA = 1
"""The newest schema: the revision of the last migration."""
VERSION_TABLE = "luthier_schema_version"
SCRIPTS = Path(__file__).parent / "migrations"

_one_at_a_time = threading.Lock()  # Alembic keeps the migration that runs in a global


def prepare(database: Database) -> None:
    """Bring a database to the newest schema, after a copy to `FILE.backup-REVISION` if it holds an older one.

    Raises:
        SchemaTooNew: a newer Luthier wrote it.
        StorageError: it belongs to another program, or cannot be used.
    """
    version = database.read(lambda connection: _version(connection, database.path))
    database.set_journal()
    if version == SCHEMA:
        return  # without Alembic, which takes longer to import than all the rest

    def upgrade(connection: sa.Connection) -> None:
        version = _version(connection, database.path)
        if version == SCHEMA:
            return  # another process was first
        if version is not None:
            database.back_up(database.path.with_name(f"{database.path.name}.backup-{version}"))
        _run_migrations(connection, database.path)

    with _one_at_a_time:
        database.write(upgrade)


def _version(connection: sa.Connection, path: Path) -> int | None:
    tables = sa.inspect(connection).get_table_names()
    if not tables:
        return None
    if VERSION_TABLE not in tables:
        shown = ", ".join(tables[:3])
        raise StorageError(f"{path} is a database of another program (it has {shown}): give another path")
    found = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    if not str(found).isdigit():
        raise StorageError(f"{path} says that its schema is {found!r}: no Luthier wrote that; put back a copy")
    if (version := int(str(found))) > SCHEMA:
        raise SchemaTooNew(
            f"{path} has schema {version}, this Luthier knows up to {SCHEMA}: upgrade Luthier, or use another file"
        )
    return version


def _run_migrations(connection: sa.Connection, path: Path) -> None:
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
        raise StorageError(f"{path} cannot be brought to schema {SCHEMA} and is left as it is: {error}") from error
