"""Task: what one kind of problem must offer so that the nine steps can tune it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import LeaseLost, TrialPruned
from ..space import Space
from ..types import Direction
from .sealed import SealedTest

OnReport: TypeAlias = Callable[[float, int], bool]
"""Takes an intermediate value and its step, as `Trial.report` does, and returns True to end the training."""


class LiveTrial(Protocol):
    """What an objective needs of a trial."""

    @property
    def params(self) -> dict[str, Any]:
        """The whole configuration."""
        ...

    number: int

    def report(self, value: float, step: int) -> None:
        """Report an intermediate value."""
        ...

    def should_prune(self) -> bool:
        """Return whether to stop now."""
        ...

    def set_user_attr(self, key: str, value: Any) -> None:
        """Attach a JSON value."""
        ...


@dataclass(frozen=True, eq=False)
class Trained:
    """What one training came to.

    >>> from luthier.tasks import Trained
    >>> Trained(model=[0.5], params={"power": 1}, seed=0, value=0.25).value
    0.25

    Attributes:
        model: whatever `Task.score` takes.
        params: the configuration.
        seed: of everything random in the training.
        value: the metric on the validation data; NaN for a training that failed without raising.
        attrs: further results, JSON, which become attributes of the trial: other metrics, the size of the model.
            Those under "warnings", a list of texts, are shown to the user.
    """

    model: Any
    params: dict[str, Any]
    seed: int
    value: float
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Description:
    """What a user should know of a task before it is tuned.

    >>> from luthier.tasks import Description
    >>> Description({"rows": "442: 265 to train, 88 to validate, 89 sealed"}).data["rows"]
    '442: 265 to train, 88 to validate, 89 sealed'

    Attributes:
        data: facts on the data: a word or two, and a text.
        notes: remarks, such as files that were left out.
        training: how one training goes, such as when it stops early; empty where there is nothing to tell.
    """

    data: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    training: str = ""


class Task(Protocol):
    """What one kind of problem must offer so that `luthier.workflow.tune` can tune it.

    >>> import numpy as np
    >>> import luthier as lt
    >>> from luthier.tasks import SealedTest, Task, Trained, read_about, write_about
    >>> class Curve(Task):
    ...     name, metric, direction, problem = "curve", "squared error", "minimize", "fit a curve to made-up points"
    ...     space = lt.Space({"degree": lt.Int(1, 8, default=1)})
    ...     def __init__(self):
    ...         x = np.random.default_rng(0).uniform(-1, 1, 90)
    ...         self.parts = np.split(np.stack([x, np.sin(3 * x)]), 3, axis=1)  # to train, to validate, to test
    ...         self.sealed = SealedTest(lambda: self.parts[2], 30, what="points")
    ...     def train(self, params, seed, on_report=None, checkpoint=None):
    ...         model = np.polyfit(*self.parts[0], params["degree"])
    ...         return Trained(model, params, seed, float(self.score([model], self.parts[1]).mean()))
    ...     def score(self, models, sealed):
    ...         return np.stack([(np.polyval(model, sealed[0]) - sealed[1]) ** 2 for model in models])
    ...     def save(self, folder, trained, details):
    ...         write_about(folder, self.name, details, coefficients=trained.model.tolist())
    ...     def load(self, folder):
    ...         return np.array(read_about(folder, self.name)["coefficients"])
    >>> study = lt.create_study(space=Curve.space, seed=0)
    >>> study.optimize(Curve().objective, n_trials=8)
    >>> study.best_value < 0.01
    True

    A class that inherits from this one has to write what has no default below; one that does not inherit offers all of
    it. Tasks are sent to worker processes, so they can be pickled; one that reads files should carry their names and
    read them on first use. `luthier.testing.tasks.TaskContract` tests a task.

    Attributes:
        name: of the kind of problem, such as "image"; models are saved under it.
        problem: what is to be done, in words, such as "classify the images of digits"; known before data is loaded.
        metric: the name of what is measured for every example, and averaged: "accuracy", "squared error", "return".
            Any other metric may be among `Trained.attrs`.
        direction: "maximize" where more of it is better, else "minimize".
        bounds: lowest and highest possible value of the metric; intervals stay inside.
        seed: decides the split of the data, and with a trial's number the seed of its training.
        step, max_steps: a training reports at steps 1, 2, ... up to this one; what a step is called. Folds of a
            cross-validation are steps as well as epochs are. 1 for a training that reports nothing.
        space: what is searched; its defaults are the baseline.
        sealed: the test set.
    """

    if TYPE_CHECKING:  # read-only for callers: so a task may be frozen, assign them when it is made, or compute them

        @property
        def name(self) -> str: ...  # noqa: D102 - the attributes above

        @property
        def problem(self) -> str: ...  # noqa: D102

        @property
        def metric(self) -> str: ...  # noqa: D102

        @property
        def direction(self) -> Direction: ...  # noqa: D102

        @property
        def space(self) -> Space: ...  # noqa: D102

        @property
        def sealed(self) -> SealedTest[Any]: ...  # noqa: D102

        @property
        def bounds(self) -> tuple[float, float]:  # noqa: D102
            return (-math.inf, math.inf)

        @property
        def seed(self) -> int:  # noqa: D102
            return 0

        @property
        def step(self) -> str:  # noqa: D102
            return "step"

        @property
        def max_steps(self) -> int:  # noqa: D102
            return 1
    else:
        bounds, seed, step, max_steps = (-math.inf, math.inf), 0, "step", 1

    def train(
        self,
        params: dict[str, Any],
        seed: int,
        on_report: OnReport | None = None,
        checkpoint: Path | None = None,
    ) -> Trained:
        """Train one configuration; the same arguments give the same result.

        Args:
            params: such as `space.defaults()` or `study.best_params`.
            seed: of everything random in it.
            on_report: to be called with the metric on the validation data so far and the step; True ends the training.
                A training that goes on from a checkpoint calls it for the steps before, too.
            checkpoint: a file to go on from, if it exists, and to write now and then; others may be beside it, whose
                names begin with its name. A training that is short needs none.
        """
        ...

    def score(self, models: Sequence[Any], sealed: Any) -> NDArray[Any]:
        """Return the metric of each model for each example: (models, n).

        Args:
            models: as `train` and `load` give them.
            sealed: what `SealedTest.open` gave.
        """
        ...

    def save(self, folder: Path, trained: Trained, details: Mapping[str, Any]) -> None:
        """Write a model, in place of any other in the folder, with `model.json` as `write_about` does.

        Args:
            folder: created if it does not exist.
            trained: what `train` returned.
            details: JSON to keep in `model.json`.

        Raises:
            StorageError: it cannot be written.
        """
        ...

    def load(self, folder: Path) -> Any:
        """Return a model that `save` wrote, as `score` takes it.

        Raises:
            StorageError: it is missing, damaged, or of another task.
        """
        ...

    def describe(self) -> Description:
        """Return what a user should know of the data and the training; may load the data."""
        return Description()

    def work(self, params: Mapping[str, Any]) -> float:  # noqa: ARG002 - a task that knows more uses them
        """Return about how much arithmetic one step of a configuration takes, in any unit.

        Re-runs are limited by it and not by seconds alone, as with seconds the same seed would not give the same run.
        """
        return 1.0

    def objective(
        self,
        trial: LiveTrial,
        keep: Callable[[Trained], None] | None = None,
        checkpoints: Path | None = None,
    ) -> float:
        """Train a trial's configuration and return the metric on the validation data; all steps are reported.

        Args:
            trial: gives the configuration, and takes reports and the attributes of the training.
            keep: called with every training that was not pruned, where it was trained.
            checkpoints: a folder for the checkpoints of running trials: a trial that was killed goes on.

        Raises:
            TrialPruned: the trial's pruner decided so.
        """
        return run_trial(self, trial, keep, checkpoint_file(checkpoints, trial.number, self.seed, trial.params))


def trial_seed(seed: int, number: int) -> int:
    """Return the seed of a trial's training: that of the task, and the trial's number."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])


def checkpoint_file(folder: Path | None, number: int, *what: Any, suffix: str = ".checkpoint") -> Path | None:
    """Return the file of a trial's checkpoint; None without a folder.

    Its name holds what is trained, so that the checkpoint of another study is never taken for it.
    """
    if folder is None:
        return None
    text = json.dumps(what, sort_keys=True, default=str)
    return Path(folder) / f"trial-{number}-{hashlib.sha256(text.encode()).hexdigest()[:12]}{suffix}"


def run_trial(
    task: Task, trial: LiveTrial, keep: Callable[[Trained], None] | None = None, checkpoint: Path | None = None
) -> float:
    """Train a trial's configuration as `Task.objective` does; arguments and errors are its.

    The checkpoint is deleted when the training ends, and stays for the next owner of a trial that was taken away.
    """
    last, pruned = 0, False

    def on_report(value: float, step: int) -> bool:
        nonlocal last, pruned
        trial.report(value, step)
        last, pruned = step, trial.should_prune()
        return pruned

    try:
        trained = task.train(trial.params, trial_seed(task.seed, trial.number), on_report, checkpoint)
    except LeaseLost:
        raise  # the next owner goes on from the checkpoint
    except Exception:
        _forget(checkpoint)
        raise
    for key, value in trained.attrs.items():
        trial.set_user_attr(key, value)
    _forget(checkpoint)
    if pruned:
        raise TrialPruned(f"trial {trial.number} was pruned after {task.step} {last}")
    if keep is not None:
        keep(trained)
    return trained.value


def _forget(checkpoint: Path | None) -> None:
    if checkpoint is not None:
        for path in checkpoint.parent.glob(f"{escape(checkpoint.name)}*"):
            path.unlink(missing_ok=True)
