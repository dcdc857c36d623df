"""fit: the training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import TensorDataset

from .checkpoint import load_checkpoint, save_checkpoint
from .data import Tensors, as_tensors, number_of_batches, shuffled_batches
from .early_stopping import EarlyStopping
from .evaluation import check_model, device_of, scores
from .gradients import GradientMonitor
from .initialize import initialize
from .losses import make_loss
from .optimizers import NORMALIZATIONS, make_optimizer, split_parameters
from .schedules import Schedule
from .seeding import derived_seed, seeded
from .settings import TrainSettings

Augment: TypeAlias = Callable[[Tensor, torch.Generator], Tensor]
Stopped: TypeAlias = Literal["finished", "patience", "stopped", "diverged"]

_SHUFFLE, _AUGMENT, _DROPOUT = range(3)  # purposes of an epoch's seeds


@dataclass(frozen=True)
class EpochResult:
    """Holds the result of one epoch; `fit` passes it to `on_epoch`.

    >>> from luthier.train import EpochResult
    >>> epoch = EpochResult(3, 0.4, loss=0.5, accuracy=0.8, learning_rate=0.01, gradient_norm=1.2, seconds=2.0)
    >>> f"epoch {epoch.epoch}: {epoch.accuracy:.0%}"
    'epoch 3: 80%'

    Attributes:
        epoch: from 1.
        train_loss: mean over the epoch as the weights changed, with label smoothing, without penalties.
        loss: mean on the validation data, without label smoothing and penalties; NaN if the epoch diverged.
        accuracy: share of the validation data; None for regression, NaN if the epoch diverged.
        learning_rate: of the epoch's first step.
        gradient_norm: of all gradients together in the epoch's first step, before clipping and L1.
        seconds: training and validation.
    """

    epoch: int
    train_loss: float
    loss: float
    accuracy: float | None
    learning_rate: float
    gradient_norm: float
    seconds: float


@dataclass(frozen=True)
class FitResult:
    """Holds the result of a training.

    >>> import torch
    >>> from luthier.train import Tensors, TrainSettings, fit
    >>> data = Tensors(torch.eye(2), torch.tensor([0, 1]))
    >>> result = fit(torch.nn.Linear(2, 2), data, data, TrainSettings(epochs=3, monitor="loss"))
    >>> len(result.epochs), result.stopped, result.best_value == min(epoch.loss for epoch in result.epochs)
    (3, 'finished', True)

    Attributes:
        epochs: all that were run, those before an interruption among them.
        best_epoch: the one whose weights the model has now; 0, its weights at the start, if the first diverged.
        best_value: of the monitored value in that epoch; NaN if the first diverged.
        stopped: "finished", "patience" (no gain for long), "stopped" (`on_epoch` returned True) or "diverged".
        seconds: sum over the epochs.
        warnings: what was wrong with the gradients or the loss, in plain words with what to try.
    """

    epochs: tuple[EpochResult, ...]
    best_epoch: int
    best_value: float
    stopped: Stopped
    seconds: float
    warnings: tuple[str, ...]


def fit(
    model: nn.Module,
    train: Tensors | TensorDataset,
    validation: Tensors | TensorDataset,
    settings: TrainSettings,
    *,
    augment: Augment | None = None,
    on_epoch: Callable[[EpochResult], bool] | None = None,
    checkpoint: Path | str | None = None,
) -> FitResult:
    """Train a model where its parameters live; it ends with the weights of its best epoch.

    >>> import torch
    >>> from luthier.train import Tensors, TrainSettings, fit
    >>> x = torch.linspace(-1, 1, 64).reshape(-1, 1)
    >>> data = Tensors(x, (x[:, 0] > 0).long())
    >>> model = torch.nn.Linear(1, 2)
    >>> result = fit(model, data, data, TrainSettings(epochs=20, learning_rate=0.1, batch_size=16))
    >>> result.stopped, result.best_value > 0.9
    ('finished', True)

    All randomness of epoch e (order, augmentation, dropout) comes from `settings.seed` and e; the caller's generators
    are as before when the function returns and while `on_epoch` runs. On the CPU the same model, data, settings
    and number of threads give the same weights, bit for bit, interrupted or not.

    A training whose loss becomes NaN or infinite ends as "diverged" with the best weights so far. No exception is
    raised, so that a search continues: `best_value` is NaN if there was no good epoch. Normalisation layers whose
    parameters are frozen stay in evaluation mode, so that their statistics are frozen too.

    Args:
        model: changed in place.
        train: examples that are learned.
        validation: examples on which every epoch is judged.
        settings: everything else.
        augment: changes a batch of training inputs on the model's device; its generator lives there too.
        on_epoch: called after every epoch that did not diverge; True ends the training as "stopped".
        checkpoint: a file written after every epoch. If it exists, the training continues from it: with
            the next epoch if it was killed or "stopped"; otherwise the earlier result is returned. So a training in
            portions (one rung of a scheduler after another) keeps its settings and is stopped by `on_epoch`, which is
            not called again for earlier epochs.

    Raises:
        TrainingError: the model cannot be trained like this, or the checkpoint is damaged or of another training.
        DataError: the data is empty, not finite, or does not fit the loss or the model.
    """
    training = _Training(model, as_tensors(train), as_tensors(validation), settings, augment)
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None and path.exists():
        training.load_state_dict(load_checkpoint(path, training.identity(), training.device))
    wanted = False
    while training.stopped is None and not wanted:
        result = training.epoch()
        if on_epoch is not None and training.stopped != "diverged":
            wanted = bool(on_epoch(result))
        if path is not None:
            save_checkpoint(path, training.identity(), training.state_dict())
    return training.result("stopped" if wanted else None)


class _Training:
    """A training between two epochs."""

    def __init__(
        self, model: nn.Module, train: Tensors, validation: Tensors, settings: TrainSettings, augment: Augment | None
    ) -> None:
        self.model, self.settings = model, settings
        self.device = device_of(model)
        self.stopped: Stopped | None = None
        self._train, self._validation, self._augment = train, validation, augment
        for data in (train, validation):
            check_model(model, data, settings.loss)  # also gives lazy layers their shapes
        initialize(model, settings.initialization, derived_seed(settings.seed, 0))
        self._weights, others = split_parameters(model)
        self._parameters = self._weights + others
        self._loss = make_loss(settings.loss, settings.label_smoothing)
        self._batches = number_of_batches(len(train), settings.batch_size)
        self._optimizer = make_optimizer(model, settings)
        self._schedule = Schedule(self._optimizer, settings, settings.epochs * self._batches)
        self._stopping = EarlyStopping(model, settings)
        self._monitor = GradientMonitor()
        self._epochs: list[EpochResult] = []
        self._warnings: list[str] = []

    def epoch(self) -> EpochResult:
        """Run the next epoch."""
        started, epoch, rate = time.perf_counter(), len(self._epochs) + 1, self._schedule.rate
        train_loss, norm = self._learn(epoch)
        loss, accuracy = math.nan, math.nan if self.settings.is_classification else None
        if math.isfinite(train_loss):
            found = scores(self.model, self._validation, self.settings.loss)
            loss, accuracy = found["loss"], found.get("accuracy")
        result = EpochResult(epoch, train_loss, loss, accuracy, rate, norm, time.perf_counter() - started)
        self._epochs.append(result)
        self._judge(result)
        return result

    def _learn(self, epoch: int) -> tuple[float, float]:
        """One pass over the training data: its mean loss, and the gradients' norm in the first step."""
        settings, device, data = self.settings, self.device, self._train
        seeds = [derived_seed(settings.seed, epoch, purpose) for purpose in (_SHUFFLE, _AUGMENT, _DROPOUT)]
        batches = shuffled_batches(len(data), self._batches, torch.Generator().manual_seed(seeds[_SHUFFLE]))
        generator = torch.Generator(device).manual_seed(seeds[_AUGMENT])
        total, norm = torch.zeros((), dtype=torch.float64, device=device), 0.0
        _training_mode(self.model)
        with seeded(seeds[_DROPOUT], device):
            for i, rows in enumerate(batches):
                rows = rows.to(data.inputs.device)
                inputs, targets = data.inputs.index_select(0, rows), data.targets.index_select(0, rows)
                inputs, targets = inputs.to(device), targets.to(device)
                if self._augment is not None:
                    inputs = self._augment(inputs, generator)
                loss = self._loss(self.model(inputs), targets)
                self._optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                if i == 0:
                    norm = self._monitor.observe(self.model, epoch)
                self._penalize()
                if settings.gradient_clip is not None:
                    clip_grad_norm_(self._parameters, settings.gradient_clip)
                self._optimizer.step()
                self._schedule.step()
                total += loss.detach() * len(rows)
        return total.item() / len(data), norm

    def _penalize(self) -> None:
        """Add the gradient of l1 · Σ|w|."""
        if self.settings.l1:
            with torch.no_grad():
                for weight in self._weights:
                    if weight.grad is not None:
                        weight.grad.add_(weight.sign(), alpha=self.settings.l1)

    def _judge(self, result: EpochResult) -> None:
        if not (math.isfinite(result.train_loss) and math.isfinite(result.loss)):
            self.stopped = "diverged"
            self._warnings.append(
                f"epoch {result.epoch}: the loss is no longer finite: the training diverged; try a learning_rate "
                f"below {self.settings.learning_rate:g}, gradient_clip=1.0 or warmup=0.1"
            )
            return
        value = result.accuracy if self.settings.monitored == "accuracy" else result.loss
        assert value is not None
        self._schedule.epoch(value)
        if self._stopping.seen(result.epoch, value):
            self.stopped = "patience"
        if result.epoch == self.settings.epochs:
            self.stopped = "finished"

    def result(self, stopped: Stopped | None) -> FitResult:
        """What the training came to; the model gets its best weights."""
        self._stopping.restore()
        ended = stopped or self.stopped
        assert ended is not None
        return FitResult(
            tuple(self._epochs),
            self._stopping.best_epoch,
            self._stopping.best_value,
            ended,
            sum(epoch.seconds for epoch in self._epochs),
            (*self._monitor.warnings, *self._warnings),
        )

    def identity(self) -> dict[str, Any]:
        """What a checkpoint of this training belongs to."""
        return {
            "settings": asdict(self.settings),
            "model": {
                name: f"{tuple(tensor.shape)} {tensor.dtype}" for name, tensor in self.model.state_dict().items()
            },
            "data": {"train": _shapes(self._train), "validation": _shapes(self._validation)},
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on; randomness needs no state, as it comes from seed and epoch."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "stopping": self._stopping.state_dict(),
            "monitor": self._monitor.state_dict(),
            "epochs": [asdict(epoch) for epoch in self._epochs],
            "warnings": self._warnings,
            "stopped": self.stopped,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._stopping.load_state_dict(state["stopping"])
        self._monitor.load_state_dict(state["monitor"])
        self._epochs = [EpochResult(**epoch) for epoch in state["epochs"]]
        self._warnings, self.stopped = list(state["warnings"]), state["stopped"]


def _training_mode(model: nn.Module) -> None:
    model.train()
    for module in model.modules():
        if isinstance(module, NORMALIZATIONS):
            own = list(module.parameters(recurse=False))
            if own and not any(parameter.requires_grad for parameter in own):
                module.eval()


def _shapes(data: Tensors) -> str:
    return f"inputs {tuple(data.inputs.shape)}, targets {tuple(data.targets.shape)}"
