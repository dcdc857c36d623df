"""RunFolder: where one run of the nine steps keeps everything, so that it can be killed and go on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import LuthierError
from .narrator import Narrator

FORMAT = 1


class RunFolder:
    """A run's folder; its parts are files of JSON, written whole or not at all.

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.study = path / "study.db"
        self.report = path / "report.html"
        self.model = path / "model"
        self.checkpoints = path / "checkpoints"
        self.candidates = path / "candidates"
        self.seal = path / "sealed-test-opened.jsonl"
        self._old_model = path / "model.old"

    @staticmethod
    def create(path: Path, settings: Mapping[str, Any], fresh: bool, narrator: Narrator | None = None) -> RunFolder:
        """Make a new run.

        Args:
            path: of the folder.
            settings: what the run was asked to do; JSON.
            fresh: delete an existing run.
            narrator: names the options in errors.

        Raises:
            LuthierError: the folder holds a run, or something else, that is not to be deleted.
        """
        folder, named = RunFolder(path), (narrator or Narrator()).option
        if folder.exists:
            if not fresh:
                raise LuthierError(
                    f"{path} holds a run already: continue with {named('resume', True)}, start over with "
                    f"{named('fresh', True)} (deletes it), or choose another {named('folder')}"
                )
            shutil.rmtree(path)
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise LuthierError(f"{path} exists and is not a run of Luthier: choose another {named('folder')}")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = f"{path} cannot be created: {error.strerror or error}"
            raise LuthierError(f"{why}; choose another {named('folder')}") from error
        folder.save_run(settings)
        return folder

    @staticmethod
    def open(path: Path) -> RunFolder:
        """Open an existing run.

        Raises:
            LuthierError: it does not exist, or a newer version of Luthier made it.
        """
        folder = RunFolder(path)
        if not folder.exists:
            raise LuthierError(f"{path} is not a run of Luthier: it has no run.json; `luthier tune` makes one")
        if folder._old_model.exists() and not folder.model.exists():
            folder._old_model.rename(folder.model)  # a kill came while one model took the place of another
        found = folder.load("run").get("format")
        if not isinstance(found, int) or found > FORMAT:
            raise LuthierError(f"{path} has format {found}, this version of Luthier reads up to {FORMAT}: upgrade it")
        return folder

    def remove(self) -> None:
        """Delete the run, and the folder above it if that is empty then."""
        shutil.rmtree(self.path)
        with contextlib.suppress(OSError):
            self.path.parent.rmdir()

    @property
    def exists(self) -> bool:
        """Whether the folder holds a run."""
        return self._file("run").is_file()

    @property
    def seconds(self) -> float:
        """What the run has taken so far."""
        return float(self.load("cost")["seconds"]) if self.has("cost") else 0.0

    def save_run(self, settings: Mapping[str, Any]) -> None:
        """Write what the run was asked to do."""
        self.save("run", {"format": FORMAT, **settings})

    def put_model(self, source: Path) -> None:
        """Make a copy of that folder the run's model; at every moment the old or the new one is there."""
        new = self.path / "model.new"
        for leftover in (new, self._old_model):
            shutil.rmtree(leftover, ignore_errors=True)
        shutil.copytree(source, new)
        if self.model.exists():
            self.model.rename(self._old_model)
        new.rename(self.model)
        shutil.rmtree(self._old_model, ignore_errors=True)

    def has(self, part: str) -> bool:
        """Whether a part was written."""
        return self._file(part).is_file()

    def load(self, part: str) -> Any:
        """Return a part's data.

        Raises:
            LuthierError: it is missing or damaged.
        """
        try:
            return json.loads(self._file(part).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise LuthierError(f"{self._file(part)} cannot be read: {error}") from error

    def save(self, part: str, data: Any) -> None:
        """Write a part, whole or not at all."""
        part_file = self._file(part)
        temporary = part_file.with_suffix(".json.part")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(data, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(part_file)

    def append(self, part: str, data: Any) -> None:
        """Add a line of JSON to a part that grows."""
        with self._lines(part).open("a", encoding="utf-8") as file:
            file.write(json.dumps(data) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def lines(self, part: str) -> list[Any]:
        """Return the lines of a part that grows; one that a kill cut short is dropped."""
        if not self._lines(part).is_file():
            return []
        whole = []
        for line in self._lines(part).read_text(encoding="utf-8").splitlines():
            try:
                whole.append(json.loads(line))
            except ValueError:
                continue
        return whole

    def _file(self, part: str) -> Path:
        return self.path / f"{part}.json"

    def _lines(self, part: str) -> Path:
        return self.path / f"{part}.jsonl"
