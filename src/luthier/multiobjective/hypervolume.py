"""The hypervolume: how much of the space below a reference point some results dominate. Less is better."""

from __future__ import annotations

import numpy as np

from ..types import Floats
from .boxes import UpperBounds, order_ranks
from .dominance import non_dominated


def hypervolume(losses: Floats, reference: Floats) -> float:
    """Return the volume that rows of losses (n, m) dominate below a reference point (m,); exact up to rounding.

    >>> import numpy as np
    >>> from luthier.multiobjective.hypervolume import hypervolume
    >>> hypervolume(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([3.0, 3.0]))
    3.0

    Only rows that are below the reference point in every objective count; one with NaN never is. A loss of -inf
    makes it infinite, and so does a reference point at infinity, as soon as one row counts.

    The front is gone through in the order of its last objective. A point adds what it alone dominates in the other
    objectives, times its distance from the reference point in the last: a sum of parts that are not negative, so
    nothing cancels. What it alone dominates is cut into the boxes of `UpperBounds`. For m = 2 to 4 and k points on the
    front these are at most about 2k, so that 300 points take some hundredths of a second; beyond, they are many more.
    """
    reference = np.asarray(reference, dtype=np.float64)
    below = np.asarray(losses, dtype=np.float64).reshape(-1, len(reference))
    below = below[(below < reference).all(axis=1)]
    if len(below) == 0:
        return 0.0
    if np.isinf(below).any() or np.isinf(reference).any():
        return float("inf")
    front = np.unique(below[non_dominated(below)], axis=0)
    _, exponents = np.frexp(np.maximum(np.abs(reference), np.abs(front).max(axis=0)))
    front, reference = (np.ldexp(x, -exponents) for x in (front, reference))  # a power of two: nothing is rounded
    with np.errstate(over="ignore"):
        return float(np.ldexp(_volume(front, reference), int(exponents.sum())))


def _volume(front: Floats, reference: Floats) -> float:
    """The hypervolume of different, finite points (k, m), of which none dominates another."""
    front = front[np.argsort(front[:, -1], kind="stable")]
    first, k, m = front[:, :-1], len(front), front.shape[1] - 1
    if m == 0:
        return float(reference[0] - front[0, 0])
    grid = np.concatenate([np.full((1, m), -np.inf), np.sort(first, axis=0), reference[None, :-1]])
    columns, bounds = np.arange(m), UpperBounds.of_none(m, k)
    total = 0.0
    for point, z in zip(front, order_ranks(first), strict=True):
        lower = np.maximum(grid[bounds.lower, columns], point[:-1])
        sides = np.maximum(grid[bounds.upper, columns] - lower, 0.0)  # (b, m)
        total += float(sides.prod(axis=1).sum()) * float(reference[-1] - point[-1])
        bounds = bounds.with_point(z)
    return total
