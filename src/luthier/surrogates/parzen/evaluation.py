"""Several Parzen estimators at the same points.

All their rows are worked on at once, as a call of NumPy costs for 25 nearly what it costs for 500. The logarithms of
kernels, summed over the columns, are products of matrices: of what is known of the points, and of what is known of the
rows. The squares in the exponents are expanded for that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...types import Floats, Mask
from .density import Parzen
from .layout import Layout

_BLOCK = 2**15  # kernels that are worked out at once: what a core's own cache holds
_NARROW = 0.105  # up to this width a kernel's mass beyond the farther bound is at most 1e-6
_SQRT_HALF = math.sqrt(0.5)
_ERFC = tuple(a / 2 for a in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592))

Singles: TypeAlias = NDArray[np.float32]


class _Rows(NamedTuple):
    """The rows of g densities side by side, n in all.

    Attributes:
        layout: of their space.
        X: (d, n) encoded; NaN where missing.
        there: (d, n) where it is not.
        is_whole: whether it is nowhere.
        weights: (n,).
        counts: (g,) how many are of each.
        starts: (g,) the first of each.
        priors: (g,).
        widths: (g, d).
        smoothing: (g, d).
    """

    layout: Layout
    X: Floats
    there: Mask
    is_whole: bool
    weights: Floats
    counts: NDArray[np.intp]
    starts: NDArray[np.intp]
    priors: Floats
    widths: Floats
    smoothing: Floats

    def own(self, x: Floats) -> Floats:
        """(l, n) of x (g, l): for every row what its density has."""
        return np.repeat(x.T, self.counts, axis=1)

    def sums(self, x: Floats) -> Floats:
        """(..., g) of x (..., n): sums over the rows of each density."""
        return np.asarray(np.add.reduceat(x, self.starts, axis=-1))


class _Terms(NamedTuple):
    """Logarithms of some columns' kernels: of density k at point i and row j, points[k][i] @ rows[:, j] + base[k, i].

    Attributes:
        points: (c, l) for each density.
        rows: (l, n).
        base: (g, c).
    """

    points: Sequence[Floats]
    rows: Floats
    base: Floats


def log_densities(densities: Sequence[Parzen], X: Floats) -> Floats:
    """(g, c) logarithms of g densities over one space at encoded points X (c, d), NaN where inactive."""
    rows, active = _side_by_side(densities), X == X
    line, tables = rows.layout.line, rows.layout.tables.columns
    prior = np.zeros(len(X))
    if len(tables):
        terms = _table_terms(rows, X, active[:, tables])
        prior = active[:, tables] @ -np.log(rows.layout.tables.sizes)
        if len(line):
            terms = _joined(_line_terms(rows, X, active), terms)
    else:
        terms = _line_terms(rows, X, active)
    found = np.empty((len(densities), len(X)))
    for k, density in enumerate(densities):
        own = terms.rows[:, rows.starts[k] : rows.starts[k] + rows.counts[k]]
        logs = terms.points[k] @ own  # (c, n)
        base = terms.base[k]
        uniform = prior - base
        top = np.maximum(logs.max(axis=1), uniform)
        logs -= top[:, None]
        mass = np.exp(logs, out=logs) @ density.weights + density.prior * np.exp(uniform - top)
        found[k] = np.log(mass) + top + base
    return found


def _joined(one: _Terms, other: _Terms) -> _Terms:
    """Terms of the columns of both."""
    points = [np.concatenate(pair, axis=1) for pair in zip(one.points, other.points, strict=True)]
    return _Terms(points, np.concatenate([one.rows, other.rows]), one.base + other.base)


def _side_by_side(densities: Sequence[Parzen]) -> _Rows:
    counts = np.array([len(density.X) for density in densities])
    X = np.concatenate([density.X.T for density in densities], axis=1)  # (d, n)
    return _Rows(
        densities[0].layout,
        X,
        X == X,
        all(density.is_whole for density in densities),
        np.concatenate([density.weights for density in densities]),
        counts,
        np.cumsum(counts) - counts,
        np.array([density.prior for density in densities]),
        np.stack([density.widths for density in densities]),
        np.stack([density.smoothing for density in densities]),
    )


# -- columns with a density on [0, 1]


def _line_terms(rows: _Rows, X: Floats, active: Mask) -> _Terms:
    """Of points X (c, d) in the line columns, l of them: -(x - z)² / 2s² less the logarithm of the kernel's norm."""
    line = rows.layout.line
    widths = rows.widths[:, line]  # (g, l)
    precise = rows.own(1 / widths)  # (l, n)
    x, active = X[:, line], active[:, line]
    z, there = rows.X[line], rows.there[line]  # (l, n)
    if not rows.is_whole:
        z = np.where(there, z, 0.5)
    z *= precise
    mass = _masses(rows, z, precise, widths > _NARROW)
    logs = np.log(widths * math.sqrt(2 * math.pi))  # (g, l)
    if rows.is_whole and active.all():
        heights = np.einsum("ln,ln->n", z, z) / -2 - _sum_of_logs(mass) - rows.own(logs.sum(axis=1)[:, None])[0]
        points = np.concatenate([x, np.ones((len(x), 1))], axis=1)
        base = (-0.5 / widths**2) @ (x * x).T
        return _Terms([points] * len(widths), np.concatenate([z * precise, heights[None, :]]), base)
    x = np.where(active, x, 0.0)
    logs = np.log(mass) + rows.own(logs)
    lacking = _line_mixtures(rows, x, active & ~there.all(axis=1), z, precise, np.exp(-logs))
    squares = x * x * (-0.5 / widths**2)[:, None, :] - lacking  # (g, c, l)
    kernels = np.concatenate([np.ones(z.shape), z * precise, z * z * -0.5 - logs])
    return _Terms(
        [np.concatenate([square, x, active], axis=1) for square in squares],
        kernels * np.concatenate([there, there, there]),
        lacking.sum(axis=2),
    )


def _masses(rows: _Rows, z: Floats, precise: Floats, wide: Mask) -> Singles:
    """(l, n) masses in [0, 1] of kernels at z (l, n), in units of their widths 1 / precise (l, n).

    What is beyond the farther bound counts where kernels are wide (g, l).
    """
    far = precise - z
    mass = 1 - _tails(np.minimum(z, far).astype(np.float32))
    for k, columns in enumerate(wide):
        if columns.any():
            own = columns, slice(rows.starts[k], rows.starts[k] + rows.counts[k])
            mass[own] -= _tails(np.maximum(z[own], far[own]).astype(np.float32))
    return mass


def _line_mixtures(rows: _Rows, x: Floats, wanted: Mask, z: Floats, precise: Floats, tops: Floats) -> Floats:
    """(g, c, l) logarithms of what stands for rows that lack a column, at points x (c, l); 0 where it is not wanted.

    Args:
        rows: of the densities.
        x: points.
        wanted: (c, l) where.
        z, precise, tops: (l, n) centres of the kernels in units of their widths, 1 / widths, values at the centres.
    """
    weights = rows.there[rows.layout.line] * rows.weights  # (l, n)
    factors, weights = weights * tops, rows.sums(weights)  # (l, n), (l, g)
    point, column = np.nonzero(wanted)
    found = np.empty((len(point), len(rows.starts)))
    step = max(1, _BLOCK // z.shape[1])
    for first in range(0, len(point), step):
        at, of = point[first : first + step], column[first : first + step]
        kernels = x[at, of][:, None] * precise[of]
        kernels -= z[of]
        kernels *= kernels
        kernels *= -0.5
        np.exp(kernels, out=kernels)
        kernels *= factors[of]
        found[first : first + step] = rows.sums(kernels)
    logs = np.zeros((len(rows.starts), *x.shape))
    logs[:, point, column] = np.log((found + rows.priors) / (weights[column] + rows.priors)).T
    return logs


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


# -- columns of few values


def _table_terms(rows: _Rows, X: Floats, active: Mask) -> _Terms:
    """Of points X (c, d), active (c, t) in the table columns: a kernel is looked up by the level of its row."""
    tables = rows.layout.tables
    levels = _levels(rows.layout, rows.X)  # (t, n)
    at = _levels(rows.layout, X.T)  # (t, c)
    same = np.equal(levels[tables.table], tables.level[:, None]).astype(np.float64)  # (k, n)
    kernels = _table_kernels(rows, at)  # (g, k, c)
    points = np.where(active.T[tables.table], np.log(kernels), 0.0)  # (g, k, c)
    there = rows.there[tables.columns]  # (t, n)
    gaps = np.flatnonzero(~there.all(axis=1))
    if len(gaps) == 0:
        return _Terms(list(points.transpose(0, 2, 1)), same, np.zeros((len(points), len(X))))
    mixed = np.add.reduceat(kernels * rows.sums(same * rows.weights).T[:, :, None], tables.starts, axis=1)  # (g, t, c)
    weights = rows.sums(there * rows.weights).T + rows.priors[:, None]  # (g, t)
    mixed = (mixed + (rows.priors[:, None] / tables.sizes)[:, :, None]) / weights[:, :, None]
    lacking = np.where(active.T, np.log(mixed), 0.0)[:, gaps]  # (g, gaps, c)
    points = np.concatenate([points, -lacking], axis=1).transpose(0, 2, 1)
    return _Terms(list(points), np.concatenate([same, there[gaps]]), lacking.sum(axis=1))


def _levels(layout: Layout, columns: Floats) -> Floats:
    """(t, n) positions of values (d, n) in their tables; NaN where missing."""
    tables = layout.tables
    levels = columns[tables.columns]
    for row, edges in zip(levels[len(levels) - len(tables.edges) :], tables.edges, strict=True):
        known = row == row
        row[known] = np.searchsorted(edges[1:-1], row[known], side="right")
    return levels


def _table_kernels(rows: _Rows, levels: Floats) -> Floats:
    """(g, k, c) masses of levels (t, c) under the kernel at each of the k levels; of anything where they are NaN."""
    tables = rows.layout.tables
    k = len(tables.choices)
    smoothing = rows.smoothing[:, tables.choices]  # (g, k)
    other = smoothing / rows.layout.choices[tables.choices]
    same = levels[tables.table[:k]] == tables.level[:k, None]  # (k, c)
    kernels = np.where(same, (1 - smoothing + other)[:, :, None], other[:, :, None])
    return np.concatenate([kernels, _bin_kernels(rows, levels)], axis=1) if tables.edges else kernels


def _bin_kernels(rows: _Rows, levels: Floats) -> Floats:
    """(g, k', c) the same of the numbers among them."""
    from scipy.special import ndtr

    tables = rows.layout.tables
    k = len(tables.choices)
    table = tables.table[k:]
    widths = rows.widths[:, tables.numbers]  # (g, k')
    at = np.fmax(levels[table], 0).astype(np.intp) + (tables.starts[table, None] - k)  # (k', c) in the table of bins
    centres = (tables.bins[:, 0] + tables.bins[:, 1]) / 2
    distances = tables.bins[at] - centres[:, None, None]  # (k', c, 2)
    cumulated = ndtr(distances / widths[:, :, None, None])
    whole = ndtr((1 - centres) / widths) - ndtr(-centres / widths)
    return np.asarray(np.maximum(cumulated[..., 1] - cumulated[..., 0], 1e-300) / whole[:, :, None])
