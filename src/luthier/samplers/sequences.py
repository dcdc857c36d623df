"""Low-discrepancy sequences over a space: point k is the k-th that satisfies `require`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np

from ..errors import SpaceError
from ..space import Space
from ..types import Floats

Method: TypeAlias = Literal["sobol", "halton", "latin_hypercube"]

MAX_SOBOL_DIMENSIONS = 21_201
_BLOCK = 256  # a power of two: Sobol points are balanced in such blocks
_TRIES = 200_000  # points without a feasible one before the space counts as empty


def _sobol(d: int, seed: int) -> Iterator[Floats]:
    """Owen-scrambled Sobol points (Owen 1998; direction numbers of Joe & Kuo 2008), in blocks."""
    from scipy.stats import qmc

    if d > MAX_SOBOL_DIMENSIONS:
        raise SpaceError(f"Sobol points have at most {MAX_SOBOL_DIMENSIONS} dimensions, not {d}: use method='halton'")
    engine = qmc.Sobol(d, scramble=True, seed=seed)
    while True:
        yield engine.random(_BLOCK)


def _halton(d: int, seed: int) -> Iterator[Floats]:
    """Scrambled Halton points (Owen 2017, arXiv 1706.02808), in blocks."""
    from scipy.stats import qmc

    engine = qmc.Halton(d, scramble=True, seed=seed)
    while True:
        yield engine.random(_BLOCK)


def _latin_hypercube(d: int, seed: int) -> Iterator[Floats]:
    """A nested Latin hypercube: the first 2^k points are one, for every k.

    Doubling n points halves every bin; the new points take the empty halves in a random order.
    """
    rng = np.random.default_rng(seed)
    U = rng.random((1, d))
    yield U
    while True:
        n = len(U)
        free = np.floor(U * (2 * n)).astype(np.int64) ^ 1  # (n, d)
        new = (rng.permuted(free, axis=0) + rng.random((n, d))) / (2 * n)
        yield new
        U = np.concatenate([U, new])


_METHODS: dict[Method, Callable[[int, int], Iterator[Floats]]] = {
    "sobol": _sobol,
    "halton": _halton,
    "latin_hypercube": _latin_hypercube,
}


class PointSequence:
    """The feasible points of one sequence, made as far as they were asked for. Safe for threads."""

    def __init__(self, space: Space, method: Method, seed: int) -> None:
        self._space = space
        self._blocks = _METHODS[method](len(space), seed)
        self._X: Floats = np.empty((0, len(space)))
        self._lock = threading.Lock()

    def rows(self, numbers: list[int]) -> Floats:
        """(n, d) encoded points of these numbers.

        Raises:
            SpaceError: hardly anything satisfies the space's `require`.
        """
        with self._lock:
            self._grow(max(numbers, default=-1) + 1)
            return self._X[numbers]

    def _grow(self, n: int) -> None:
        found, count, dry = [self._X], len(self._X), 0
        while count < n:
            X = self._space.from_unit(next(self._blocks))
            good = X[self._space.feasible(X)]
            found.append(good)
            count += len(good)
            dry = 0 if len(good) else dry + len(X)
            if dry >= _TRIES:
                raise SpaceError(
                    f"hardly any configuration satisfies require={list(self._space.require)}: {dry} points in a row "
                    "did not; loosen it or narrow the ranges"
                )
        if len(found) > 1:
            self._X = np.concatenate(found)


@lru_cache(maxsize=16)
def point_sequence(space: Space, method: Method, seed: int) -> PointSequence:
    """Return the sequence of a space; kept, because going on is cheaper than starting again."""
    return PointSequence(space, method, seed)
