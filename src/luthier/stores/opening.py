"""From what a user calls a storage to a store."""

from __future__ import annotations

from pathlib import Path

from .memory import MemoryStore
from .protocol import Store


def open_store(storage: str | Path | Store | None = None) -> Store:
    """The store behind a name.

    Args:
        storage: None for memory; a path ("study.db") or a URL ("sqlite:///study.db") for a file, which is made
            if it is not there; a store passes through.

    Raises:
        StorageError: it cannot be opened, or is of a kind that is not supported.
    """
    if storage is None:
        return MemoryStore()
    if isinstance(storage, str | Path):
        from .sql import SqlStore  # SQLAlchemy is loaded by those alone who use it

        return SqlStore(storage)
    return storage
