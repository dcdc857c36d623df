"""Turns what users pass as a storage into the URL of a database; no message shows a password."""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import exc

from ...errors import StorageError
from ..files import check_path

_DRIVERS = {"postgresql": "psycopg", "mysql": "pymysql", "mariadb": "pymysql"}


def parse(url_or_path: str | Path) -> sa.URL:
    """Return the URL of a database, with the driver that Luthier uses. Raises `StorageError`."""
    if isinstance(url_or_path, Path) or "://" not in url_or_path:
        return _of_file(sa.URL.create("sqlite", database=str(url_or_path)))
    try:
        url = sa.make_url(url_or_path)
    except (exc.ArgumentError, ValueError):  # not chained: it may quote a part of a password
        shown = re.sub("://.*@", "://***@", url_or_path)
        raise StorageError(
            f"{shown!r} is not the URL of a storage: write sqlite:///study.db or postgresql://user:password@host/name, "
            "with % escapes for what is not a letter or digit in a password"
        ) from None
    backend, _, driver = url.drivername.partition("+")
    if backend == "sqlite":
        return _of_file(url)
    if backend not in _DRIVERS or driver not in ("", _DRIVERS[backend]):
        raise StorageError(
            f"storage {place(url)} is not supported: give a path (study.db, study.journal), a URL of SQLite "
            "(sqlite:///study.db), of a journal (journal:///study.journal), PostgreSQL (postgresql://...), MySQL "
            "(mysql://...) or MariaDB (mariadb://...), or None for memory"
        )
    if not url.database:
        raise StorageError(f"storage {place(url)} names no database: write {backend}://user:password@host/name")
    return url.set(drivername=f"{backend}+{_DRIVERS[backend]}")


def place(url: sa.URL) -> str:
    """How messages name a database: without its password, and without options, which may hold another."""
    return url.set(query={}).render_as_string(hide_password=True)


def _of_file(url: sa.URL) -> sa.URL:
    if url.query:
        raise StorageError(f"storage {url.render_as_string()} takes no options: drop what follows the question mark")
    if url.host:
        raise StorageError(f"{url.render_as_string()!r} lacks a slash: write sqlite:///study.db, or just study.db")
    if url.database in (None, "", ":memory:"):
        raise StorageError("a SQLite database in memory cannot hold a study: give a file, or storage=None")
    path = Path(url.database).absolute()  # whatever the working directory is later
    check_path(path, "study.db")
    return url.set(database=str(path))
