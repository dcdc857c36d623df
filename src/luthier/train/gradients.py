"""Vanishing and exploding gradients and dead units, detected in one step of each epoch and described in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .optimizers import NORMALIZATIONS

VANISHING = 1e-4
"""First to last layer, ratio of gradient sizes below which gradients vanish; healthy networks have 0.01 to 100."""
EXPLODING = 1e4
"""The same ratio, above which they explode."""
LARGE = 1e3
"""Norm of all gradients together from which they explode; healthy trainings have about 1."""
DEAD = 0.5
"""Share of a layer's units without any gradient from which the layer counts as dead."""


@dataclass(frozen=True)
class LayerGradient:
    """One layer's gradient in one step.

    Attributes:
        name: of the layer in the model.
        size: root mean square over its weights.
        silent: share of its units that no example of the batch gave any gradient.
    """

    name: str
    size: float
    silent: float


@dataclass(frozen=True)
class Gradients:
    """All gradients of one step: their norm together, and each layer in the order of the model's definition."""

    norm: float
    layers: tuple[LayerGradient, ...]


def measure_gradients(model: nn.Module) -> Gradients:
    """The gradients as `backward` left them.

    Layers are modules with weights of two axes or more. Embeddings do not count: most of their rows rest in every step.
    """
    squares: list[Tensor] = []
    rows: list[Tensor] = []
    names: list[str] = []
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            gradient = parameter.grad
            if gradient is None:
                continue
            # float64: squares of gradients that vanish are below the smallest float32
            norm = torch.linalg.vector_norm(gradient, dtype=torch.float64)
            squares.append(norm.square())
            if gradient.dim() < 2 or "bias" in name or isinstance(module, (nn.Embedding, *NORMALIZATIONS)):
                continue
            transposed = isinstance(module, nn.modules.conv._ConvTransposeNd)
            units = (gradient.transpose(0, 1) if transposed else gradient).flatten(1)
            silent = (units == 0).all(dim=1).double().mean()
            rows.append(torch.stack([norm / math.sqrt(gradient.numel()), silent]))
            names.append(path or name)
    if not squares:
        return Gradients(0.0, ())
    numbers = torch.stack(rows).tolist() if rows else []
    layers = tuple(LayerGradient(name, size, silent) for name, (size, silent) in zip(names, numbers, strict=True))
    return Gradients(math.sqrt(torch.stack(squares).sum().item()), layers)


def diagnose(gradients: Gradients) -> dict[str, str]:
    """What is wrong with the gradients of one step, by kind: "vanishing", "exploding", "dead"."""
    found: dict[str, str] = {}
    if not gradients.norm < LARGE:
        found["exploding"] = (
            f"the gradients have a norm of {gradients.norm:.1e}: they explode; try gradient_clip=1.0, a lower "
            "learning_rate, warmup, or inputs and targets scaled to about 1"
        )
    layers = gradients.layers
    if len(layers) > 1 and layers[-1].size > 0:
        first, last, ratio = layers[0].name, layers[-1].name, layers[0].size / layers[-1].size
        if ratio < VANISHING:
            found["vanishing"] = (
                f"gradients of the first layer ({first}) are {ratio:.0e} of those of the last ({last}): they vanish; "
                "try fewer layers, ReLU-like activations, normalisation layers, skip connections, or "
                "initialization='he'"
            )
        elif ratio > EXPLODING:
            found["exploding"] = (
                f"gradients of the first layer ({first}) are {ratio:.0e} times those of the last ({last}): they "
                "explode; try inputs scaled to about 1, initialization='xavier' or 'orthogonal', normalisation layers, "
                "or gradient_clip=1.0"
            )
    dead = [layer for layer in layers if layer.silent > DEAD]
    if dead:
        shown = ", ".join(f"{layer.name} ({layer.silent:.0%})" for layer in dead)
        found["dead"] = (
            f"most units of these layers get no gradient at all: {shown}: they are dead; try a lower learning_rate, "
            "initialization='he', or an activation that is never flat, such as leaky ReLU or GELU"
        )
    return found


class GradientMonitor:
    """Looks at the gradients of one step of each epoch and keeps what is wrong. Not safe for threads.

    >>> import torch
    >>> from luthier.train import GradientMonitor
    >>> model, monitor = torch.nn.Linear(2, 1), GradientMonitor()
    >>> (model(torch.ones(4, 2)).sum() * 1e9).backward()
    >>> monitor.observe(model, epoch=1) > 1e9
    True
    >>> len(monitor.warnings)
    1

    An explosion is reported at once. Vanishing gradients and dead units must show in two epochs in a row: layers that
    start from zero on purpose pass no gradient in their first step.
    """

    def __init__(self) -> None:
        self._warnings: dict[str, str] = {}
        self._suspected: list[str] = []

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was wrong, each kind once, with the epoch in which it was first sure."""
        return tuple(self._warnings.values())

    def observe(self, model: nn.Module, epoch: int) -> float:
        """Look at the gradients as `backward` left them; the norm of all together."""
        gradients = measure_gradients(model)
        found = diagnose(gradients)
        for kind, text in found.items():
            if kind == "exploding" or kind in self._suspected:
                self._warnings.setdefault(kind, f"epoch {epoch}: {text}")
        self._suspected = list(found)
        return gradients.norm

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on."""
        return {"warnings": self._warnings, "suspected": self._suspected}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._warnings, self._suspected = dict(state["warnings"]), list(state["suspected"])
