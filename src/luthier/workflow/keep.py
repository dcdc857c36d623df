"""The best model of a search is kept while it runs, so that there is one to use whenever the run ends."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import StorageError
from ..study import Study
from ..tasks.image import ImageTask, Trained, count_parameters, save_model
from ..trial import TrialRecord
from .folder import RunFolder


@dataclass(frozen=True, eq=False)
class KeepingTask(ImageTask):
    """An `ImageTask` that saves the model of every complete trial.

    Args:
        models: the folder for them; a worker that cannot see it saves nothing.
    """

    models: Path | None = None

    def on_complete(self, number: int, trained: Trained) -> None:
        """Save the model of a trial."""
        if self.models is not None and self.models.is_dir() and np.isfinite(trained.accuracy):
            with suppress(StorageError):  # the result counts for more: the model can be trained once more
                save_trained(self, searched(self.models, number), trained, number, confirmed=False)


def searched(models: Path, number: int) -> Path:
    """Return where the model lies that the search trained in a trial."""
    return models / f"search-{number}"


def save_trained(task: ImageTask, folder: Path, trained: Trained, number: int | None, *, confirmed: bool) -> None:
    """Save a model with what it came to."""
    details = {
        "validation accuracy": trained.accuracy,
        "trial": number,
        "seed": trained.seed,
        "parameters": count_parameters(trained.model),
        "confirmed": confirmed,
    }
    save_model(folder, trained.model, trained.params, task.prepared, details)


def keep_best(folder: RunFolder, study: Study) -> None:
    """Make the best trial's model the run's, and delete those that neither it nor the baseline needs.

    A confirmed model stays until another one is confirmed.
    """
    try:
        best = study.best_trial.number
    except ValueError:
        return
    source = searched(folder.candidates, best)
    if source.is_dir() and not _is_confirmed(folder.model) and not _is_same(source, folder.model):
        folder.put_model(source)
    records = study.trials
    for path in folder.candidates.glob("search-*"):
        number = int(path.name.removeprefix("search-"))
        if number not in (0, best) and number < len(records) and records[number].state.is_finished:
            shutil.rmtree(path, ignore_errors=True)


def trained_again(folder: RunFolder, task: ImageTask, study: Study, record: TrialRecord) -> Path:
    """Return the folder of a trial's model; it is trained again, as it was, if the trial ran on another machine."""
    path = searched(folder.candidates, record.number)
    if not path.is_dir():
        seed = int(np.random.SeedSequence((task.seed, record.number)).generate_state(1)[0])  # as in the objective
        trained = task.train(study.space.restore(dict(record.params)), seed)
        save_trained(task, path, trained, record.number, confirmed=False)
    return path


def _is_confirmed(model: Path) -> bool:
    details = _about(model).get("details", {})
    return bool(details) and details.get("confirmed", True) is True


def _is_same(a: Path, b: Path) -> bool:
    return bool(_about(a)) and _about(a) == _about(b)


def _about(model: Path) -> dict[str, Any]:
    """What stands beside a model's weights; empty where there is no whole model."""
    try:
        about: dict[str, Any] = json.loads((model / "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about
