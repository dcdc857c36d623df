"""Turns what users pass as a storage into a store."""

from __future__ import annotations

import os

from ..errors import StorageError
from .memory import MemoryStore
from .protocol import Store


def open_store(storage: str | os.PathLike[str] | Store | None = None, *, must_exist: bool = False) -> Store:
    """Return the store behind a name.

    >>> from luthier.stores import open_store
    >>> store = open_store("studies.db")
    >>> type(store).__name__, store.studies()
    ('SqlStore', [])
    >>> store.close()
    >>> type(open_store()).__name__
    'MemoryStore'

    Args:
        storage: None for memory; a path ("study.db") or a URL ("sqlite:///study.db") for a file, which is made
            if it is not there; a path that ends in ".journal", or "journal:///study", for a journal;
            "postgresql://user:password@host/name", "mysql://..." or "mariadb://..." for a database on a server,
            which must exist; a store passes through.
        must_exist: refuse a file that is not there instead of making it.

    Raises:
        StorageError: it cannot be opened, or is of a kind that is not supported.
        MissingDependency: the driver of a server is not installed.
    """
    if storage is None:
        return MemoryStore()
    if isinstance(storage, str | os.PathLike):
        text = os.fspath(storage)
        if not text:
            raise StorageError("storage is an empty text: pass a path or a URL, or storage=None for memory")
        if text.startswith(("http://", "https://")):
            raise StorageError(f"{text} is the address of a service: use luthier.connect({text!r})")
        path = text.removeprefix("sqlite:///").removeprefix("journal:///")
        missing = "://" not in path and not os.path.exists(path)  # noqa: PTH110 - pathlib is slow to import
        if must_exist and missing:
            raise StorageError(f"there is no storage at {path}: check the path; create_study makes a new one")
        if text.startswith("journal:///") or ("://" not in text and text.endswith(".journal")):
            from .journal import JournalStore

            return JournalStore(text)
        from .sql import SqlStore  # SQLAlchemy is loaded by those alone who use it

        return SqlStore(os.fspath(storage))
    if isinstance(storage, type) or not isinstance(storage, Store):
        raise StorageError(
            f"storage={_shown(storage)} is not a storage: pass a path, a URL, a Store, or None for memory"
            f"{_hint(storage)}"
        )
    return storage


def _shown(value: object) -> str:
    text = value.__name__ if isinstance(value, type) else repr(value)
    return text if len(text) <= 60 else f"<{type(value).__name__}>"


def _hint(value: object) -> str:
    """What else there is to say of an object that is nearly a store."""
    if isinstance(value, type):
        return f"; {value.__name__} is a class, so call it"
    names = [name for name in vars(Store) if not name.startswith("_")]
    lacking = [name for name in names if not hasattr(value, name)]
    return f"; as a Store it lacks {', '.join(lacking)}" if len(lacking) < len(names) / 2 else ""
