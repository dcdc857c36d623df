"""Grid search: every combination once, in an order that covers the space early."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import SearchSpaceExhausted, SpaceError
from ...history import History
from ...space import Choice, Domain, Float, Int, Ordinal, Space
from ...types import Configuration, Floats, Mask

Levels: TypeAlias = NDArray[Any]  # whole numbers: int64, or Python's where those could overflow

_MAX_BRANCHES = 1_000_000
_FIRST_BLOCK = 64
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class GridSampler:
    """All combinations, each once; the first half of them covers the space, not one half of it.

    What was tried is read from the history, running, waiting and failed trials included, so a grid can be
    resumed, shared by parallel workers, and begun by other samplers. Combinations are counted over active
    parameters alone, and those that `require` forbids are left out. The grid is never held in memory.

    Args:
        points: values of each continuum, both ends included, on its own scale; one number for all, or one by
            name. By name it thins out Int and stepped Float as well, which otherwise have all their values;
            names that the space lacks are ignored. 5 by default, and for continua that are not named.

    Raises:
        ValueError: a number of points below 1.
    """

    points: int | Mapping[str, int] = 5

    def __post_init__(self) -> None:
        if min([self.points] if isinstance(self.points, int) else self.points.values(), default=1) < 1:
            raise ValueError(f"points={self.points!r}: every number of points must be at least 1")

    def suggest(self, space: Space, history: History, rng: np.random.Generator, n: int) -> list[Configuration]:  # noqa: ARG002
        """n configurations to try next, fewer if fewer are left; see `Sampler`.

        Raises:
            SearchSpaceExhausted: every combination was tried.
            SpaceError: the parameters that conditions name have over a million combinations.
        """
        return space.decode(self._grid(space).next_rows(history, n))

    def size(self, space: Space) -> int:
        """How many combinations there are, those that `require` forbids included."""
        return self._grid(space).size

    def _grid(self, space: Space) -> _Grid:
        points = self.points if isinstance(self.points, int) else tuple(sorted(self.points.items()))
        return _grid_of(space, points)


@lru_cache(maxsize=16)
def _grid_of(space: Space, points: int | tuple[tuple[str, int], ...]) -> _Grid:
    named = {} if isinstance(points, int) else dict(points)
    default = points if isinstance(points, int) else 5
    return _Grid(space, [_axis(domain, named.get(name), default) for name, domain in space.parameters.items()])


@dataclass(frozen=True)
class _Axis:
    """The values of one parameter: levels 0 to size - 1 to coordinates, and back (-1 for none)."""

    size: int
    coordinates: Callable[[Levels], Floats]
    levels: Callable[[Floats], NDArray[np.int64]]


def _axis(domain: Domain, points: int | None, default: int) -> _Axis:
    if isinstance(domain, Choice):
        return _Axis(domain.size, lambda i: i.astype(np.float64), lambda u: np.round(u).astype(np.int64))
    size = domain.size
    if size is None or (points is not None and points < size and not isinstance(domain, Ordinal)):
        u = np.linspace(0, 1, points or default) if (points or default) > 1 else np.array([0.5])
        return _table_axis(np.unique(domain.encode(domain.decode(u))))
    if isinstance(domain, Ordinal) or size == 1:
        return _Axis(size, lambda i: (i.astype(np.float64) + 0.5) / size, lambda u: _inside(np.floor(u * size), size))
    return _numeric_axis(domain, size)


def _table_axis(table: Floats) -> _Axis:
    near = 1e-3 * (np.diff(table).min() if len(table) > 1 else 1.0)  # values come back with rounding errors

    def levels(u: Floats) -> NDArray[np.int64]:
        i = np.abs(u[:, None] - table[None, :]).argmin(axis=1)
        return np.where(np.abs(u - table[i]) < near, i, -1)

    return _Axis(len(table), lambda i: table[i.astype(np.intp)], levels)


def _numeric_axis(domain: Float | Int, size: int) -> _Axis:
    step = domain.step or 1
    return _Axis(
        size,
        lambda i: domain.encode(domain.low + i.astype(np.float64) * step),
        lambda u: np.where((u < 0) | (u > 1), -1, _inside(np.round((domain.decode(u) - domain.low) / step), size)),
    )


def _inside(levels: Floats, size: int) -> NDArray[np.int64]:
    return np.where((levels >= 0) & (levels < size), levels, -1).astype(np.int64)


class _Spread:
    """A bijection from 0, 1, 2, … to the points of a product of axes whose prefixes cover it evenly.

    The number is split into mixed-radix digits, the longest axis first. Digit i of axis i is taken in steps
    of the golden ratio and shifted by balanced functions of the digits before it, so that a prefix as long
    as an axis is close to a Latin hypercube. Shifts depend on earlier digits alone: it stays one to one.
    """

    def __init__(self, sizes: list[int]) -> None:
        self.size = math.prod(sizes)
        self._sizes = sizes
        self._order = sorted(range(len(sizes)), key=lambda j: -sizes[j])
        self._dtype = np.int64 if max([*sizes, 1]) < 2**31 else object
        rng = np.random.default_rng(len(sizes))
        self._steps = [_coprime(round(m * _GOLDEN), m) for m in sizes]
        self._factors = rng.integers(1, 2**31, size=(len(sizes), len(sizes)))
        self._shifts = rng.integers(0, 2**31, size=(len(sizes), len(sizes)))

    def __call__(self, numbers: Levels) -> Levels:
        """(n, axes) levels of points with these numbers (n,)."""
        rest = numbers.astype(self._dtype)
        found = np.zeros((len(rest), len(self._sizes)), dtype=self._dtype)
        digits: list[tuple[int, Levels]] = []
        for j in self._order:
            m = self._sizes[j]
            rest, digit = rest // m, rest % m
            level = digit * self._steps[j] + int(self._shifts[j, j]) % m
            for i, earlier in digits:
                k = self._sizes[i]
                mixed = (earlier * _coprime(int(self._factors[i, j]) % k, k) + int(self._shifts[i, j]) % k) % k
                level = level + mixed * m // k
            found[:, j] = level % m
            digits.append((j, digit))
        return found


def _coprime(step: int, m: int) -> int:
    """The first number from `step` on that shares no divisor with m."""
    step = max(step, 1)
    while math.gcd(step, m) != 1:
        step += 1
    return step


class _Grid:
    """The combinations of a space: a branch (parents and what they make active) times what is always active."""

    def __init__(self, space: Space, axes: list[_Axis]) -> None:
        self._space, self._axes = space, axes
        parents = sorted({space.index[p] for name in space.names for p in space.parents(name)})
        children = [j for j, name in enumerate(space.names) if space.parents(name) and j not in parents]
        self._always = [j for j in range(len(space)) if j not in parents and j not in children]
        self._parents = parents
        self._branches, active = self._canonical(parents)
        patterns, self._pattern = np.unique(active[:, children], axis=0, return_inverse=True)
        self._children = [[children[c] for c in np.flatnonzero(p)] for p in patterns]
        self._leaves = [_Spread([axes[j].size for j in chosen]) for chosen in self._children]
        widths = np.array([leaf.size for leaf in self._leaves], dtype=object)[self._pattern]
        self._ends = np.cumsum(widths)  # where each branch's part of the branch axis ends
        self._spread = _Spread([int(self._ends[-1]), *(axes[j].size for j in self._always)])
        self.size = self._spread.size
        # one number for each combination: exact while there are fewer than 2^63, else a hash
        sizes = [axis.size for axis in axes]
        exact = [math.prod(sizes[:j]) for j in range(len(sizes))]
        odd = np.random.default_rng(0).integers(2**62, size=len(sizes)) * 2 + 1
        self._weights = np.array(exact if math.prod(sizes) < 2**63 else odd, dtype=np.int64)
        self._made = 0
        self._X: Floats = np.empty((0, len(space)))
        self._codes: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._lock = threading.Lock()

    def _canonical(self, parents: list[int]) -> tuple[NDArray[np.int64], Mask]:
        """(branches, parents) levels of the parents, 0 where inactive; (branches, d) what is active then."""
        sizes = [self._axes[j].size for j in parents]
        if math.prod(sizes) > _MAX_BRANCHES:
            names = ", ".join(self._space.names[j] for j in parents)
            raise SpaceError(
                f"the parameters that conditions name ({names}) have {math.prod(sizes)} combinations, more than "
                f"{_MAX_BRANCHES}: give GridSampler fewer points for them"
            )
        levels = np.indices(sizes).reshape(len(sizes), -1).T if sizes else np.zeros((1, 0), dtype=np.int64)
        X = np.zeros((len(levels), len(self._space)))
        for column, j in enumerate(parents):
            X[:, j] = self._axes[j].coordinates(levels[:, column])
        active = self._space.active(X)
        kept = ~((levels > 0) & ~active[:, parents]).any(axis=1)
        return levels[kept], active[kept]

    def _rows(self, numbers: NDArray[np.int64]) -> Floats:
        """(n, d) encoded rows of the points with these numbers; NaN where inactive."""
        spread = self._spread(numbers)
        branch = np.searchsorted(self._ends, spread[:, 0].astype(object), side="right")
        X = np.full((len(numbers), len(self._space)), np.nan)
        for column, j in enumerate(self._always):
            X[:, j] = self._axes[j].coordinates(spread[:, column + 1])
        for column, j in enumerate(self._parents):
            X[:, j] = self._axes[j].coordinates(self._branches[branch, column])
        for pattern, (chosen, leaf) in enumerate(zip(self._children, self._leaves, strict=True)):
            rows = np.flatnonzero(self._pattern[branch] == pattern)
            if len(rows) and chosen:
                offsets = self._ends[branch[rows]] - 1 - spread[rows, 0]
                levels = leaf(offsets)
                for column, j in enumerate(chosen):
                    X[rows, j] = self._axes[j].coordinates(levels[:, column])
        if not self._space.is_flat:
            X[~self._space.active(X)] = np.nan
        return X

    def _code(self, X: Floats, active: Mask) -> tuple[NDArray[np.int64], Mask]:
        """(n,) one number for each row, and which rows are on the grid."""
        levels = np.zeros(X.shape, dtype=np.int64)
        for j, axis in enumerate(self._axes):
            there = active[:, j] & np.isfinite(X[:, j])
            levels[active[:, j] & ~there, j] = -1
            levels[there, j] = axis.levels(X[there, j])
        on_grid: Mask = np.all(levels >= 0, axis=1)
        return levels @ self._weights, on_grid

    def _grow(self) -> None:
        """Twice the points."""
        block = np.arange(self._made, min(max(2 * self._made, _FIRST_BLOCK), self.size))
        self._made += len(block)
        X = self._rows(block)
        if self._space.require:
            X = X[self._space.feasible(self._space.encode(self._space.decode(X)))]  # as `Space.check` will see them
        self._X = np.concatenate([self._X, X])
        self._codes = np.concatenate([self._codes, self._code(X, ~np.isnan(X))[0]])

    def next_rows(self, history: History, n: int) -> Floats:
        """The first rows, at most n, that no trial had, and that none before this one is about to get.

        A trial that runs with no parameters yet is that of another program, which is just working them out: each such
        trial takes one point.
        """
        codes, on_grid = self._code(history.X, self._space.active(history.X))
        tried = codes[on_grid]
        (number,) = history.next_numbers(1)
        nothing_yet = history.is_running[:number] & np.isnan(history.X[:number]).all(axis=1)
        taken = int(np.count_nonzero(nothing_yet))
        with self._lock:
            while True:
                free = np.flatnonzero(~np.isin(self._codes, tried))
                if len(free) >= taken + n or self._made >= self.size:
                    break
                self._grow()
            if len(free) <= taken:
                raise SearchSpaceExhausted(
                    f"all {len(self._codes)} points of the grid were tried: stop here, or give GridSampler more points"
                )
            return self._X[free[taken : taken + n]]
