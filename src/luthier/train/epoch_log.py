"""The epochs of a training that may be interrupted, kept beside its checkpoint so that they can be reported again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from . import EpochResult


class EpochLog:
    """One line of JSON for each epoch.

    A checkpoint brings back the training but calls no callback for the epochs before it, while a trial that was queued
    again has lost its reports. So they are kept here, and reported again.
    """

    def __init__(self, checkpoint: Path) -> None:
        self._checkpoint = checkpoint
        self._path = checkpoint.with_name(f"{checkpoint.name}.epochs")

    def read(self) -> list[EpochResult]:
        """The epochs so far, each once; none without a checkpoint, as the training then starts again."""
        if not (self._checkpoint.exists() and self._path.exists()):
            return []
        lines = self._path.read_text(encoding="utf-8").split("\n")[:-1]  # after the last newline: nothing, or cut off
        epochs = [EpochResult(**json.loads(line)) for line in lines]
        return list({epoch.epoch: epoch for epoch in epochs}.values())

    def start(self, epochs: list[EpochResult]) -> None:
        """Begin with the epochs that `read` gave."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text("".join(_line(epoch) for epoch in epochs), encoding="utf-8")

    def append(self, epoch: EpochResult) -> None:
        """Keep one more."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(epoch))

    def remove(self) -> None:
        """Delete the log and its checkpoint: the training came to its end."""
        self._path.unlink(missing_ok=True)
        self._checkpoint.unlink(missing_ok=True)


def _line(epoch: EpochResult) -> str:
    return json.dumps(asdict(epoch)) + "\n"
