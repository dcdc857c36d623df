"""A Parzen estimator over a search space: a mixture of one product kernel for each trial, and a prior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from ...space import Choice, Space
from ...space.domains import Floats
from ...space.space import Mask

_MAX_TABLE = 16  # values above which the density at a bin's centre stands for its mass

_SQRT_HALF = math.sqrt(0.5)
_ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


@dataclass(frozen=True)
class Layout:
    """How each column is modelled.

    Attributes:
        line: columns with a density on [0, 1]: continua, and numbers of so many values that they are like one.
        tables: columns of few values, whose kernels are tables of masses: (column, values, is a choice, bin edges).
    """

    line: NDArray[np.intp]
    tables: tuple[tuple[int, int, bool, Floats], ...]


@lru_cache(maxsize=32)
def layout(space: Space) -> Layout:
    """The layout of a space."""
    line, tables = [], []
    for j, domain in enumerate(space.domains):
        if isinstance(domain, Choice):
            tables.append((j, domain.size, True, np.empty(0)))
        elif domain.size is not None and domain.size <= _MAX_TABLE:
            tables.append((j, domain.size, False, _edges(space, j, domain.size)))
        else:
            line.append(j)
    return Layout(np.array(line, dtype=np.intp), tuple(tables))


def _edges(space: Space, j: int, size: int) -> Floats:
    """(size + 1,) where the bins of a column meet."""
    if size == 1 or np.isfinite(space.bins[j]):
        return np.linspace(0, 1, size + 1)
    domain = space.domains[j]  # an Int on a log scale: bins of width 1 around each whole number
    low = domain.low  # type: ignore[union-attr]
    edges = domain.encode(low - 0.5 + np.arange(size + 1))  # type: ignore[arg-type]
    return np.clip(edges, 0, 1)


def _erf(x: Floats) -> Floats:
    """erf of x >= 0 to 1.5e-7; SciPy's exact one would be a quarter of a suggestion's time.

    Source: Abramowitz & Stegun 1964, "Handbook of mathematical functions", 7.1.26.
    """
    t = 1 / (1 + 0.3275911 * x)
    y = np.full_like(t, _ERF[0])
    for a in _ERF[1:]:
        y *= t
        y += a
    return np.asarray(1 - y * t * np.exp(-x * x))


class Parzen:
    """The density Σ w_i Π_j k_j(x_j | row i) + w_prior · uniform.

    A row that lacks a parameter (inactive there, or not known) stands for that column with the mixture of the
    rows that have it, so that nothing is lost and nothing is made up. A point is judged by its active
    parameters alone.

    Args:
        space: the space.
        X: (n, d) encoded rows; NaN where a parameter is missing.
        weights: (n,) of the rows; the prior's is `prior`.
        prior: weight of the uniform component.
        widths: (d,) standard deviations of the kernels of numeric columns in the unit cube.
        smoothing: (d,) probability that a choice's kernel moves to a random choice.
    """

    def __init__(
        self, space: Space, X: Floats, weights: Floats, prior: float, widths: Floats, smoothing: Floats
    ) -> None:
        if len(X) == 0:  # the prior alone
            X, weights = np.full((1, len(space)), np.nan), np.zeros(1)
        self._layout = layout(space)
        self._X, self._there = X, ~np.isnan(X)
        total = weights.sum() + prior
        self._weights, self._prior = weights / total, prior / total
        self._widths, self._smoothing = widths, smoothing
        self._whole = bool(self._there.all())

    @cached_property
    def _line(self) -> tuple[Floats, Floats, Floats]:
        """Scaled centres (n, l), log of the kernels' normalisers (n, l) and widths (l,) of the line columns."""
        s = self._widths[self._layout.line]
        X = self._X[:, self._layout.line]
        centres = np.clip(X if self._whole else np.where(np.isnan(X), 0.5, X), 0, 1) / s
        mass = _erf((1 / s - centres) * _SQRT_HALF) + _erf(centres * _SQRT_HALF)  # twice that in [0, 1]
        return centres, np.log(mass * (s * math.sqrt(math.pi / 2))), s

    def _table(self, j: int, size: int, is_choice: bool, edges: Floats) -> Floats:
        """(size, size) masses of each value x (row) under the kernel at each value (column)."""
        if is_choice:
            b = self._smoothing[j]
            return np.asarray(np.eye(size) * (1 - b) + b / size)
        from scipy.special import ndtr

        centres = (edges[1:] + edges[:-1]) / 2
        cumulated = ndtr((edges[:, None] - centres[None, :]) / self._widths[j])  # (size + 1, size)
        mass = np.diff(cumulated, axis=0)
        return np.asarray(np.maximum(mass, 1e-300) / mass.sum(axis=0))

    def _levels(self, X: Floats) -> NDArray[np.intp]:
        """(t, n) positions of values in their tables; a table's size where missing."""
        levels = np.empty((len(self._layout.tables), len(X)), dtype=np.intp)
        for row, (j, size, is_choice, edges) in zip(levels, self._layout.tables, strict=True):
            u = X[:, j]
            known = u == u
            u = np.where(known, u, 0.0)
            row[:] = np.where(known, u if is_choice else np.searchsorted(edges[1:-1], u, side="right"), size)
        return levels

    def log_density(self, X: Floats) -> Floats:
        """(c,) at encoded points (c, d); NaN where inactive."""
        active = ~np.isnan(X)  # (c, d)
        logs = np.zeros((len(X), len(self._X)))  # (c, n) log kernels
        prior = np.zeros(len(X))
        tables = zip(self._layout.tables, self._levels(X), self._levels(self._X), strict=True)
        for (j, size, is_choice, edges), at, centre in tables:
            table = self._table(j, size, is_choice, edges)
            full = np.zeros((size + 1, size + 1))  # the last row: inactive in the point; the last column: in the trial
            full[:size, :size] = np.log(table)
            if not self._whole:
                weights = np.bincount(centre, weights=self._weights, minlength=size + 1)[:size]
                mixed = (table @ weights + self._prior / size) / (weights.sum() + self._prior)
                full[:size, size] = np.log(mixed)
            logs += full[at].take(centre, axis=1)
            prior -= np.where(active[:, j], math.log(size), 0.0)
        if len(self._layout.line):
            logs += self._line_logs(X[:, self._layout.line], active[:, self._layout.line])
        top = np.maximum(logs.max(axis=1, initial=-np.inf), prior)
        logs -= top[:, None]
        mass = np.exp(logs, out=logs) @ self._weights + self._prior * np.exp(prior - top)
        return np.asarray(np.log(mass) + top)

    def _line_logs(self, X: Floats, active: Mask) -> Floats:
        """(c, n) log kernels of the line columns, summed over columns by products of matrices."""
        centres, normaliser, s = self._line
        x = np.where(active, X, 0.0) / s
        a = active.astype(np.float64)
        if self._whole and active.all():
            constant = 0.5 * (centres**2 @ np.ones(len(s))) + normaliser @ np.ones(len(s))  # (n,)
            mine = -0.5 * (x**2 @ np.ones(len(s)))  # (c,)
            left = np.column_stack([x, np.ones(len(x)), mine])
            return np.asarray(left @ np.vstack([centres.T, -constant, np.ones(len(constant))]))
        there = self._there[:, self._layout.line]
        m = there.astype(np.float64)
        square = (x**2) @ m.T - 2 * (x @ (m * centres).T) + a @ (m * centres**2).T
        logs = -0.5 * square - a @ (m * normaliser).T
        for column in np.flatnonzero(~there.all(axis=0)):
            has = there[:, column]
            kernels = np.exp(-0.5 * (x[:, column, None] - centres[has, column]) ** 2 - normaliser[has, column])
            weights = self._weights[has]
            mixed = (kernels @ weights + self._prior) / (weights.sum() + self._prior)
            logs[:, ~has] += np.where(active[:, column], np.log(mixed), 0.0)[:, None]
        return np.asarray(logs)

    def sample(self, rng: np.random.Generator, n: int) -> Floats:
        """(n, d) points: coordinates of numbers anywhere in [0, 1], indices of choices; all columns filled.

        Every other point may lie exactly on a bound, where optima often are.
        """
        from scipy.special import ndtr, ndtri

        d = self._X.shape[1]
        pick = rng.random(n)
        U, V = rng.random((n, d)), rng.random((n, d))
        uniform = pick < self._prior
        cumulated = np.cumsum(self._weights)
        row = np.minimum(np.searchsorted(cumulated, pick - self._prior, side="right"), len(self._X) - 1)
        centres = self._X[row]  # (n, d)
        for column in np.flatnonzero(~self._there.all(axis=0)):
            has = np.flatnonzero(self._there[:, column])
            lacks = np.flatnonzero(~self._there[row, column])
            if len(has) and len(lacks):  # the same draw for all columns, so that columns that go together stay so
                shares = np.cumsum(self._weights[has])
                donor = np.searchsorted(shares, V[lacks, 0] * shares[-1], side="right")
                centres[lacks, column] = self._X[has[np.minimum(donor, len(has) - 1)], column]
        centres[uniform] = np.nan
        unknown = np.isnan(centres)
        c = np.where(unknown, 0.5, centres)
        low, high = ndtr(-c / self._widths), ndtr((1 - c) / self._widths)
        low[::2], high[::2] = 0.0, 1.0  # not truncated but clipped: a truncated kernel never reaches the bounds
        X = c + self._widths * ndtri(low + U * (high - low))
        X = np.clip(np.where(unknown, U, X), 0, 1)
        for j, size, is_choice, _ in self._layout.tables:
            if is_choice:
                moved = unknown[:, j] | (V[:, j] < self._smoothing[j])
                X[:, j] = np.where(moved, np.minimum(np.floor(U[:, j] * size), size - 1), centres[:, j])
        return X
