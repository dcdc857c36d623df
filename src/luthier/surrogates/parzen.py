"""A Parzen estimator over a search space: a mixture of one product kernel for each trial, and a prior."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..space import Choice, Space
from ..types import Floats, Mask

_MAX_TABLE = 16  # values above which the density at a bin's centre stands for its mass

_MIN_WIDTH = 0.01
_NARROW = 0.105  # up to this width a kernel's mass beyond the farther bound is at most 1e-6
_SQRT_HALF = math.sqrt(0.5)
_ERFC = tuple(a / 2 for a in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592))


Table: TypeAlias = tuple[int, int, bool, Floats]
Singles: TypeAlias = NDArray[np.float32]


class Layout(NamedTuple):
    """How each column is modelled.

    Attributes:
        line: columns with a density on [0, 1]: continua, and numbers with enough values that they act like one.
        tables: columns of few values, whose kernels are tables of masses: (column, values, is a choice, bin edges).
        narrowest: (d,) least width of a kernel, from which neighbouring values are in reach.
        choices: (d,) number of choices; 1 for a number.
    """

    line: NDArray[np.intp]
    tables: tuple[Table, ...]
    narrowest: Floats
    choices: Floats


@lru_cache(maxsize=32)
def layout(space: Space) -> Layout:
    """Return the layout of a space."""
    line, tables = [], []
    for j, domain in enumerate(space.domains):
        if isinstance(domain, Choice):
            tables.append((j, domain.size, True, np.empty(0)))
        elif domain.size is not None and domain.size <= _MAX_TABLE:
            tables.append((j, domain.size, False, _edges(space, j, domain.size)))
        else:
            line.append(j)
    narrowest = np.maximum(_MIN_WIDTH, 0.3 / space.sizes)
    choices = np.where(space.is_choice, space.sizes, 1.0)
    return Layout(np.array(line, dtype=np.intp), tuple(tables), narrowest, choices)


def _edges(space: Space, j: int, size: int) -> Floats:
    """(size + 1,) where the bins of a column meet."""
    if size == 1 or np.isfinite(space.bins[j]):
        return np.linspace(0, 1, size + 1)
    domain = space.domains[j]  # an Int on a log scale: bins of width 1 around each whole number
    low = domain.low  # type: ignore[union-attr]
    edges = domain.encode(low - 0.5 + np.arange(size + 1))  # type: ignore[arg-type]
    return np.clip(edges, 0, 1)


def _tails(z: Singles) -> Singles:
    """Q(z), the mass of a standard normal beyond z, to 1e-7, for z >= 0.

    SciPy's exact one would be a quarter of a suggestion's time. In single precision, which is what it is good for,
    and in place, since memory is what it waits for.
    Source: Abramowitz & Stegun 1964, "Handbook of mathematical functions", 7.1.26, half of it, at z / √2.
    """
    t = z * (0.3275911 * _SQRT_HALF)
    t += 1
    np.reciprocal(t, out=t)
    y = t * _ERFC[0]
    for a in _ERFC[1:]:
        y += a
        y *= t
    np.multiply(z, z, out=t)
    t *= -0.5
    y *= np.exp(t, out=t)
    return y


def _sum_of_logs(x: Singles) -> Floats:
    """(n,) of x (l, n) in [0.4, 1]: a logarithm costs much more than a product."""
    step = 512  # factors, whose product is still a normal number
    logs = (np.log(np.multiply.reduce(x[i : i + step], axis=0, dtype=np.float64)) for i in range(0, len(x), step))
    return sum(logs, start=np.zeros(x.shape[1]))


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

    Attributes:
        log_total: log of the sum of all weights, by which they were divided.
    """

    def __init__(
        self, space: Space, X: Floats, weights: Floats, prior: float, widths: Floats, smoothing: Floats
    ) -> None:
        if len(X) == 0:  # the prior alone
            X, weights = np.full((1, len(space)), np.nan), np.zeros(1)
        self._layout = layout(space)
        self._X = X
        total = weights.sum() + prior
        self._weights, self._prior = weights / total, prior / total
        self.log_total = math.log(total)
        self.widths, self.smoothing = widths, smoothing
        self._whole = not math.isnan(X.sum())

    @cached_property
    def _there(self) -> Mask:
        return ~np.isnan(self._X)

    @cached_property
    def _line(self) -> tuple[Floats, Singles, Floats]:
        """Of the line columns: centres in units of their widths (l, n), masses in [0, 1] (l, n), widths (l,)."""
        s = self.widths[self._layout.line]
        z = self._X.T[self._layout.line] if len(s) < len(self.widths) else self._X.T.copy()
        if not self._whole:
            z[np.isnan(z)] = 0.5
        z /= s[:, None]
        whole = 1 / s[:, None]
        nearer = np.minimum(z, whole - z)  # the distance from the nearer bound
        wide = np.flatnonzero(s > _NARROW)
        distances = np.concatenate([nearer, (whole - nearer)[wide]]) if len(wide) else nearer
        outside = _tails(distances.astype(np.float32))
        if len(wide):
            outside[wide] += outside[len(s) :]
        return z, 1 - outside[: len(s)], s

    def _table(self, j: int, size: int, is_choice: bool, edges: Floats) -> Floats:
        """(size, size) masses of each value x (row) under the kernel at each value (column)."""
        if is_choice:
            b = self.smoothing[j]
            return np.asarray(np.eye(size) * (1 - b) + b / size)
        from scipy.special import ndtr

        centres = (edges[1:] + edges[:-1]) / 2
        cumulated = ndtr((edges[:, None] - centres[None, :]) / self.widths[j])  # (size + 1, size)
        mass = np.diff(cumulated, axis=0)
        return np.asarray(np.maximum(mass, 1e-300) / mass.sum(axis=0))

    def _tables(self, X: Floats) -> Iterable[tuple[Table, NDArray[np.intp], NDArray[np.intp]]]:
        """Each table column, with the levels of points there (c,) and of the rows (n,)."""
        if not self._layout.tables:
            return ()
        return zip(self._layout.tables, self._levels(X), self._levels(self._X), strict=True)

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
        line = self._layout.line
        if len(line) == len(self.widths):
            logs, base = self._line_logs(X, active)  # (c, n) log kernels less a summand of each point (c,)
        elif len(line):
            logs, base = self._line_logs(X[:, line], active[:, line])
        else:
            logs, base = np.zeros((len(X), len(self._X))), np.zeros(len(X))
        prior = -base
        for (j, size, is_choice, edges), at, centre in self._tables(X):
            table = self._table(j, size, is_choice, edges)
            full = np.zeros((size + 1, size + 1))  # the last row: inactive in the point; the last column: in the trial
            full[:size, :size] = np.log(table)
            if not self._whole:
                weights = np.bincount(centre, weights=self._weights, minlength=size + 1)[:size]
                mixed = (table @ weights + self._prior / size) / (weights.sum() + self._prior)
                full[:size, size] = np.log(mixed)
            logs += full[at].take(centre, axis=1)
            prior -= np.where(active[:, j], math.log(size), 0.0)
        top = np.maximum(logs.max(axis=1, initial=-np.inf), prior)
        logs -= top[:, None]
        mass = np.exp(logs, out=logs) @ self._weights + self._prior * np.exp(prior - top)
        return np.asarray(np.log(mass) + top + base)

    def _line_logs(self, X: Floats, active: Mask) -> tuple[Floats, Floats]:
        """Log kernels of the line columns, summed over columns by products of matrices: (c, n) + (c, 1)."""
        centres, mass, s = self._line
        scale = s * math.sqrt(2 * math.pi)
        if self._whole and active.all():
            x = X / s
            logs = x @ centres
            logs -= np.einsum("ln,ln->n", centres, centres) / 2 + _sum_of_logs(mass) + np.log(scale).sum()
            return logs, np.einsum("cl,cl->c", x, x) * -0.5
        x = np.where(active, X, 0.0) / s
        a = active.astype(np.float64)
        centres, normaliser = centres.T, np.log(mass.T * scale)  # (n, l)
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
        return logs, np.zeros(len(X))

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
        for column in () if self._whole else np.flatnonzero(~self._there.all(axis=0)):
            has = np.flatnonzero(self._there[:, column])
            lacks = np.flatnonzero(~self._there[row, column])
            if len(has) and len(lacks):  # the same draw for all columns, so that columns that go together stay so
                shares = np.cumsum(self._weights[has])
                donor = np.searchsorted(shares, V[lacks, 0] * shares[-1], side="right")
                centres[lacks, column] = self._X[has[np.minimum(donor, len(has) - 1)], column]
        centres[uniform] = np.nan
        unknown = np.isnan(centres)
        c = np.where(unknown, 0.5, centres)
        quantiles = U.copy()  # every other point is not truncated but clipped: a truncated one never reaches a bound
        low, high = ndtr(-c[1::2] / self.widths), ndtr((1 - c[1::2]) / self.widths)
        quantiles[1::2] = low + U[1::2] * (high - low)
        X = np.clip(np.where(unknown, U, c + self.widths * ndtri(quantiles)), 0, 1)
        for j, size, is_choice, _ in self._layout.tables:
            if is_choice:
                moved = unknown[:, j] | (V[:, j] < self.smoothing[j])
                X[:, j] = np.where(moved, np.minimum(np.floor(U[:, j] * size), size - 1), centres[:, j])
        return X
