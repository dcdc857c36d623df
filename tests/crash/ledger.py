"""What a worker was told by the store, in a file of its own outside of it: the evidence that the checks go by."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any


class Ledger:
    """A file of facts, one JSON line each, on the disk when `say` returns."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(self, fact: str, **more: Any) -> None:
        """Write down what a call of the store returned; to be called only after it did."""
        os.write(self._fd, (json.dumps({"fact": fact, **more}) + "\n").encode())
        os.fsync(self._fd)


def facts(folder: Path) -> Iterator[dict[str, Any]]:
    """All facts of all workers; a last line that its writer's death cut short was never acknowledged."""
    for path in sorted(folder.glob("*.log")):
        for line in path.read_bytes().split(b"\n")[:-1]:
            yield {**json.loads(line), "worker": path.stem}


def value_of(token: str) -> float:
    """The result of whoever holds this token: another owner's result is another number."""
    return int(sha256(token.encode()).hexdigest()[:12], 16) / 16**12
