"""Random rotation, shift, shear, zoom, flip and brightness, for a whole batch at once and on its device."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch.nn import functional

from ...errors import TrainingError
from ...space import Choice, Domain, Float


@dataclass(frozen=True)
class Augmentation:
    """Changes every image of a batch at random; with all settings zero it is the identity.

    >>> from luthier.tasks.image import Augmentation
    >>> Augmentation(rotation=10, flip=True).is_identity
    False

    Args:
        rotation: turned by up to this many degrees either way.
        shift: moved by up to this share of the height and of the width.
        shear: slanted by up to this many degrees.
        zoom: scaled by 1 ± up to this share.
        flip: mirrored left to right, every second one.
        brightness: contrast times 1 ± up to this, and brightness ± up to this in standard deviations.

    Pixels that come in from outside repeat the border. Shapes are kept.

    Raises:
        TrainingError: a setting is negative, or so large that nothing would be left.
    """

    rotation: float = 0.0
    shift: float = 0.0
    shear: float = 0.0
    zoom: float = 0.0
    flip: bool = False
    brightness: float = 0.0

    def __post_init__(self) -> None:
        for name, top in (("rotation", 180), ("shift", 1), ("shear", 80), ("zoom", 0.95), ("brightness", 1)):
            value = getattr(self, name)
            if not 0 <= value <= top:
                raise TrainingError(f"augmentation: {name}={value} must lie between 0 and {top}")

    @staticmethod
    def from_params(params: Mapping[str, Any]) -> Augmentation:
        """The settings among the parameters of a trial; what they lack is zero."""
        return Augmentation(**{f.name: params[f.name] for f in fields(Augmentation) if f.name in params})

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return self == Augmentation()

    def __call__(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """The changed batch.

        Args:
            batch: (b, c, h, w) floats.
            generator: what the draws come from.
        """
        if self.is_identity:
            return batch
        n, device = len(batch), batch.device
        # (8, b) in [-1, 1): always as many draws, so that a setting changes nothing but itself
        draws = (torch.rand(8, n, generator=generator, device=generator.device) * 2 - 1).to(device)
        if self.flip:
            batch = torch.where((draws[0] < 0)[:, None, None, None], batch.flip(3), batch)
        if self.rotation or self.shift or self.shear or self.zoom:
            grid = functional.affine_grid(self._matrices(draws[1:6], batch), list(batch.shape), align_corners=False)
            # "border": after normalisation a padding of zeros would be grey, not background
            batch = functional.grid_sample(batch, grid, padding_mode="border", align_corners=False)
        if self.brightness:
            contrast, light = (self.brightness * draws[6:8])[:, :, None, None, None]
            batch = batch * (1 + contrast) + light
        return batch

    def _matrices(self, draws: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        """(b, 2, 3) maps from output to input coordinates, both in [-1, 1]; draws (5, b)."""
        h, w = batch.shape[2:]
        angle = draws[2] * math.radians(self.rotation)
        slant = torch.tan(draws[3] * math.radians(self.shear))
        scale = 1 / (1 + self.zoom * draws[4])
        cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
        across, down = draws[0] * 2 * self.shift, draws[1] * 2 * self.shift
        # rotation and shear hold in pixels: off the diagonal, the aspect ratio turns them into [-1, 1]
        top = torch.stack([cos, (cos * slant - sin) * h / w, across], dim=1)
        bottom = torch.stack([sin * w / h, sin * slant + cos, down], dim=1)
        return torch.stack([top, bottom], dim=1).to(batch.dtype)


def augmentation_space(*names: str) -> dict[str, Domain]:
    """Return tunable ranges of some settings of `Augmentation`, or of all; by default, none changes an image.

    >>> from luthier.tasks.image import augmentation_space
    >>> list(augmentation_space("rotation", "shift"))
    ['rotation', 'shift']

    Raises:
        TrainingError: a setting does not exist.
    """
    space: dict[str, Domain] = {
        "rotation": Float(0.0, 30.0, default=0.0),  # beyond 30 degrees 6 and 9, or left and right, blur
        "shift": Float(0.0, 0.2, default=0.0),
        "shear": Float(0.0, 20.0, default=0.0),
        "zoom": Float(0.0, 0.3, default=0.0),
        "flip": Choice([False, True], default=False),  # wrong for digits and letters
        "brightness": Float(0.0, 0.5, default=0.0),
    }
    unknown = sorted(set(names) - set(space))
    if unknown:
        raise TrainingError(f"there is no augmentation {unknown[0]!r}: choose among {', '.join(space)}")
    return {name: space[name] for name in names or space}
