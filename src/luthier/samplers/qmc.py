"""Quasi-random search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..history import History
from ..space import Space
from ..types import Configuration
from .options import clear_options
from .sequences import Method, point_sequence


@clear_options
@dataclass(frozen=True)
class QMCSampler:
    """Proposes points that cover the space more evenly than random ones.

    >>> import luthier as lt
    >>> from luthier.samplers import QMCSampler
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)}, sampler=QMCSampler("sobol"))
    >>> sorted(int(study.ask().params["x"] * 4) for _ in range(4))  # one in each quarter
    [0, 1, 2, 3]

    Trial number k gets point k of one sequence; points that `require` forbids are left out of it, so trial k
    gets the k-th point that remains. The numpy stream of the trial is not used: the sequence depends on the
    space and `seed` alone, and is the same in every study.

    Args:
        method: "sobol" (Owen-scrambled; up to 21,201 parameters), "halton" (scrambled) or
            "latin_hypercube" (nested: the first 2^k points are a Latin hypercube for every k).
        seed: of the scramble. 0 by default: another seed gives another sequence, of the same quality.
    """

    by_number: ClassVar[bool] = True
    method: Method = "sobol"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in ("sobol", "halton", "latin_hypercube"):
            raise ValueError(f"method={self.method!r} is not one of 'sobol', 'halton', 'latin_hypercube'")

    def suggest(self, space: Space, history: History, rng: np.random.Generator, n: int) -> list[Configuration]:  # noqa: ARG002
        """n configurations to try next; see `Sampler`."""
        if len(space) == 0:
            return [{} for _ in range(n)]
        return space.decode(point_sequence(space, self.method, self.seed).rows(history.next_numbers(n)))
