"""The stores that the campaign hurts, a line each, and which faults each must stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from places import Place
from servers import mariadb, postgres

EVERYWHERE = frozenset({"kill", "stop", "failpoint"})
"""What every store must stand: workers that die, that sleep past their lease, that end at a commit."""
FILE = EVERYWHERE | {"full", "clock_back"}
"""A store in a file has the machine's clock: back does no harm; ahead, leases last that much longer."""
SERVER = EVERYWHERE | {"server", "clock_back", "clock_ahead"}
"""A server has a clock of its own, and may be killed itself."""


@dataclass(frozen=True)
class Target:
    """A kind of store.

    Attributes:
        place: makes a fresh one in a folder, and takes it down afterwards.
        write: the function that makes one change durable, "module:Class.method"; failpoints go around it.
        faults: what it must stand.
        torn: whether a change that was cut short at any byte is promised to be seen and dropped.
    """

    place: Callable[[Path], AbstractContextManager[Place]]
    write: str
    faults: frozenset[str]
    torn: bool = False

    @property
    def failpoints(self) -> tuple[str, ...]:
        """Where a process may end; see `install_failpoint`."""
        return ("before", "after", "torn") if self.torn else ("before", "after")


def in_file(name: str, url: str = "{}") -> Callable[[Path], AbstractContextManager[Place]]:
    """A store in a file of that name."""

    @contextmanager
    def place(folder: Path) -> Iterator[Place]:
        path = folder / name
        yield Place(url.format(path), file=path)

    return place


TARGETS = {
    "sqlite": Target(in_file("study.db"), "luthier.stores.sql.database:Database.write", FILE),
    "journal": Target(
        in_file("study.journal"), "luthier.stores.journal.file:JournalFile.append", FILE | {"compact"}, torn=True
    ),
    "postgres": Target(postgres, "luthier.stores.sql.server:ServerDatabase.write", SERVER),
    "mariadb": Target(mariadb, "luthier.stores.sql.server:ServerDatabase.write", SERVER),
}
