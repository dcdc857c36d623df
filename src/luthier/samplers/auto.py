"""The default sampler: what fits the space and the number of trials."""

from __future__ import annotations

import numpy as np

from ..history import History
from ..space import Space
from ..trial import Configuration
from .gp import GPSampler


class AutoSampler:
    """Chooses by itself, so that nobody has to: an initial design, then a Gaussian process."""

    def __init__(self) -> None:
        self._gp = GPSampler()

    def __repr__(self) -> str:
        return "AutoSampler()"

    def suggest(self, space: Space, history: History, rng: np.random.Generator, n: int) -> list[Configuration]:
        """n configurations to try next; see `Sampler`."""
        return self._gp.suggest(space, history, rng, n)
