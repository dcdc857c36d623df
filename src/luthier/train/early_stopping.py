"""Early stopping: which epoch was the best, and whether it is time to stop."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from .settings import TrainSettings


class EarlyStopping:
    """Keeps the best weights and counts epochs without gain. Not safe for threads.

    >>> import torch
    >>> from luthier.train import EarlyStopping, TrainSettings
    >>> stopping = EarlyStopping(torch.nn.Linear(2, 1), TrainSettings(patience=2, loss="mse"))
    >>> [stopping.seen(epoch, loss) for epoch, loss in enumerate([0.5, 0.3, 0.4, 0.4], start=1)]
    [False, False, False, True]
    >>> stopping.best_epoch
    2
    >>> stopping.restore()

    Every gain, however small, makes the best weights; only one of more than `min_delta` over the last that counted
    renews the patience.

    Args:
        model: whose weights are kept; those at the start count as the best until an epoch was seen.
        settings: patience, min_delta and the direction of what is monitored.
    """

    def __init__(self, model: nn.Module, settings: TrainSettings) -> None:
        self.best_epoch = 0
        self.best_value = math.nan
        self._model = model
        self._sign = 1.0 if settings.direction == "maximize" else -1.0
        self._patience, self._min_delta = settings.patience, settings.min_delta
        self._reference = -math.inf
        self._waited = 0
        self._weights = _copy(model)

    def seen(self, epoch: int, value: float) -> bool:
        """Take note of an epoch's value (NaN is not a gain); True if the patience is at its end."""
        score = self._sign * value
        if score > self._sign * self.best_value or (math.isnan(self.best_value) and not math.isnan(value)):
            self.best_epoch, self.best_value = epoch, value
            self._weights = _copy(self._model)
        if score > self._reference + self._min_delta:
            self._reference, self._waited = score, 0
        else:
            self._waited += 1
        return self._patience is not None and self._waited >= self._patience

    def restore(self) -> None:
        """Load the best weights into the model."""
        self._model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on."""
        return {
            "best_epoch": self.best_epoch,
            "best_value": self.best_value,
            "reference": self._reference,
            "waited": self._waited,
            "weights": self._weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.best_epoch, self.best_value = state["best_epoch"], state["best_value"]
        self._reference, self._waited, self._weights = state["reference"], state["waited"], state["weights"]


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
