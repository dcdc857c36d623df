"""Initialisation of weights, from a seed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn import init

from .seeding import derived_seed, seeded
from .settings import InitializationName

_DRAW: dict[str, Callable[[Tensor], Tensor]] = {
    "he": partial(init.kaiming_normal_, nonlinearity="relu"),  # He et al. 2015, arXiv 1502.01852, eq. 10
    "xavier": init.xavier_uniform_,  # Glorot & Bengio 2010, eq. 16
    "orthogonal": init.orthogonal_,  # Saxe et al. 2014, arXiv 1312.6120
}
_GATES: dict[type[nn.Module], int] = {nn.LSTM: 4, nn.GRU: 3}


def initialize(model: nn.Module, kind: InitializationName, seed: int) -> None:
    """Draw the weights of linear, convolutional and recurrent layers again, and set their biases to zero.

    >>> import torch
    >>> from luthier.train import initialize
    >>> model = torch.nn.Linear(4, 4)
    >>> initialize(model, "he", seed=0)
    >>> first = model.weight.clone()
    >>> initialize(model, "he", seed=0)
    >>> torch.equal(model.weight, first), model.bias.tolist()
    (True, [0.0, 0.0, 0.0, 0.0])

    Each gate of a recurrent layer is drawn by itself. Embeddings, normalisation layers and frozen parameters stay
    as they are, and with kind "default" everything does.
    """
    if kind == "default":
        return
    for i, module in enumerate(model.modules()):
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd | nn.RNNBase):
            for j, parameter in enumerate(module.parameters(recurse=False)):
                if parameter.requires_grad:
                    with seeded(derived_seed(seed, i, j), parameter.device):
                        _draw(parameter.data, kind, _GATES.get(type(module), 1))


def _draw(parameter: Tensor, kind: str, gates: int) -> None:
    if parameter.dim() < 2:
        init.zeros_(parameter)
    else:
        for block in parameter.chunk(gates):
            _DRAW[kind](block)
