"""ImageTask: data, space and training of an image classifier, ready for `study.optimize`."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ...errors import LeaseLost, TrainingError, TrialPruned
from ...space import Choice, Domain, Float, Ordinal, Space
from ...train import EpochResult, FitResult, TrainSettings, fit, predict, seeded, threads, training_space
from ...train.epoch_log import EpochLog
from .augment import Augmentation, augmentation_space
from .data import KNOWN, ImageData, check_size, check_source, read_data
from .network import CnnSettings, build_cnn, count_parameters, network_space
from .split import Prepared, check_split, prepare

_log = logging.getLogger("luthier")

_STEPS = 16  # an epoch of fewer steps teaches too little to be worth trying


class LiveTrial(Protocol):
    """What the objective needs of a trial."""

    @property
    def params(self) -> dict[str, Any]:
        """The whole configuration."""
        ...

    number: int

    def report(self, value: float, step: int) -> None:
        """Say an intermediate value."""
        ...

    def should_prune(self) -> bool:
        """Whether to stop now."""
        ...

    def set_user_attr(self, key: str, value: Any) -> None:
        """Attach a JSON value."""
        ...


@dataclass(frozen=True, eq=False)
class Trained:
    """A model that was trained, with its best weights.

    >>> from luthier.tasks.image import ImageTask
    >>> task = ImageTask("digits", epochs=1, limit=200)
    >>> trained = task.train(task.space.defaults(), seed=0)
    >>> 0 <= trained.accuracy <= 1
    True

    Attributes:
        model: the network.
        params: the configuration.
        seed: of its weights, order, augmentation and dropout.
        result: the epochs and how they ended.
        accuracy: on the validation data in the best epoch; NaN if the first epoch diverged.
    """

    model: nn.Module
    params: dict[str, Any]
    seed: int
    result: FitResult
    accuracy: float


@dataclass(frozen=True, eq=False)
class ImageTask:
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

    _told: ClassVar[bool] = False  # whether the notes on the data were shown

    def __post_init__(self) -> None:
        if not isinstance(self.data, ImageData):
            check_source(self.data)
        check_size(self.size)
        check_split(self.seed, self.validation, self.test, self.limit)
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
        return state | {"_told": self._told or "prepared" in self.__dict__}  # a worker does not repeat the notes

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

    def build(self, params: Mapping[str, Any], seed: int = 0) -> nn.Module:
        """The untrained network of a configuration."""
        with seeded(seed, self.device):
            model = build_cnn(self.prepared.shape, len(self.prepared.classes), CnnSettings.from_params(params))
        return model.to(self.device)

    def train(
        self,
        params: Mapping[str, Any],
        seed: int = 0,
        on_epoch: Callable[[EpochResult], bool] | None = None,
        checkpoint: Path | None = None,
    ) -> Trained:
        """Train one configuration.

        Args:
            params: such as `space.defaults()` or `study.best_params`; what it lacks keeps the default of its settings.
            seed: of everything random in it.
            on_epoch: called after each epoch, also again for those before an interruption; True ends the training.
            checkpoint: a file to go on from and to write after each epoch; see `fit`.

        Raises:
            DataError, TrainingError: as for `prepared` and `fit`.
        """
        fixed = {"epochs": self.epochs, "patience": self.patience}
        settings = TrainSettings.from_params(
            params, seed=seed, **{name: value for name, value in fixed.items() if name not in params}
        )
        augmentation = Augmentation.from_params(params)
        log = None if checkpoint is None else EpochLog(checkpoint)
        if log is not None:
            before = log.read()
            log.start(before)
            for epoch in before:
                if on_epoch is not None:
                    on_epoch(epoch)

        def after_epoch(epoch: EpochResult) -> bool:
            if log is not None:
                log.append(epoch)
            return on_epoch is not None and on_epoch(epoch)

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
        return Trained(model, dict(params), seed, result, accuracy)

    def objective(self, trial: LiveTrial) -> float:
        """Validation accuracy of a trial's configuration, to be maximised; every epoch is reported.

        Attaches epochs, best_epoch, seconds, parameters (how many numbers the network learns), stopped and warnings.

        Raises:
            TrialPruned: the trial's pruner said so.
        """
        params = trial.params
        pruned = False

        def on_epoch(epoch: EpochResult) -> bool:
            nonlocal pruned
            assert epoch.accuracy is not None
            trial.report(epoch.accuracy, epoch.epoch)
            pruned = trial.should_prune()
            return pruned

        checkpoint = self._checkpoint(trial.number, params)
        seed = int(np.random.SeedSequence((self.seed, trial.number)).generate_state(1)[0])
        try:
            trained = self.train(params, seed, on_epoch, checkpoint)
        except LeaseLost:
            raise  # the next owner goes on from the checkpoint
        except Exception:
            _forget(checkpoint)
            raise
        result = trained.result
        attrs = {
            "epochs": len(result.epochs),
            "best_epoch": result.best_epoch,
            "seconds": round(result.seconds, 3),
            "parameters": count_parameters(trained.model),
            "stopped": result.stopped,
            "warnings": list(result.warnings),
        }
        for key, value in attrs.items():
            trial.set_user_attr(key, value)
        _forget(checkpoint)
        if pruned:
            raise TrialPruned(f"trial {trial.number} was pruned after epoch {len(result.epochs)}")
        self.on_complete(trial.number, trained)
        return trained.accuracy

    def on_complete(self, number: int, trained: Trained) -> None:
        """Called with every trial of `objective` that was not pruned, where it was trained; for subclasses."""

    def check(self, *models: nn.Module, reason: str = "final check", again: bool = False) -> NDArray[np.bool_]:
        """Which examples of the sealed test set each model classifies rightly: (models, n).

        All models that are to be compared are given at once, as the set opens once.

        Raises:
            SealBroken: it was opened before, and `again` is False.
        """
        test = self.prepared.sealed.open(reason, again)
        with threads(self.threads):
            answers = [predict(model, test.inputs).argmax(dim=1).cpu() for model in models]
        return np.stack([(answer == test.targets).numpy() for answer in answers])

    def _checkpoint(self, number: int, params: Mapping[str, Any]) -> Path | None:
        """A trial's checkpoint; its name holds the configuration, so that another study's is never taken for it."""
        if self.checkpoints is None:
            return None
        text = json.dumps([self.seed, self.epochs, self.patience, dict(params)], sort_keys=True, default=str)
        return Path(self.checkpoints) / f"trial-{number}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.pt"


def _forget(checkpoint: Path | None) -> None:
    if checkpoint is not None:
        EpochLog(checkpoint).remove()


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
