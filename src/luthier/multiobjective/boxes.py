"""The region that no point of a Pareto front dominates, cut into boxes that do not overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..types import Floats
from .dominance import non_dominated


@dataclass(frozen=True)
class Boxes:
    """Disjoint boxes {grid[lower] <= z < grid[upper]}; less is better.

    Attributes:
        grid: (k + 2, m) coordinates of the front in order, with -inf before them and the reference point after.
        lower, upper: (b, m) rows of the grid, one for every objective.
    """

    grid: Floats
    lower: NDArray[np.intp]
    upper: NDArray[np.intp]

    @property
    def corners(self) -> tuple[Floats, Floats]:
        """(b, m) corners, the lower and the upper; most of the former lie at -inf somewhere."""
        columns = np.arange(self.grid.shape[1])
        return self.grid[self.lower, columns], self.grid[self.upper, columns]


class UpperBounds(NamedTuple):
    """The upper corners of the boxes that points leave, in ranks of coordinates: 1 to k, no two of a column equal.

    Attributes:
        upper: (b, m) the corners u; k + 1 is the reference point's rank.
        defining: (b, m, m) the i-th point that defines u, which gave it u_i.
    """

    upper: NDArray[np.intp]
    defining: NDArray[np.intp]

    @classmethod
    def of_none(cls, m: int, k: int) -> UpperBounds:
        """Return the one bound where there is no point yet, of k that will come."""
        return cls(np.full((1, m), k + 1), np.where(np.eye(m, dtype=bool), k + 1, 0)[None])

    def with_point(self, z: NDArray[np.intp]) -> UpperBounds:
        """Return the bounds when a point z (m,) has come: those above it are split."""
        upper, defining = self
        others = ~np.eye(len(z), dtype=bool)
        above = (z < upper).all(axis=1)
        floor = np.where(others, defining[above], 0).max(axis=1)  # (a, m)
        parent, axis = np.nonzero(z > floor)
        split, points_of = upper[above][parent], defining[above][parent]
        each = np.arange(len(axis))
        split[each, axis] = z[axis]
        points_of[each, axis] = z
        return UpperBounds(np.concatenate([upper[~above], split]), np.concatenate([defining[~above], points_of]))

    @property
    def lower(self) -> NDArray[np.intp]:
        """(b, m) the lower corners of boxes that are disjoint and miss nothing; 0 is minus infinity."""
        lower = np.zeros_like(self.upper)
        for j in range(1, lower.shape[1]):
            lower[:, j] = self.defining[:, :j, j].max(axis=1)
        return lower


def order_ranks(points: Floats) -> NDArray[np.intp]:
    """Return the ranks (k, m) of coordinates, from 1; of equal ones the first comes first."""
    return np.argsort(np.argsort(points, axis=0, kind="stable"), axis=0, kind="stable") + 1


def decompose(points: Floats, reference: Floats) -> Boxes:
    """Return the boxes below the reference point (m,) that no row of points (n, m) dominates; exact, for any m >= 2.

    Their upper corners are the local upper bounds of Lacour, Klamroth & Fonseca 2017 (arXiv 1510.01963, the
    incremental algorithm): points arrive one by one, and each splits the bounds above it. A bound u has m defining
    points, of which the j-th gave it u_j. The boxes (-inf, u_1) × Π_{j>1} [max_{i<j} d^i_j, u_j), with d^i the
    i-th defining point of u, are disjoint and miss nothing. Coordinates are replaced by ranks, all different, so
    that equal coordinates need no care: they leave boxes without volume, which are dropped.

    Of a front of k, there are at most k + 1 boxes for m = 2 and 2k + 1 for m = 3; about 6k for m = 4, where the
    worst case is of the order of k².
    """
    m = points.shape[1]
    front = np.unique(points[(points < reference).all(axis=1)], axis=0)
    front = front[non_dominated(front)]
    k = len(front)
    grid = np.concatenate([np.full((1, m), -np.inf), np.sort(front, axis=0), reference[None]])
    bounds = UpperBounds.of_none(m, k)
    for z in order_ranks(front):
        bounds = bounds.with_point(z)
    upper, lower = bounds.upper, bounds.lower
    columns = np.arange(m)
    solid = (grid[lower, columns] < grid[upper, columns]).all(axis=1)
    return Boxes(grid, lower[solid], upper[solid])
