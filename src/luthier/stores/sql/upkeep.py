"""Maintenance of a SQLite file: checking and compacting it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ...errors import StorageBusy, StorageError
from ...trial import TrialState
from . import tables as sql

_TIMEOUT = 60.0  # seconds to wait for others


def compact(path: Path) -> tuple[int, int]:
    """Reclaim the space of deleted studies; return the bytes before and after.

    Raises:
        StorageBusy: others held the file for a minute.
        StorageError: it cannot be used, or the disk has no room for a second copy meanwhile.
    """
    before = path.stat().st_size
    try:
        with closing(sqlite3.connect(path, timeout=_TIMEOUT, isolation_level=None)) as connection:
            connection.execute("VACUUM").close()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise StorageBusy(f"{path} stayed locked by other programs for {_TIMEOUT:g} s: stop them first") from error
        raise StorageError(f"{path} cannot be compacted: {error}. It is unchanged") from error
    return before, path.stat().st_size


def damage(path: Path) -> list[str]:
    """Return what is wrong with a file as a database, a sentence each; empty if nothing is."""
    states = ",".join(str(int(state)) for state in TrialState)
    try:
        with closing(sqlite3.connect(path, timeout=_TIMEOUT)) as connection:
            lines = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
            unknown = connection.execute(
                f"SELECT number, state FROM {sql.trials} WHERE state NOT IN ({states})"
            ).fetchall()
            orphans = connection.execute(
                f"SELECT count(*) FROM {sql.trials} WHERE study_id NOT IN (SELECT id FROM {sql.studies})"
            ).fetchone()[0]
            counts = connection.execute(
                f"SELECT name, trials, (SELECT count(*) FROM {sql.trials} t WHERE t.study_id = s.id) "
                f"FROM {sql.studies} s"
            ).fetchall()
    except sqlite3.Error as error:
        return [f"SQLite cannot read it: {error}"]
    found = [f"SQLite's integrity check: {line}" for line in lines if line != "ok"]
    found += [f"trial {number} has an unknown state: {state}" for number, state in unknown]
    found += [f"{orphans} trials belong to no study"] if orphans else []
    return found + [
        f"study {name!r} counts {claimed} trials and has {there}" for name, claimed, there in counts if claimed != there
    ]
