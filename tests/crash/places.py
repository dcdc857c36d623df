"""Where a store of the campaign lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


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
