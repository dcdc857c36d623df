"""A convolutional network whose depth, width and parts are searched."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from torch import nn

from ...errors import TrainingError
from ...space import Choice, Domain, Float, Int, Ordinal

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
}

NORMALIZATIONS: Mapping[str, Callable[[int], nn.Module | None]] = {
    "none": lambda _: None,
    "batch": nn.BatchNorm2d,
    "group": lambda channels: nn.GroupNorm(math.gcd(channels, 8), channels),
    "layer": lambda channels: nn.GroupNorm(1, channels),  # one group: each image by itself, over all its channels
}

_WIDEST = 128  # channels stop doubling here: beyond it a block costs more than it brings on small images


@dataclass(frozen=True)
class CnnSettings:
    """The architecture of `build_cnn`.

    >>> from luthier.tasks.image import CnnSettings
    >>> CnnSettings.from_params({"blocks": 3, "learning_rate": 0.01}).blocks
    3

    Args:
        blocks: convolution, normalisation, activation and, while the image allows, halving by max pooling.
        width: channels of the first block; every block doubles them, up to 128.
        kernel: side of the convolutions, odd.
        activation: a name in `ACTIVATIONS`.
        normalization: a name in `NORMALIZATIONS`.
        grid: features are averaged over this many by this many equal parts of the image; 1 is global average pooling,
            which forgets where things are.
        dropout: share of features dropped before each linear layer of the head.
        hidden: units of the head's hidden layer; 0 for none.

    Raises:
        TrainingError: a setting is out of range or unknown.
    """

    blocks: int = 2
    width: int = 32
    kernel: int = 3
    activation: str = "relu"
    normalization: str = "batch"
    grid: int = 4
    dropout: float = 0.25
    hidden: int = 128

    def __post_init__(self) -> None:
        for name, known in (("activation", ACTIVATIONS), ("normalization", NORMALIZATIONS)):
            if getattr(self, name) not in known:
                raise TrainingError(f"{name}={getattr(self, name)!r} is unknown: choose among {', '.join(known)}")
        for name, least in (("blocks", 1), ("width", 1), ("grid", 1), ("hidden", 0)):
            if getattr(self, name) < least:
                raise TrainingError(f"{name}={getattr(self, name)} must be at least {least}")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise TrainingError(f"kernel={self.kernel} must be odd, such as 3 or 5")
        if not 0 <= self.dropout < 1:
            raise TrainingError(f"dropout={self.dropout} must be at least 0 and below 1")

    @staticmethod
    def from_params(params: Mapping[str, Any]) -> CnnSettings:
        """The settings among the parameters of a trial; what they lack keeps its default."""
        return CnnSettings(**{f.name: params[f.name] for f in fields(CnnSettings) if f.name in params})


def max_blocks(shape: tuple[int, int, int]) -> int:
    """How many blocks, at most 4, an image of shape (c, h, w) bears: each but the last leaves 2 pixels a side."""
    return min(4, max(1, int(math.log2(min(shape[1:])))))


def build_cnn(shape: tuple[int, int, int], classes: int, settings: CnnSettings) -> nn.Module:
    """Return a network from images (b, c, h, w) to logits (b, classes).

    >>> import torch
    >>> from luthier.tasks.image import CnnSettings, build_cnn
    >>> network = build_cnn((1, 28, 28), 10, CnnSettings(blocks=2))
    >>> network(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])

    Average pooling to a grid before the head makes it fit images of any size from 2x2 on; halving stops where
    less than 2 pixels a side would be left.

    Args:
        shape: (c, h, w) of one image.
        classes: how many there are.
        settings: the architecture.

    Raises:
        TrainingError: the images are smaller than 2x2.
    """
    channels, height, width = shape
    if min(height, width) < 2:
        raise TrainingError(f"images of {height}x{width} pixels are too small: 2x2 is the least")
    layers: list[nn.Module] = []
    side, wide = min(height, width), settings.width
    for _ in range(settings.blocks):
        normalization = NORMALIZATIONS[settings.normalization](wide)
        # a normalisation brings a bias of its own
        layers.append(
            nn.Conv2d(channels, wide, settings.kernel, padding=settings.kernel // 2, bias=normalization is None)
        )
        if normalization is not None:
            layers.append(normalization)
        layers.append(ACTIVATIONS[settings.activation]())
        if side >= 4:
            layers.append(nn.MaxPool2d(2))
            side //= 2
        channels, wide = wide, max(wide, min(2 * wide, _WIDEST))
    grid = min(settings.grid, side)
    layers += [nn.AdaptiveAvgPool2d(grid), nn.Flatten()]
    channels *= grid * grid
    if settings.hidden:
        layers += [nn.Dropout(settings.dropout), nn.Linear(channels, settings.hidden)]
        layers.append(ACTIVATIONS[settings.activation]())
        channels = settings.hidden
    layers += [nn.Dropout(settings.dropout), nn.Linear(channels, classes)]
    return nn.Sequential(*layers)


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers a model learns.

    >>> import torch
    >>> from luthier.tasks.image import count_parameters
    >>> count_parameters(torch.nn.Linear(3, 2))
    8
    """
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def network_space(shape: tuple[int, int, int]) -> dict[str, Domain]:
    """Return what to search of `CnnSettings` for images of shape (c, h, w); the defaults are a plain small network.

    >>> from luthier.tasks.image import network_space
    >>> network_space((1, 8, 8))["blocks"].high
    3
    """
    deepest = max_blocks(shape)
    return {
        "blocks": Int(1, deepest, default=min(CnnSettings.blocks, deepest)),
        # multiples of 8, which convolutions run fastest on, about evenly spaced on a log scale
        "width": Ordinal([8, 16, 24, 32, 48, 64, 96, 128], default=CnnSettings.width),
        "kernel": Ordinal([3, 5], default=CnnSettings.kernel),
        "activation": Choice(list(ACTIVATIONS), default=CnnSettings.activation),
        "normalization": Choice(list(NORMALIZATIONS), default=CnnSettings.normalization),
        "grid": Ordinal([1, 2, 4], default=CnnSettings.grid),
        "dropout": Float(0.0, 0.6, default=CnnSettings.dropout),
        "hidden": Ordinal([0, 32, 64, 128, 256], default=CnnSettings.hidden),
    }
