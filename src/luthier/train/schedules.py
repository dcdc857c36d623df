"""Learning-rate schedules: one factor for every step."""

from __future__ import annotations

import math
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from .settings import TrainSettings


def rate_factor(settings: TrainSettings, step: int, steps: int) -> float:
    """Return the share of the learning rate with which step `step` of `steps` is taken; steps count from 0.

    >>> from luthier.train import TrainSettings, rate_factor
    >>> settings = TrainSettings(schedule="cosine", warmup=0.2, lr_floor=0)
    >>> [round(rate_factor(settings, step, 10), 2) for step in range(0, 10, 2)]
    [0.5, 1.0, 0.85, 0.5, 0.15]

    The first w = round(warmup · steps) steps rise as (step + 1) / w. After them, p = (step - w) / (steps - w) goes
    from 0 towards 1 and the factor is

        constant     1; "plateau" also, before its reductions
        exponential  lr_floor^p
        step         decay^floor(p / step_every)
        cosine       lr_floor + (1 - lr_floor) (1 + cos πp) / 2     (Loshchilov & Hutter 2017, eq. 5)
        cyclic       lr_floor + (1 - lr_floor) (1 - |2 (cycles · p mod 1) - 1|)     (Smith 2017, triangular)
    """
    rising = round(settings.warmup * steps)
    if step < rising:
        return (step + 1) / rising
    p, floor = (step - rising) / max(1, steps - rising), settings.lr_floor
    if settings.schedule == "exponential":
        return float(floor**p)
    if settings.schedule == "step":
        return float(settings.decay ** math.floor(p / settings.step_every + 1e-9))
    if settings.schedule == "cosine":
        return floor + (1 - floor) * (1 + math.cos(math.pi * p)) / 2
    if settings.schedule == "cyclic":
        return floor + (1 - floor) * (1 - abs(2 * (settings.cycles * p % 1) - 1))
    return 1.0


class Schedule:
    """Sets an optimiser's learning rate before every step. Not safe for threads.

    >>> import torch
    >>> from luthier.train import Schedule, TrainSettings, make_optimizer
    >>> settings = TrainSettings(learning_rate=0.1, warmup=0.5)
    >>> optimizer = make_optimizer(torch.nn.Linear(2, 1), settings)
    >>> schedule = Schedule(optimizer, settings, steps=4)
    >>> rates = []
    >>> for _ in range(4):
    ...     rates.append(round(schedule.rate, 3))
    ...     optimizer.step()
    ...     schedule.step()
    >>> rates
    [0.05, 0.1, 0.1, 0.1]

    Args:
        optimizer: whose rate it is.
        settings: of the training.
        steps: of the whole training.
    """

    def __init__(self, optimizer: Optimizer, settings: TrainSettings, steps: int) -> None:
        self._optimizer = optimizer
        self._curve = LambdaLR(optimizer, lambda step: rate_factor(settings, step, steps))
        self._plateau: ReduceLROnPlateau | None = None
        self._left: float = math.inf  # steps after which the curve ends and the plateau takes over
        if settings.schedule == "plateau":
            self._left = round(settings.warmup * steps)
            self._plateau = ReduceLROnPlateau(
                optimizer,
                mode="max" if settings.direction == "maximize" else "min",
                factor=settings.decay,
                patience=settings.plateau_patience,
                threshold=settings.min_delta,
                threshold_mode="abs",
                min_lr=settings.learning_rate * settings.lr_floor,
                eps=0.0,
            )

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self._optimizer.param_groups[0]["lr"])

    def step(self) -> None:
        """To be called after every step of the optimiser."""
        if self._left > 0:
            self._left -= 1
            self._curve.step()

    def epoch(self, value: float) -> None:
        """To be called after every epoch with the monitored value."""
        if self._plateau is not None and self._left <= 0:
            self._plateau.step(value)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on."""
        plateau = None if self._plateau is None else self._plateau.state_dict()
        return {"curve": self._curve.state_dict(), "plateau": plateau, "left": self._left}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken; the optimiser's own state must be loaded beside it."""
        self._curve.load_state_dict(state["curve"])
        if self._plateau is not None:
            self._plateau.load_state_dict(state["plateau"])
        self._left = state["left"]
