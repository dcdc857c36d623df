"""Column types that hold the same on every database.

MySQL needs help: its TEXT ends at 64 KiB, and most of its collations, `utf8mb4_bin` among them, take "a" and "a "
for the same, or even "a" and "A". The binary ones without padding have another name on MariaDB.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql


def _collation(dialect: Any) -> str:
    return "utf8mb4_nopad_bin" if dialect.is_mariadb else "utf8mb4_0900_bin"


class Key(sa.types.TypeDecorator[str]):
    """A short text that can be indexed; equal only to what is the same character for character."""

    impl = sa.String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Return the type on one kind of database."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.VARCHAR(self.length, collation=_collation(dialect)))
        return self.impl_instance


class LongText(sa.types.TypeDecorator[str]):
    """A text of any length; compared as a `Key` is."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Return the type on one kind of database."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.LONGTEXT(collation=_collation(dialect)))
        return self.impl_instance
