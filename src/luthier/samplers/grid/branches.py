"""Conditional parameters as one axis: every combination of parents, times what it makes active."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...space import Space
from ...types import Floats, Mask
from .axes import Axis, Levels
from .spread import Spread

_MOST_BRANCHES = 1_000_000
_MOST_CELLS = 4_000_000  # numbers in an array of branches and parameters


class Branches:
    """The combinations of parameters that depend on each other, in a row.

    Made by `of`.

    Attributes:
        size: how many combinations there are.
    """

    @staticmethod
    def of(space: Space, axes: list[Axis], columns: list[int]) -> Branches | None:
        """Of these columns of a space, which need no others to be worked out; None where they are too many."""
        names = [space.names[j] for j in columns]
        part = Space({name: space.parameters[name] for name in names})
        parents = sorted({part.index[p] for name in names for p in part.parents(name)})
        own = [axes[j] for j in columns]
        found = _canonical(part, own, parents)
        return None if found is None else Branches(part, own, columns, parents, *found)

    def __init__(
        self, part: Space, axes: list[Axis], columns: list[int], parents: list[int], levels: Levels, active: Mask
    ) -> None:
        children = [j for j in range(len(part)) if j not in parents]
        patterns, self._pattern = np.unique(active[:, children], axis=0, return_inverse=True)
        self._axes, self._columns, self._parents, self._levels = axes, columns, parents, levels
        self._children = [[children[c] for c in np.flatnonzero(p)] for p in patterns]
        self._leaves = [Spread([axes[j].size for j in chosen]) for chosen in self._children]
        widths = np.array([leaf.size for leaf in self._leaves], dtype=object)[self._pattern]
        self._ends = np.cumsum(widths)  # where each branch's part of the row ends
        self.size = int(self._ends[-1])

    def fill(self, X: Floats, numbers: Levels) -> None:
        """Write the combinations with these numbers (n,) into rows X (n, d); what is inactive keeps its value."""
        branch = np.searchsorted(self._ends, numbers.astype(object), side="right")
        for column, j in enumerate(self._parents):
            X[:, self._columns[j]] = self._axes[j].coordinates(self._levels[branch, column])
        for pattern, (chosen, leaf) in enumerate(zip(self._children, self._leaves, strict=True)):
            rows = np.flatnonzero(self._pattern[branch] == pattern)
            if len(rows) and chosen:
                offsets = self._ends[branch[rows]] - 1 - numbers[rows]
                levels = leaf(offsets)
                for column, j in enumerate(chosen):
                    X[rows, self._columns[j]] = self._axes[j].coordinates(levels[:, column])


def _canonical(part: Space, axes: list[Axis], parents: list[int]) -> tuple[NDArray[np.int64], Mask] | None:
    """(branches, parents) levels of the parents, 0 where inactive; (branches, d) what is active then."""
    d = len(part)
    X, levels = np.full((1, d), np.nan), np.zeros((1, d), dtype=np.int64)
    for j in _parents_first(part, parents):
        there = part.active(X)[:, j] if part.parents(part.names[j]) else np.ones(len(X), dtype=bool)
        n, size = int(there.sum()), axes[j].size
        rows = len(X) + n * (size - 1)
        if rows > _MOST_BRANCHES or rows * d > _MOST_CELLS:
            return None
        new = np.tile(np.arange(size), n)
        X = np.concatenate([X[~there], np.repeat(X[there], size, axis=0)])
        levels = np.concatenate([levels[~there], np.repeat(levels[there], size, axis=0)])
        X[len(X) - n * size :, j] = axes[j].coordinates(new)
        levels[len(X) - n * size :, j] = new
    levels = levels[:, parents]
    order = np.lexsort(levels.T[::-1]) if parents else np.zeros(1, dtype=np.intp)
    return levels[order], part.active(X[order])


def _parents_first(part: Space, parents: list[int]) -> list[int]:
    """The parents in an order in which each comes after those that it depends on."""
    found: list[int] = []
    while len(found) < len(parents):
        known = {part.names[j] for j in found}
        found += [j for j in parents if j not in found and known.issuperset(part.parents(part.names[j]))]
    return found


def groups(space: Space) -> list[list[int]]:
    """Columns that conditions tie together, directly or through others; those that none names are left out."""
    group: dict[int, list[int]] = {}
    for name in space.names:
        for parent in space.parents(name):
            a, b = (group.setdefault(j, [j]) for j in (space.index[name], space.index[parent]))
            if a is not b:
                a += b
                group.update(dict.fromkeys(b, a))
    return sorted(sorted(columns) for columns in {id(g): g for g in group.values()}.values())
