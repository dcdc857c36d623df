"""`model.json`, which stands beside every saved model: its task, its format, and what is to be known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._version import __version__
from ..errors import StorageError

FORMAT = 1
_FILE = "model.json"


def write_about(folder: str | Path, task: str, details: Mapping[str, Any] | None = None, **more: Any) -> Path:
    """Write `model.json`, as the last file of a model: a folder without it holds no whole model.

    >>> from luthier.tasks import read_about, write_about
    >>> folder = write_about("model", "curve", {"trial": 3}, coefficients=[0.5, 1.0])
    >>> about = read_about(folder, "curve")
    >>> about["coefficients"], about["details"]
    ([0.5, 1.0], {'trial': 3})

    Args:
        folder: created if it does not exist.
        task: the name of the task.
        details: anything to keep; JSON.
        **more: whatever loading the model needs; JSON.

    Returns:
        the folder.

    Raises:
        StorageError: it cannot be written.
    """
    folder = Path(folder)
    about = {"format": FORMAT, "luthier": __version__, "task": task, **more, "details": dict(details or {})}
    text = json.dumps(about, indent=2)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{_FILE}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / _FILE)
    except OSError as error:
        raise StorageError(f"the model cannot be written to {folder}: {error}") from error
    return folder


def read_about(folder: str | Path, task: str | None = None) -> dict[str, Any]:
    """Return what `write_about` wrote.

    >>> from luthier.tasks import read_about, write_about
    >>> folder = write_about("model", "curve")
    >>> read_about(folder)["task"]
    'curve'

    Args:
        folder: of the model.
        task: the name of the task that it must be of; None for any.

    Raises:
        StorageError: the file is missing, it is of a newer format or of another task, or it is damaged.
    """
    path = Path(folder) / _FILE
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found, kind, _ = about["format"], about["task"], about["details"]
    except FileNotFoundError as error:
        raise StorageError(f"there is no model in {folder}: {path.name} is missing") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{path} is damaged ({error}): save the model again") from error
    if not isinstance(found, int) or found > FORMAT:
        raise StorageError(
            f"{path} has format {found}, this version of Luthier ({__version__}) reads up to {FORMAT}: upgrade it"
        )
    if task is not None and kind != task:
        raise StorageError(f"{path} is a model for the task {kind!r}, not for {task!r}")
    return about
