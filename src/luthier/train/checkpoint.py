"""Checkpoints: one file, written whole or not at all, read without unpickling anything but tensors and scalars."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import TrainingError

FORMAT = 1
_SHOWN = 5  # differences in a message


def save_checkpoint(path: str | Path, identity: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Put a checkpoint in place of the one at `path`, in one move: a killed process leaves the old or the new.

    >>> import torch
    >>> from luthier.train import load_checkpoint, save_checkpoint
    >>> model = torch.nn.Linear(2, 1)
    >>> save_checkpoint("run.pt", {"layers": 1}, {"epoch": 3, "weights": model.state_dict()})
    >>> load_checkpoint("run.pt", {"layers": 1})["epoch"]
    3

    Args:
        path: the file; its folder is made if it is not there.
        identity: what the checkpoint belongs to, by name: nested dicts of strings and numbers.
        state: tensors, strings, numbers, and lists and dicts of them.

    Raises:
        TrainingError: the file cannot be written.
    """
    path = Path(path)
    data = io.BytesIO()
    torch.save({"format": FORMAT, "identity": dict(identity), "state": dict(state)}, data)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write_down(part, data.getvalue())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise TrainingError(f"the checkpoint {path} cannot be written: {error}") from error


def _write_down(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # or a power cut could leave the new name on an empty file


def load_checkpoint(
    path: str | Path, identity: Mapping[str, Any], device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Return the state that `save_checkpoint` wrote, with its tensors on `device`.

    >>> from luthier.train import load_checkpoint, save_checkpoint
    >>> save_checkpoint("run.pt", {"layers": 1}, {"epoch": 3})
    >>> load_checkpoint("run.pt", {"layers": 1})
    {'epoch': 3}

    Raises:
        TrainingError: the file is damaged, of a newer format, or its identity is another; the message says which.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()  # torch.load does not look at the checksums
        if broken is not None:
            raise TrainingError(f"the checksum of {broken!r} is wrong")
        saved = torch.load(path, map_location=device, weights_only=True)
        found, saved_identity, state = saved["format"], saved["identity"], saved["state"]
    except Exception as error:  # whatever damage can make zipfile and torch raise
        raise TrainingError(f"the checkpoint {path} is damaged ({error}): delete it to start again") from error
    if found > FORMAT:
        raise TrainingError(
            f"the checkpoint {path} has format {found}, this version of Luthier reads up to {FORMAT}: upgrade it"
        )
    different = differences(saved_identity, identity)
    if different:
        more = f"; and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
        raise TrainingError(
            f"the checkpoint {path} belongs to another training: {'; '.join(different[:_SHOWN])}{more}: delete it, or "
            "give another path"
        )
    assert isinstance(state, dict)
    return state


def differences(saved: Mapping[str, Any], now: Mapping[str, Any], where: str = "") -> list[str]:
    """What differs between two nested dicts, in words."""
    found: list[str] = []
    for key in dict.fromkeys([*saved, *now]):
        name = f"{where}{key}"
        if key not in saved:
            found.append(f"{name} was not there and is now {now[key]!r}")
        elif key not in now:
            found.append(f"{name} was {saved[key]!r} and is not there now")
        elif isinstance(saved[key], Mapping) and isinstance(now[key], Mapping):
            found += differences(saved[key], now[key], f"{name}.")
        elif saved[key] != now[key]:
            found.append(f"{name} was {saved[key]!r} and is now {now[key]!r}")
    return found
