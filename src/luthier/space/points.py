"""Points of a space that `require` allows: drawn by chance, or found by going through all of a small space."""

from __future__ import annotations

import numpy as np

from ..errors import SpaceError
from ..types import Floats
from .encoding import Layout, combinations, feasible, from_unit

_BATCH = 1024
_TRIES = 200_000  # uniform points that are tried before a space counts as empty


def sample(layout: Layout, rng: np.random.Generator, n: int) -> Floats:
    """n encoded rows, uniform over the unit cube less what `require` forbids.

    Raises:
        SpaceError: hardly anything satisfies `require`.
    """
    d = len(layout.names)
    if not layout.require:
        return from_unit(layout, rng.random((n, d)))
    found: list[Floats] = [np.empty((0, d))]
    count, tried = 0, 0
    while count < n:
        X = from_unit(layout, rng.random((_BATCH, d)))
        good = X[feasible(layout, X)]
        found.append(good)
        count += len(good)
        tried += _BATCH
        if tried >= _TRIES and count == 0:
            raise _empty(layout, tried)
    return np.concatenate(found)[:n]


def check_not_empty(layout: Layout, size: float) -> None:
    """Raise `SpaceError` unless something satisfies `require`.

    Args:
        layout: of the space.
        size: how many combinations of values there are.
    """
    if size > _TRIES:
        sample(layout, np.random.default_rng(0), 1)
        return
    blocks = (combinations(layout, i, min(i + _BATCH, int(size))) for i in range(0, int(size), _BATCH))
    if not any(feasible(layout, X).any() for X in blocks):
        raise _empty(layout, int(size))


def _empty(layout: Layout, tried: int) -> SpaceError:
    texts = [expression.text for expression in layout.require]
    return SpaceError(f"no configuration satisfies require={texts} (of {tried} tried): loosen it or widen the ranges")
