"""Losses of classification and regression, with the checks of shape that PyTorch leaves out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import DataError, TrainingError
from .settings import CLASSIFICATION_LOSSES, LossName

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]

_FOCAL_GAMMA = 2.0  # Lin et al. 2017, arXiv 1708.02002: the best of those they tried

_REGRESSION: dict[str, Loss] = {"mse": F.mse_loss, "mae": F.l1_loss, "huber": F.huber_loss}


def make_loss(name: LossName, label_smoothing: float = 0.0) -> Loss:
    """Return the mean loss of a batch as a function of outputs and targets.

    >>> import torch
    >>> from luthier.train import make_loss
    >>> loss = make_loss("mse")
    >>> float(loss(torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 1.0])))
    2.0

    "cross_entropy" and "focal" take logits (n, k, ...) and classes (n, ...); the others outputs of the targets'
    shape, where (n, 1) and (n,) count as the same.
    """
    if name == "cross_entropy":
        return partial(_cross_entropy, smoothing=label_smoothing)
    if name == "focal":
        return partial(_focal, smoothing=label_smoothing)
    if name == "bce":
        return partial(_bce, smoothing=label_smoothing)
    return partial(_regression, _REGRESSION[name])


def _regression(mean_loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    return mean_loss(outputs.reshape(targets.shape), targets.to(outputs.dtype))


def _cross_entropy(outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    return F.cross_entropy(outputs, targets.long(), label_smoothing=smoothing)


def _focal(outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    # eq. 4 of Lin et al. 2017, summed over the smoothed targets q: -sum_k q_k (1 - p_k)^gamma log p_k
    log_p = F.log_softmax(outputs, dim=1)
    terms = -((1 - log_p.exp()) ** _FOCAL_GAMMA) * log_p  # (n, k, ...)
    true = terms.gather(1, targets.long().unsqueeze(1)).squeeze(1)
    return ((1 - smoothing) * true + smoothing * terms.mean(dim=1)).mean()


def _bce(outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    q = targets.to(outputs.dtype) * (1 - smoothing) + smoothing / 2
    return F.binary_cross_entropy_with_logits(outputs.reshape(targets.shape), q)


def count_correct(name: LossName, outputs: Tensor, targets: Tensor) -> Tensor:
    """How many examples are classified rightly, a scalar tensor; a share of an example where it has many labels."""
    if name == "bce":
        hits = (outputs.reshape(targets.shape) > 0) == (targets > 0.5)
    else:
        hits = outputs.argmax(dim=1) == targets
    return hits.flatten(1).double().mean(dim=1).sum() if hits.dim() > 1 else hits.sum()


def check_outputs(name: LossName, outputs: Tensor, targets: Tensor, all_targets: Tensor) -> None:
    """Raise unless a model's outputs for some targets fit the loss, and all targets do.

    Raises:
        TrainingError: the outputs have a shape that the loss cannot compare with the targets.
        DataError: targets that are not classes, or more classes than the model has outputs.
    """
    if name in ("cross_entropy", "focal"):
        if all_targets.is_floating_point() or all_targets.is_complex():
            raise DataError(f"loss={name!r} needs classes as integers, but the targets are {all_targets.dtype}")
        if outputs.dim() < 2 or outputs.shape[:1] + outputs.shape[2:] != targets.shape:
            raise TrainingError(
                f"the model gives {tuple(outputs.shape)} for targets {tuple(targets.shape)}: loss={name!r} needs "
                "one logit for each class in the second axis"
            )
        low, high, classes = int(all_targets.min()), int(all_targets.max()), outputs.shape[1]
        if low < 0 or high >= classes:
            raise DataError(
                f"the targets go from {low} to {high}, but the model has {classes} outputs: number the classes "
                "from 0, or give the model more outputs"
            )
        return
    if outputs.numel() != targets.numel() or _trimmed(outputs) != _trimmed(targets):
        raise TrainingError(
            f"the model gives {tuple(outputs.shape)} for targets {tuple(targets.shape)}: loss={name!r} needs equal "
            "shapes"
        )
    if name in CLASSIFICATION_LOSSES and not bool(((all_targets >= 0) & (all_targets <= 1)).all()):
        raise DataError(f"loss={name!r} needs targets from 0 to 1, but they reach {float(all_targets.max()):g}")


def _trimmed(tensor: Tensor) -> torch.Size:
    """The shape without a last axis of one."""
    return tensor.shape[:-1] if tensor.dim() > 1 and tensor.shape[-1] == 1 else tensor.shape
