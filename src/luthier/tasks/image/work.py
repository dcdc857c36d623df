"""How much arithmetic a training takes: a cost that is the same on every machine and in every run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from .network import CnnSettings, build_cnn

_PER_BATCH = 200e6  # what a training step costs beside its arithmetic, in operations


def operations_per_image(shape: tuple[int, int, int], classes: int, params: Mapping[str, Any]) -> float:
    """Return about how many operations one image costs in an epoch of a configuration.

    These are the operations of the network's forward pass and the image's part of the fixed cost of a step. Measured
    on a CPU, where the seconds of an epoch vary 25-fold between the configurations of a search, it is right to within
    a factor of two; seconds would be exact, but the same seed would not give the same run.

    Args:
        shape: (c, h, w) of one image.
        classes: how many there are.
        params: the configuration.
    """
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model = build_cnn(shape, classes, CnnSettings.from_params(params))
        model.eval()(torch.zeros(1, *shape))
    return float(counter.get_total_flops()) + _PER_BATCH / int(params.get("batch_size", 64))
