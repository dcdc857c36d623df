"""The region that no point of a Pareto front dominates, cut into boxes that do not overlap."""

from __future__ import annotations

from dataclasses import dataclass

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


def decompose(points: Floats, reference: Floats) -> Boxes:
    """The boxes below the reference point (m,) that no row of points (n, m) dominates; exact, for any m >= 2.

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
    ranks = np.argsort(np.argsort(front, axis=0, kind="stable"), axis=0, kind="stable") + 1  # (k, m)
    upper = np.full((1, m), k + 1)
    defining = np.where(np.eye(m, dtype=bool), k + 1, 0)[None]  # (b, m, m): [u, i] is the i-th point of bound u
    others = ~np.eye(m, dtype=bool)
    for z in ranks:
        above = (z < upper).all(axis=1)
        floor = np.where(others, defining[above], 0).max(axis=1)  # (a, m)
        parent, axis = np.nonzero(z > floor)
        split, points_of = upper[above][parent], defining[above][parent]
        each = np.arange(len(axis))
        split[each, axis] = z[axis]
        points_of[each, axis] = z
        upper = np.concatenate([upper[~above], split])
        defining = np.concatenate([defining[~above], points_of])
    lower = np.zeros_like(upper)
    for j in range(1, m):
        lower[:, j] = defining[:, :j, j].max(axis=1)
    columns = np.arange(m)
    solid = (grid[lower, columns] < grid[upper, columns]).all(axis=1)
    return Boxes(grid, lower[solid], upper[solid])
