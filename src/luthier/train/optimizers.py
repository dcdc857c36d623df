"""Optimisers, and which parameters are penalised."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from ..errors import TrainingError
from .settings import TrainSettings

NORMALIZATIONS: tuple[type[nn.Module], ...] = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
)


def split_parameters(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Trainable parameters as (weights, biases and those of normalisation layers), each once.

    L1 and weight decay are for the first: on the second they distort scale and shift without making the model
    simpler.
    """
    weights: list[Tensor] = []
    others: list[Tensor] = []
    seen: set[int] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                plain = parameter.dim() < 2 or "bias" in name or isinstance(module, NORMALIZATIONS)
                (others if plain else weights).append(parameter)
    return weights, others


def make_optimizer(model: nn.Module, settings: TrainSettings) -> Optimizer:
    """Return the optimiser of the trainable parameters.

    >>> import torch
    >>> from luthier.train import TrainSettings, make_optimizer
    >>> settings = TrainSettings(optimizer="sgd", learning_rate=0.1, weight_decay=0.01)
    >>> optimizer = make_optimizer(torch.nn.Linear(2, 1), settings)
    >>> [group["weight_decay"] for group in optimizer.param_groups]  # weights, biases
    [0.01, 0.0]

    Raises:
        TrainingError: nothing is trainable.
    """
    weights, others = split_parameters(model)
    if not weights and not others:
        raise TrainingError("the model has no trainable parameters: set requires_grad=True for some")
    groups = [
        {"params": weights, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    rate = settings.learning_rate
    if settings.optimizer == "sgd":
        return SGD(groups, lr=rate, momentum=settings.momentum, fused=_fusable(weights + others))
    if settings.optimizer == "rmsprop":
        return RMSprop(groups, lr=rate, momentum=settings.momentum, foreach=True)
    kind = AdamW if settings.optimizer == "adamw" else Adam
    return kind(groups, lr=rate, betas=(0.9, settings.beta2), fused=_fusable(weights + others))


def _fusable(parameters: list[Tensor]) -> bool:
    """Whether one kernel may step all of them: it is the fastest way where it exists."""
    return all(p.device.type in ("cpu", "cuda") and torch.is_floating_point(p) for p in parameters)
