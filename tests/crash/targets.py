"""The stores that the campaign hurts, a line each, and which faults each must stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

EVERYWHERE = frozenset({"kill", "stop", "failpoint"})
"""What every store must stand: workers that die, that sleep past their lease, that end at a commit."""


class Server(Protocol):
    """A database server of the campaign's own."""

    def kill(self) -> None:
        """End it with SIGKILL, all its processes."""
        ...

    def start(self) -> None:
        """Start it again on the same data and wait until it answers."""
        ...


@dataclass(frozen=True)
class Place:
    """Where a campaign's store lies."""

    url: str
    file: Path | None = None
    server: Server | None = None


@dataclass(frozen=True)
class Target:
    """A kind of store.

    Attributes:
        place: makes a fresh one in a folder, and takes it down afterwards.
        write: the function that makes one change durable, "module:Class.method"; failpoints go around it.
        faults: what it must stand.
    """

    place: Callable[[Path], AbstractContextManager[Place]]
    write: str
    faults: frozenset[str]


def in_file(name: str, url: str = "{}") -> Callable[[Path], AbstractContextManager[Place]]:
    """A store in a file of that name."""

    @contextmanager
    def place(folder: Path) -> Iterator[Place]:
        path = folder / name
        yield Place(url.format(path), file=path)

    return place


TARGETS = {
    "sqlite": Target(in_file("study.db"), "luthier.stores.sql.database:Database.write", EVERYWHERE | {"full"}),
}
