"""The combinations of a grid: made as far as they are needed, and what trials have used of them."""

from __future__ import annotations

import math
import threading
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ...errors import SearchSpaceExhausted, SpaceError
from ...history import History
from ...space import Space
from ...trial import TrialState
from ...types import Configuration, Floats, Mask
from .axes import Axis, Levels
from .branches import Branches, groups
from .spread import Spread

_INACTIVE, _OFF, _UNKNOWN = -1, -2, -3  # in place of a level: inactive; not on the grid; active but not known
_FIRST_BLOCK = 64
_LARGEST_BLOCK = 2**16
_MOST_IN_VAIN = 2**22  # points in a row that `require` forbids, or that are known already
_MOST_SEARCHED = 4096  # combinations for one that agrees with what a trial has already


class Combinations:
    """The combinations of a space, each once. Safe for threads.

    Parameters that conditions tie together are one axis, the row of their branches; every other parameter is one
    of its own. Where a row would be too long, all parameters are axes, and combinations that differ in inactive
    ones alone are dropped as they come.
    """

    def __init__(self, space: Space, axes: list[Axis]) -> None:
        self._space, self._axes = space, axes
        self._listed = [(j, axis.labels) for j, axis in enumerate(axes) if axis.labels is not None]
        tied = groups(space)
        together = sorted(chain.from_iterable(tied))
        branches = [Branches.of(space, axes, together)] if tied else []
        if None in branches:
            branches = [Branches.of(space, axes, columns) for columns in tied]
        self._counted = None not in branches
        self._branches = [b for b in branches if b is not None] if self._counted else []
        held = together if self._counted else []
        self._single = [j for j in range(len(space)) if j not in held]
        sizes = [b.size for b in self._branches] or [1]
        self._spread = Spread([*sizes, *(axes[j].size for j in self._single)])
        # one number for each combination: exact while there are fewer than 2^63, else a hash
        widths = [axis.size for axis in axes]
        exact = [math.prod(widths[:j]) for j in range(len(widths))]
        odd = np.random.default_rng(0).integers(2**62, size=len(widths)) * 2 + 1
        self._weights = np.array(exact if math.prod(widths) < 2**63 else odd, dtype=np.int64)
        self._made = 0
        self._X: Floats = np.empty((0, len(space)))
        self._levels: NDArray[np.int64] = np.empty((0, len(space)), dtype=np.int64)  # _INACTIVE where it is
        self._codes: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """How many there are, those that `require` forbids included.

        Raises:
            SpaceError: too many branches of conditions to count.
        """
        if not self._counted:
            raise SpaceError("the conditions of this space have over a million branches: its grid cannot be counted")
        return self._spread.size

    def configurations(self, X: Floats) -> list[Configuration]:
        """Return the configurations of encoded rows of the grid (n, d); listed values exactly as they were listed."""
        found = self._space.decode(X)
        for j, labels in self._listed:
            name, levels = self._space.names[j], self._axes[j].levels(X[:, j])
            for configuration, level in zip(found, levels.tolist(), strict=True):
                if name in configuration:
                    configuration[name] = labels[level]
        return found

    def next_rows(self, history: History, n: int) -> Floats:
        """Return the first rows, at most n, that no trial had.

        A trial counts for the combination that it has. Where its objective asked for fewer parameters than it might,
        one that was told or pruned counts for all that agree with it: they would have come to the same. One that
        failed, or still runs, may have had more to ask for: it counts for the first of these.

        Raises:
            SearchSpaceExhausted: no free row is left.
        """
        (number,) = history.next_numbers(1)
        counted = self._counts(history, number)
        with self._lock:
            while True:
                free = np.flatnonzero(~self._used(*counted))
                if len(free) >= n or not self._grow():
                    break
            if len(free) == 0:
                raise SearchSpaceExhausted(
                    f"all {len(self._codes)} points of the grid were tried: stop here, or give GridSampler more points"
                )
            return self._X[free[:n]]

    def next_level(self, history: History, number: int, j: int) -> int | None:
        """Return the level of parameter j in a combination that is free and agrees with what a trial has already.

        Of these the one whose level is used least by other trials that may agree, then the first. None where there is
        none, or it is not among the first few thousand.
        """
        row = self._levels_of(history.X[[number]], self._space.active(history.X[[number]]))[0]
        row[j] = _INACTIVE
        known = math.prod(self._axes[i].size for i in np.flatnonzero(row >= 0))
        if min(known, self._spread.size) > _MOST_SEARCHED:  # hardly any of these agrees
            return None
        counted = self._counts(history, number)
        used = self._levels_used(history, number, j, row)
        searched = _FIRST_BLOCK  # the answer does not depend on how many are made already
        with self._lock:
            while True:
                while len(self._codes) < searched and self._grow():
                    pass
                fits = ~self._used(*counted) & self._agree(row) & (self._levels[:, j] >= 0)
                free = np.flatnonzero(fits[:searched])
                if len(free):
                    found = self._levels[free, j]
                    return int(found[np.argmin((found[:, None] == used[None, :]).sum(axis=1))])
                if len(self._codes) < searched or searched >= _MOST_SEARCHED:
                    return None
                searched *= 2

    def _levels_used(self, history: History, number: int, j: int, row: Levels) -> Levels:
        """Levels of parameter j of other trials that have nothing else than this one where both have a value."""
        levels = self._levels_of(history.X, ~np.isnan(history.X))
        known = np.flatnonzero(row >= 0)
        agree = ((levels[:, known] == row[known]) | (levels[:, known] < 0)).all(axis=1)
        agree[number] = False
        return np.asarray(levels[agree & (levels[:, j] >= 0), j])

    def _counts(self, history: History, number: int) -> tuple[NDArray[np.int64], Levels, Levels]:
        """What trials count for, from the point of view of trial `number`.

        Returns:
            codes of combinations that they have; levels of trials that lack active parameters, _UNKNOWN there: those
            that count for all that agree with them, and those that count for the first.
        """
        levels = self._levels_of(history.X, self._space.active(history.X))
        if number < len(levels):
            levels[number] = _OFF
        whole = (levels >= _INACTIVE).all(axis=1)
        codes = np.maximum(levels[whole], 0) @ self._weights
        missing = levels == _UNKNOWN
        rows = np.flatnonzero(missing.any(axis=1) & (levels != _OFF).all(axis=1))
        if len(rows) == 0:
            return codes, levels[:0], levels[:0]
        there = ~np.isnan(history.X)
        first = np.where(there.any(axis=0), there.argmax(axis=0), len(there))  # (d,) the trial that showed it
        states = history.states[rows]
        done = (states == TrialState.COMPLETE) | (states == TrialState.PRUNED)
        known = (~missing[rows] | (first < rows[:, None])).all(axis=1)  # else the objective may have changed since
        empty = ~there[rows].any(axis=1)
        begun = (states == TrialState.RUNNING) & (rows < number)  # their parameters are just being worked out
        once = (states == TrialState.FAIL) | begun | (done & empty)
        return codes, np.unique(levels[rows[done & known & ~empty]], axis=0), levels[rows[once]]

    def _used(self, tried: NDArray[np.int64], every: Levels, one: Levels) -> Mask:
        """(made,) which combinations trials have used."""
        used: Mask = np.isin(self._codes, tried)
        for row in every:
            used |= self._agree(row)
        for row in one:
            free = np.flatnonzero(self._agree(row) & ~used)
            used[free[:1]] = True
        return used

    def _agree(self, row: Levels) -> Mask:
        known = np.flatnonzero(row >= 0)
        return np.asarray((self._levels[:, known] == row[known]).all(axis=1))

    def _levels_of(self, X: Floats, active: Mask) -> NDArray[np.int64]:
        """(n, d) levels of encoded rows; _INACTIVE, _OFF and _UNKNOWN where there is none."""
        levels = np.full(X.shape, _INACTIVE, dtype=np.int64)
        for j, axis in enumerate(self._axes):
            there = active[:, j] & np.isfinite(X[:, j])
            levels[active[:, j] & ~there, j] = _UNKNOWN
            found = axis.levels(X[there, j])
            levels[there, j] = np.where(found < 0, _OFF, found)
        return levels

    def _grow(self) -> bool:
        """Make twice the points; False if there are no more."""
        before, in_vain = len(self._codes), 0
        while self._made < self._spread.size and in_vain < _MOST_IN_VAIN:
            count = min(max(self._made, _FIRST_BLOCK), _LARGEST_BLOCK, self._spread.size - self._made)
            block = np.array([self._made + i for i in range(count)], dtype=np.int64 if self._made < 2**62 else object)
            self._made += count
            X = self._rows(block)
            if self._space.require:
                X = X[self._space.feasible(self._space.encode(self._space.decode(X)))]  # as `Space.check` sees them
            levels = self._levels_of(X, ~np.isnan(X))
            codes = np.maximum(levels, 0) @ self._weights
            if not self._counted:
                new = np.sort(np.unique(codes, return_index=True)[1])
                new = new[~np.isin(codes[new], self._codes)]
                X, levels, codes = X[new], levels[new], codes[new]
            self._X = np.concatenate([self._X, X])
            self._levels = np.concatenate([self._levels, levels])
            self._codes = np.concatenate([self._codes, codes])
            if len(self._codes) > before:
                return True
            in_vain += count
        if self._space.require and in_vain >= _MOST_IN_VAIN:
            raise SpaceError(
                f"hardly any point of the grid satisfies require={list(self._space.require)}: {in_vain} in a row did "
                "not; loosen it, or list values that do"
            )
        return False

    def _rows(self, numbers: Levels) -> Floats:
        """(n, d) encoded rows of the points with these numbers; NaN where inactive."""
        spread = self._spread(numbers)
        X = np.full((len(numbers), len(self._space)), np.nan)
        first = len(self._branches) or 1
        for column, j in enumerate(self._single):
            X[:, j] = self._axes[j].coordinates(spread[:, first + column])
        for column, branches in enumerate(self._branches):
            branches.fill(X, spread[:, column])
        if not self._space.is_flat:
            X[~self._space.active(X)] = np.nan
        return X
