"""From what a user calls a storage to a store."""

from __future__ import annotations

from pathlib import Path

from ..errors import StorageError
from .memory import MemoryStore
from .protocol import Store


def open_store(storage: str | Path | Store | None = None, *, must_exist: bool = False) -> Store:
    """The store behind a name.

    Args:
        storage: None for memory; a path ("study.db") or a URL ("sqlite:///study.db") for a file, which is made
            if it is not there; a store passes through.
        must_exist: refuse a file that is not there instead of making it.

    Raises:
        StorageError: it cannot be opened, or is of a kind that is not supported.
    """
    if storage is None:
        return MemoryStore()
    if isinstance(storage, str | Path):
        path = Path(str(storage).removeprefix("sqlite:///"))
        if must_exist and "://" not in str(path) and not path.exists():
            raise StorageError(f"there is no storage at {path}: check the path; create_study makes a new one")
        from .sql import SqlStore  # SQLAlchemy is loaded by those alone who use it

        return SqlStore(storage)
    return storage
