"""A Parzen estimator over a search space: a mixture of one product kernel for each trial, and a prior."""

from __future__ import annotations

import math

import numpy as np

from ...space import Space
from ...types import Floats
from .layout import layout


class Parzen:
    """The density Σ w_i Π_j k_j(x_j | row i) + w_prior · uniform.

    A row that lacks a parameter (inactive there, or not known) stands for that column with the mixture of the
    rows that have it, so that nothing is lost and nothing is made up. A point is judged by its active
    parameters alone.

    Args:
        space: the space.
        X: (n, d) encoded rows; NaN where a parameter is missing.
        weights: (n,) of the rows.
        prior: weight of the uniform component.
        widths: (d,) standard deviations of the kernels of numeric columns in the unit cube.
        smoothing: (d,) probability that a choice's kernel moves to a random choice.

    Attributes:
        layout: of the space.
        X: (n, d) the rows; one that lacks everything where there is none.
        weights, prior: divided by the sum of all weights.
        log_total: the logarithm of that sum.
        is_whole: whether no row lacks anything.
    """

    def __init__(
        self, space: Space, X: Floats, weights: Floats, prior: float, widths: Floats, smoothing: Floats
    ) -> None:
        if len(X) == 0:  # the prior alone
            X, weights = np.full((1, len(space)), np.nan), np.zeros(1)
        self.layout = layout(space)
        self.X = X
        total = weights.sum() + prior
        self.weights, self.prior = weights / total, prior / total
        self.log_total = math.log(total)
        self.widths, self.smoothing = widths, smoothing
        self.is_whole = not math.isnan(X.sum())

    def sample(self, rng: np.random.Generator, n: int) -> Floats:
        """(n, d) points: coordinates of numbers anywhere in [0, 1], indices of choices; all columns filled.

        Every other point may lie exactly on a bound, where optima often are.
        """
        from scipy.special import ndtr, ndtri

        d = self.X.shape[1]
        pick = rng.random(n)
        U, V = rng.random((n, d)), rng.random((n, d))
        uniform = pick < self.prior
        cumulated = np.cumsum(self.weights)
        row = np.minimum(np.searchsorted(cumulated, pick - self.prior, side="right"), len(self.X) - 1)
        centres = self.X[row]  # (n, d)
        if not self.is_whole:
            centres = self._filled(centres, V[:, 0])
        centres[uniform] = np.nan
        unknown = np.isnan(centres)
        c = np.where(unknown, 0.5, centres)
        quantiles = U.copy()  # every other point is not truncated but clipped: a truncated one never reaches a bound
        low, high = ndtr(-c[1::2] / self.widths), ndtr((1 - c[1::2]) / self.widths)
        quantiles[1::2] = low + U[1::2] * (high - low)
        X = np.where(unknown, U, c + self.widths * ndtri(quantiles))
        np.minimum(np.maximum(X, 0.0, out=X), 1.0, out=X)
        tables = self.layout.tables
        j = tables.columns[: len(tables.columns) - len(tables.edges)]  # of choices
        if len(j):
            moved = unknown[:, j] | (V[:, j] < self.smoothing[j])
            size = self.layout.choices[j]
            X[:, j] = np.where(moved, np.minimum(np.floor(U[:, j] * size), size - 1), centres[:, j])
        return X

    def _filled(self, centres: Floats, v: Floats) -> Floats:
        """Rows (c, d) with values of other rows, drawn by v (c,), in place of those that are missing.

        The same draw is for all columns, so that columns that go together stay so.
        """
        columns = np.flatnonzero(np.isnan(centres).any(axis=0))
        shares = np.cumsum((self.X == self.X).T[columns] * self.weights, axis=1)  # (k, n)
        beyond = shares[:, None, :] > v[:, None] * shares[:, None, -1:]  # (k, c, n)
        donors = self.X[beyond.argmax(axis=2).T, columns]  # (c, k)
        known = centres[:, columns]
        centres[:, columns] = np.where(np.isnan(known), donors, known)
        return centres
