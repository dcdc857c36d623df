"""Random search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..history import History
from ..space import Space
from ..types import Configuration
from .options import clear_options


@clear_options
@dataclass(frozen=True)
class RandomSampler:
    """Draws uniformly over the encoded space: log-uniformly where `log=True`, every choice as likely.

    >>> import luthier as lt
    >>> from luthier.samplers import RandomSampler
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)}, sampler=RandomSampler(), seed=0)
    >>> 0 <= study.ask().params["x"] <= 1
    True

    Source: Bergstra & Bengio 2012, "Random search for hyper-parameter optimization".
    """

    by_number: ClassVar[bool] = True

    def suggest(self, space: Space, history: History, rng: np.random.Generator, n: int) -> list[Configuration]:  # noqa: ARG002
        """n configurations to try next; see `Sampler`."""
        if n == 1 and not space.require:
            return [space.decode_one(rng.random(len(space)))]
        return space.decode(space.sample(rng, n))
