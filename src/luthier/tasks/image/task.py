"""ImageTask: data, space and training of an image classifier, ready for `study.optimize`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ...errors import TrainingError
from ...space import Choice, Domain, Float, Ordinal, Space
from ...train import EpochResult, FitResult, Tensors, TrainSettings, fit, predict, seeded, threads, training_space
from ...train.epoch_log import EpochLog
from ..sealed import SealedTest
from ..task import Description, LiveTrial, OnReport, Task, Trained, checkpoint_file, run_trial
from .augment import Augmentation, augmentation_space
from .data import KNOWN, ImageData, check_size, check_source
from .load import read_data
from .model_file import TASK, load_model, save_model
from .network import CnnSettings, build_cnn, count_parameters, network_space
from .split import Prepared, check_split, prepare
from .work import operations_per_image

_log = logging.getLogger("luthier")

_STEPS = 16  # an epoch of fewer steps teaches too little to be worth trying


@dataclass(frozen=True, eq=False)
class TrainedNetwork(Trained):
    """A network that was trained, with its best weights.

    >>> from luthier.tasks.image import ImageTask
    >>> task = ImageTask("digits", epochs=1, limit=200)
    >>> trained = task.train(task.space.defaults(), seed=0)
    >>> trained.attrs["epochs"], trained.result.stopped
    (1, 'finished')

    Attributes:
        model: the network.
        seed: of its weights, order, augmentation and dropout.
        value: accuracy on the validation data in the best epoch; NaN if the first epoch diverged.
        attrs: epochs, best_epoch, seconds, parameters (how many numbers the network learns), stopped and warnings.
        result: the epochs and how they ended.
    """

    result: FitResult = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class ImageTask(Task):
    """An image classifier to tune: `study.optimize(task.objective)` over `task.space`, with direction "maximize".

    >>> import luthier as lt
    >>> from luthier.tasks.image import ImageTask
    >>> task = ImageTask("digits", epochs=1, limit=200)
    >>> study = lt.create_study(space=task.space, direction="maximize", seed=0)
    >>> study.optimize(task.objective, n_trials=1)
    >>> 0 <= study.best_value <= 1
    True

    Data is loaded on first use. A pickled task that was made from a source carries the source alone, and each
    worker process loads it once; one that was made from `ImageData` carries the arrays.

    Args:
        data: what `load_images` takes, or an `ImageData`.
        epochs: maximum per training.
        patience: epochs without gain in validation accuracy before a training ends; None for never.
        seed: decides the split, and with a trial's number the seed of its training.
        augment: "auto" searches rotation and shift, and flips where images have colour (mirrored digits and
            letters are others); True searches all of `Augmentation`; False changes no image.
        validation, test: shares that are held out; see `prepare`.
        limit: at most this many images to train and validate on.
        size: height and width for folders of images of different sizes.
        skip_broken: leave out images that cannot be read instead of raising an error that lists them.
        search: what to search; None for `default_space`. Its names are fields of `CnnSettings`,
            `TrainSettings` and `Augmentation`.
        checkpoints: a folder for the checkpoints of running trials: a trial that was killed goes on bit for bit.
        marker: a file that records when the sealed test set was opened; see `SealedTest`.
        device: where models train.
        threads: PyTorch's threads in a training; with several workers, one each is fastest.

    Raises:
        DataError: `data`, `size`, `seed`, `limit` or a share cannot be what it is.
        TrainingError: `search` has a parameter that nothing would use, or `augment` is not one of the three.
    """

    data: str | Path | ImageData
    epochs: int = 25
    patience: int | None = 10
    seed: int = 0
    augment: Literal["auto"] | bool = "auto"
    validation: float = 0.2
    test: float = 0.2
    limit: int | None = None
    size: tuple[int, int] | None = None
    search: Space | None = None
    checkpoints: Path | None = None
    marker: Path | None = None
    device: str = "cpu"
    threads: int = 1
    skip_broken: bool = False

    # of every such task; without annotations, so that they are not fields
    name = TASK
    metric = "accuracy"
    direction = "maximize"
    bounds = (0.0, 1.0)
    step = "epoch"

    _told: ClassVar[bool] = False  # whether the notes on the data were shown
    _given: ClassVar[str] = ""  # the source, as the caller wrote it

    def __post_init__(self) -> None:
        if not isinstance(self.data, ImageData):
            check_source(self.data)
        check_size(self.size)
        check_split(self.seed, self.validation, self.test, self.limit)
        object.__setattr__(self, "_given", self.data.name if isinstance(self.data, ImageData) else str(self.data))
        if not isinstance(self.data, ImageData) and self.data not in KNOWN and Path(self.data).exists():
            object.__setattr__(self, "data", Path(self.data).resolve())  # a worker may run in another folder
        if self.augment not in ("auto", True, False):
            raise TrainingError(f"augment={self.augment!r} must be 'auto', True or False")
        if self.search is not None:
            used = {f.name for kind in (CnnSettings, TrainSettings, Augmentation) for f in fields(kind)}
            for name in self.search.names:
                if name not in used:
                    raise TrainingError(f"nothing uses the parameter {name!r}: choose among {', '.join(sorted(used))}")

    def __getstate__(self) -> dict[str, Any]:
        state = {f.name: getattr(self, f.name) for f in fields(self)}  # without what was loaded
        told = self._told or "prepared" in self.__dict__  # a worker does not repeat the notes
        return state | {"_told": told, "_given": self._given}

    @cached_property
    def prepared(self) -> Prepared:
        """The split and normalised data; its notes are logged once.

        Raises:
            DataError: as for `load_images` and `prepare`.
        """
        data = self.data if isinstance(self.data, ImageData) else read_data(self.data, self.size, self.skip_broken)
        made = prepare(data, self.seed, self.validation, self.test, self.limit, self.marker)
        if not self._told:
            for note in made.notes:
                _log.warning("%s: %s", made.name, note)
        return made

    def notes(self) -> tuple[str, ...]:
        """What the user should know of the data, for a caller that prints it itself: then it is not logged.

        Raises:
            DataError: as for `prepared`.
        """
        object.__setattr__(self, "_told", True)
        return self.prepared.notes

    @cached_property
    def space(self) -> Space:
        """What is searched; `space.defaults()` is the baseline."""
        if self.search is not None:
            return self.search
        return default_space(self.prepared.shape, self.augment, len(self.prepared.train))

    @property
    def problem(self) -> str:
        """What is to be done, in words."""
        return f"classify the images of {self._given}"

    @property
    def max_steps(self) -> int:
        """The most epochs of a training."""
        return self.epochs

    @property
    def sealed(self) -> SealedTest[Tensors]:
        """The test set: inputs (n, c, h, w) and targets (n,)."""
        return self.prepared.sealed

    def describe(self) -> Description:
        """Return images, classes, split and normalisation; loads the data.

        Raises:
            DataError: as for `prepared`.
        """
        notes, prepared = self.notes(), self.prepared
        channels, height, width = prepared.shape
        facts = {
            "images": f"{height}×{width}, {channels} channel{'s' if channels > 1 else ''}",
            "classes": f"{len(prepared.classes)}: {_listed(prepared.classes)}",
            "split": f"{len(prepared.train)} to train, {len(prepared.validation)} to validate, {len(prepared.sealed)} "
            f"sealed for the final check; stratified by class, seed {self.seed}",
            "normalisation": "each channel to mean 0 and deviation 1, measured on the training part alone",
        }
        stop = "" if self.patience is None else f"early stopping after {self.patience} epochs without gain, "
        return Description(facts, notes, f"{stop}best weights restored")

    def work(self, params: Mapping[str, Any]) -> float:
        """Return about how many operations one image costs in an epoch of a configuration."""
        return operations_per_image(self.prepared.shape, len(self.prepared.classes), params)

    def build(self, params: Mapping[str, Any], seed: int = 0) -> nn.Module:
        """The untrained network of a configuration."""
        with seeded(seed, self.device):
            model = build_cnn(self.prepared.shape, len(self.prepared.classes), CnnSettings.from_params(params))
        return model.to(self.device)

    def train(
        self,
        params: Mapping[str, Any],
        seed: int = 0,
        on_report: OnReport | None = None,
        checkpoint: Path | None = None,
    ) -> TrainedNetwork:
        """Train one configuration.

        Args:
            params: such as `space.defaults()` or `study.best_params`; what it lacks keeps the default of its settings.
            seed: of everything random in it.
            on_report: called with the validation accuracy and the number of each epoch, also again for those before an
                interruption; True ends the training.
            checkpoint: a file to go on from and to write after each epoch; see `fit`.

        Raises:
            DataError, TrainingError: as for `prepared` and `fit`.
        """
        fixed = {"epochs": self.epochs, "patience": self.patience}
        settings = TrainSettings.from_params(
            params, seed=seed, **{name: value for name, value in fixed.items() if name not in params}
        )
        augmentation = Augmentation.from_params(params)

        def report(epoch: EpochResult) -> bool:
            assert epoch.accuracy is not None  # these are classes
            return on_report is not None and on_report(epoch.accuracy, epoch.epoch)

        log = None if checkpoint is None else EpochLog(checkpoint)
        if log is not None:
            before = log.read()
            log.start(before)
            for epoch in before:
                report(epoch)

        def after_epoch(epoch: EpochResult) -> bool:
            if log is not None:
                log.append(epoch)
            return report(epoch)

        with threads(self.threads):
            model = self.build(params, seed)
            result = fit(
                model,
                self.prepared.train,
                self.prepared.validation,
                settings,
                augment=None if augmentation.is_identity else augmentation,
                on_epoch=after_epoch,
                checkpoint=checkpoint,
            )
        accuracy = result.epochs[result.best_epoch - 1].accuracy if result.best_epoch else float("nan")
        assert accuracy is not None
        attrs = {
            "epochs": len(result.epochs),
            "best_epoch": result.best_epoch,
            "seconds": round(result.seconds, 3),
            "parameters": count_parameters(model),
            "stopped": result.stopped,
            "warnings": list(result.warnings),
        }
        return TrainedNetwork(model, dict(params), seed, accuracy, attrs, result=result)

    def objective(
        self, trial: LiveTrial, keep: Callable[[Trained], None] | None = None, checkpoints: Path | None = None
    ) -> float:
        """Return the validation accuracy of a trial's configuration, to be maximised; every epoch is reported.

        Attaches the attributes of `TrainedNetwork`.

        Args:
            trial: gives the configuration.
            keep: called with every training that was not pruned, where it was trained.
            checkpoints: a folder, in place of the task's.

        Raises:
            TrialPruned: the trial's pruner decided so.
        """
        folder = self.checkpoints if checkpoints is None else checkpoints
        what = (self.seed, self.epochs, self.patience, trial.params)
        return run_trial(self, trial, keep, checkpoint_file(folder, trial.number, *what, suffix=".pt"))

    def score(self, models: Sequence[nn.Module], sealed: Tensors) -> NDArray[np.bool_]:
        """Return which examples each model classifies rightly: (models, n)."""
        with threads(self.threads):
            answers = [predict(model, sealed.inputs).argmax(dim=1).cpu() for model in models]
        return np.stack([(answer == sealed.targets).numpy() for answer in answers])

    def save(self, folder: Path, trained: Trained, details: Mapping[str, Any]) -> None:
        """Write a model as `save_model` does."""
        details = {**details, "parameters": count_parameters(trained.model)}
        save_model(folder, trained.model, trained.params, self.prepared, details)

    def load(self, folder: Path) -> nn.Module:
        """Return the network of a folder; `load_model` returns it with what it takes to predict."""
        return load_model(folder).model


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 12 else ", ".join(names[:10]) + ", ..."


def default_space(
    shape: tuple[int, int, int], augment: Literal["auto"] | bool = "auto", examples: int = 10_000
) -> Space:
    """Return the space of network, training and augmentation for that many images (c, h, w): about 14 parameters.

    >>> from luthier.tasks.image import default_space
    >>> "flip" in default_space((1, 28, 28)), "flip" in default_space((3, 32, 32))
    (False, True)

    The defaults are a plain baseline: two blocks of 32 and 64 channels with batch normalisation, a hidden layer of
    128 units, dropout, AdamW at 0.001, batches of 64, no augmentation.
    """
    batches = [size for size in (16, 32, 64, 128, 256) if size == 16 or examples // size >= _STEPS]
    training = training_space(
        *("batch_size", "optimizer", "learning_rate", "schedule"),
        batch_size=Ordinal(batches, default=min(64, batches[-1])),
        optimizer=Choice(["sgd", "adamw", "rmsprop"], default="adamw"),  # adam is adamw while weight decay is 0
        learning_rate=Float(3e-4, 3e-2, log=True, default=1e-3),  # below, few epochs teach nothing
        schedule=Choice(["constant", "step", "exponential", "cosine"], default="constant"),
    )
    changes: dict[str, Domain] = {}
    if augment == "auto":
        changes = augmentation_space("rotation", "shift", *(("flip",) if shape[0] == 3 else ()))
    elif augment:
        changes = augmentation_space()
    return Space({**training, **network_space(shape), **changes})
