"""The best model of a search is kept while it runs, so that there is one to use whenever the run ends."""

from __future__ import annotations

import math
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StorageError
from ..study import Study
from ..tasks import Task, Trained, read_about
from ..tasks.task import LiveTrial, trial_seed
from ..trial import TrialRecord
from .folder import RunFolder


@dataclass(frozen=True)
class Keeping:
    """The objective of a task, which saves the model of every trial that was not pruned.

    Args:
        task: trains.
        models: the folder for them; a worker that cannot see it saves nothing.
        checkpoints: a folder for the checkpoints of running trials.
    """

    task: Task
    models: Path
    checkpoints: Path

    def __call__(self, trial: LiveTrial) -> float:
        """Return the value of a trial."""

        def keep(trained: Trained) -> None:
            if self.models.is_dir() and math.isfinite(trained.value):
                with suppress(StorageError):  # the result counts for more: the model can be trained once more
                    save_trained(self.task, searched(self.models, trial.number), trained, trial.number, confirmed=False)

        return self.task.objective(trial, keep, self.checkpoints)


def searched(models: Path, number: int) -> Path:
    """Return where the model lies that the search trained in a trial."""
    return models / f"search-{number}"


def save_trained(task: Task, folder: Path, trained: Trained, number: int | None, *, confirmed: bool) -> None:
    """Save a model with what it came to."""
    details = {
        f"validation {task.metric}": float(trained.value),
        "trial": number,
        "seed": trained.seed,
        "confirmed": confirmed,
    }
    task.save(folder, trained, details)


def keep_best(folder: RunFolder, study: Study, baseline: int) -> None:
    """Make the best trial's model the run's, and delete those that neither it nor the baseline needs.

    A confirmed model stays until another one is confirmed.

    Args:
        folder: of the run.
        study: the search.
        baseline: number of the baseline's trial.
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
        if number not in (baseline, best) and number < len(records) and records[number].state.is_finished:
            shutil.rmtree(path, ignore_errors=True)


def trained_again(folder: RunFolder, task: Task, study: Study, record: TrialRecord) -> Path:
    """Return the folder of a trial's model; it is trained again, as it was, if the trial ran on another machine."""
    path = searched(folder.candidates, record.number)
    if not path.is_dir():
        trained = task.train(study.space.restore(dict(record.params)), trial_seed(task.seed, record.number))
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
        return read_about(model)
    except StorageError:
        return {}
