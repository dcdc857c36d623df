"""TrainSettings: everything that a training does, as one value that never changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any, Literal, TypeAlias, get_args

from ..errors import TrainingError

OptimizerName: TypeAlias = Literal["sgd", "adam", "adamw", "rmsprop"]
ScheduleName: TypeAlias = Literal["constant", "exponential", "step", "cosine", "cyclic", "plateau"]
LossName: TypeAlias = Literal["cross_entropy", "focal", "bce", "mse", "mae", "huber"]
InitializationName: TypeAlias = Literal["default", "he", "xavier", "orthogonal"]
MonitorName: TypeAlias = Literal["auto", "accuracy", "loss"]

CLASSIFICATION_LOSSES: tuple[LossName, ...] = ("cross_entropy", "focal", "bce")
"""Losses whose models give logits; the others are for regression."""

_NAMES: dict[str, tuple[str, ...]] = {
    "optimizer": get_args(OptimizerName),
    "schedule": get_args(ScheduleName),
    "loss": get_args(LossName),
    "initialization": get_args(InitializationName),
    "monitor": get_args(MonitorName),
}
_WHOLE = {"epochs": 1, "batch_size": 1, "cycles": 1, "plateau_patience": 0, "patience": 1, "seed": 0}  # smallest
_NUMBERS: dict[str, tuple[str, float, float, str]] = {  # interval as written, kept apart for the message
    "learning_rate": ("(", 0.0, math.inf, ")"),
    "momentum": ("[", 0.0, 1.0, ")"),
    "beta2": ("[", 0.0, 1.0, ")"),
    "weight_decay": ("[", 0.0, math.inf, ")"),
    "l1": ("[", 0.0, math.inf, ")"),
    "label_smoothing": ("[", 0.0, 1.0, ")"),
    "gradient_clip": ("(", 0.0, math.inf, ")"),
    "decay": ("(", 0.0, 1.0, ")"),
    "step_every": ("(", 0.0, 1.0, "]"),
    "lr_floor": ("[", 0.0, 1.0, ")"),
    "warmup": ("[", 0.0, 1.0, ")"),
    "min_delta": ("[", 0.0, math.inf, ")"),
}
_MAY_BE_NONE = ("gradient_clip", "patience")


@dataclass(frozen=True)
class TrainSettings:
    """Says how a network is trained.

    >>> from luthier.train import TrainSettings
    >>> settings = TrainSettings(epochs=10, optimizer="sgd", momentum=0.95, schedule="cosine", patience=3)
    >>> settings.monitored, settings.direction
    ('accuracy', 'maximize')
    >>> TrainSettings.from_params({"learning_rate": 0.01, "width": 64}, epochs=5).learning_rate
    0.01

    Attributes:
        epochs: passes over the training data, at most.
        batch_size: examples a step, at most: batches of one epoch are as equal as can be.
        optimizer: "sgd", "adam", "adamw" or "rmsprop".
        learning_rate: the highest that the schedule reaches.
        momentum: of sgd and rmsprop; the others ignore it.
        beta2: memory of the squared gradients of adam and adamw; the others ignore it.
        weight_decay: L2 on weights, never on biases and normalisation layers; decoupled for adamw.
        l1: factor of the sum of absolute weights, the same weights as `weight_decay`.
        label_smoothing: share of the target spread over all classes; classification alone.
        gradient_clip: largest norm of all gradients together; None for no clipping.
        schedule: "constant", "exponential", "step", "cosine", "cyclic" or "plateau"; see `rate_factor`.
        decay: factor of each reduction by "step" and "plateau".
        step_every: share of the training between two reductions by "step".
        lr_floor: share of the learning rate where "exponential" and "cosine" end, from which "cyclic" starts,
            and below which "plateau" does not go.
        cycles: triangles of "cyclic" in the whole training.
        plateau_patience: epochs without gain that "plateau" accepts before it reduces.
        warmup: share of the steps in which the rate first rises from near zero.
        loss: "cross_entropy", "focal" (classes as integers), "bce" (0 or 1, one or more outputs), "mse", "mae"
            or "huber" (regression).
        initialization: "he", "xavier" or "orthogonal" draw the trainable weights again before the first step;
            "default" leaves the model as it is, and is the one for pre-trained weights.
        patience: epochs without gain before the training ends early; None for never.
        min_delta: the gain in the monitored value that counts, for `patience` and for "plateau".
        monitor: what decides which epoch is the best: "accuracy" (more is better) or "loss" (less is better) on
            the validation data; "auto" is accuracy for classification and loss for regression.
        seed: what all randomness of the training comes from.

    Raises:
        TrainingError: a field outside its range, or fields that exclude each other.
    """

    epochs: int = 20
    batch_size: int = 64
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0
    l1: float = 0.0
    label_smoothing: float = 0.0
    gradient_clip: float | None = None
    schedule: ScheduleName = "constant"
    decay: float = 0.3
    step_every: float = 0.3
    lr_floor: float = 0.01
    cycles: int = 4
    plateau_patience: int = 3
    warmup: float = 0.0
    loss: LossName = "cross_entropy"
    initialization: InitializationName = "default"
    patience: int | None = None
    min_delta: float = 0.0
    monitor: MonitorName = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in _NAMES.items():
            if getattr(self, name) not in allowed:
                raise TrainingError(f"{name}={getattr(self, name)!r} is not one of {', '.join(map(repr, allowed))}")
        for name, smallest in _WHOLE.items():
            object.__setattr__(self, name, _whole(name, getattr(self, name), smallest))
        for name in _NUMBERS:
            object.__setattr__(self, name, _number(name, getattr(self, name)))
        if self.label_smoothing and not self.is_classification:
            raise TrainingError(
                f"label_smoothing={self.label_smoothing} needs classes, but loss={self.loss!r} is for regression: "
                "set it to 0"
            )
        if self.monitor == "accuracy" and not self.is_classification:
            raise TrainingError(f"monitor='accuracy' needs classes, but loss={self.loss!r} has none: use 'loss'")
        if self.schedule == "exponential" and self.lr_floor == 0:
            raise TrainingError("schedule='exponential' never reaches lr_floor=0: use a small number such as 0.001")

    @property
    def is_classification(self) -> bool:
        """Whether the model's outputs are logits and accuracy exists."""
        return self.loss in CLASSIFICATION_LOSSES

    @property
    def monitored(self) -> Literal["accuracy", "loss"]:
        """What decides which epoch is the best."""
        if self.monitor == "auto":
            return "accuracy" if self.is_classification else "loss"
        return self.monitor

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Which way the monitored value should go."""
        return "maximize" if self.monitored == "accuracy" else "minimize"

    @classmethod
    def from_params(cls, params: Mapping[str, Any], **fixed: Any) -> TrainSettings:
        """Return the settings that a configuration describes.

        Args:
            params: a configuration; names that are not fields are ignored: they are meant for others.
            **fixed: fields that the configuration does not decide; they win over it.

        Raises:
            TrainingError: a name in `fixed` is not a field, or as for the class.
        """
        names = [field.name for field in fields(cls)]
        for name in fixed:
            if name not in names:
                raise TrainingError(f"{name!r} is not a setting of a training: the settings are {', '.join(names)}")
        return cls(**{name: params[name] for name in names if name in params} | fixed)


def _whole(name: str, value: Any, smallest: int) -> int | None:
    if value is None and name in _MAY_BE_NONE:
        return None
    if isinstance(value, bool) or not isinstance(value, Integral) or value < smallest:
        raise TrainingError(f"{name}={value!r} must be a whole number of at least {smallest}{_or_none(name)}")
    return int(value)


def _number(name: str, value: Any) -> float | None:
    if value is None and name in _MAY_BE_NONE:
        return None
    left, low, high, right = _NUMBERS[name]
    if not isinstance(value, bool) and isinstance(value, Real):
        x = float(value)
        if (low < x or (left == "[" and x == low)) and (x < high or (right == "]" and x == high)):
            return x
    raise TrainingError(f"{name}={value!r} must be a number in {left}{low:g}, {high:g}{right}{_or_none(name)}")


def _or_none(name: str) -> str:
    return ", or None" if name in _MAY_BE_NONE else ""
