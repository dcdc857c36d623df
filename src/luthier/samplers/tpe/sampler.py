"""Tree-structured Parzen estimator, multivariate."""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...history import History
from ...space import Space
from ...surrogates.parzen import Parzen, layout, log_densities
from ...types import Configuration, Floats
from ..options import clear_options
from ..startup import default_startup_trials, startup
from ..tried import marks
from .index import index_of
from .ranking import split

_MAX_GOOD = 25
_MAX_BAD = 500  # rows of the bad density, so that 100,000 trials cost little more than 500; 200 found as good points
_WIDTH = 0.15  # of a kernel, relative to a spread like that of uniform points, before it shrinks with n
_ROUNDS = 10  # of candidates until one satisfies `require`
_GROUP = 32  # suggestions of a batch that share one density of the others; more would need much memory
_FAINT = 1e-6  # prior weight that keeps the logarithm of a lone kernel finite
_LAST_RESORT = 256  # uniform points that are tried when every candidate was tried before


@clear_options
@dataclass(frozen=True)
class TPESampler:
    """Models where the good trials are and where the others are, and tries what is likelier among the good.

    >>> import luthier as lt
    >>> from luthier.samplers import TPESampler
    >>> study = lt.create_study(sampler=TPESampler(startup_trials=5), seed=0)
    >>> study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=20)
    >>> study.best_value < 0.1
    True

    One joint density over all parameters for each side, with a kernel for every trial; so it sees how
    parameters go together. A conditional parameter is modelled by the trials that had it. Running trials count
    as bad (constant liar), so that parallel workers spread out, and so do failed ones. A pruned trial
    ranks after every complete one, by how far it came; an infeasible one after those, by its violation. With
    several objectives trials are ranked by non-domination. What was tried is not tried again while
    anything else is found.

    Sources: Bergstra et al. 2011, "Algorithms for hyper-parameter optimization"; Falkner et al. 2018 (BOHB,
    arXiv 1807.01774) for the joint density; Watanabe 2023 (arXiv 2304.11127) for what its parts do.

    Args:
        startup_trials: trials of the initial design; by default max(5, min(2d, 15)) for d parameters.
        candidates: points drawn from the good density, of which the best is taken. More makes it greedier.
        gamma: share of the trials that count as good, at most 25 of them.
        prior_weight: weight of the uniform component, where an average trial weighs 1.

    Raises:
        ValueError: an argument out of its range.
    """

    startup_trials: int | None = None
    candidates: int = 24
    gamma: float = 0.1
    prior_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.startup_trials is not None and self.startup_trials < 1:
            raise ValueError(f"startup_trials={self.startup_trials} must be at least 1, or None")
        if self.candidates < 1:
            raise ValueError(f"candidates={self.candidates} must be at least 1")
        if not 0 < self.gamma < 1:
            raise ValueError(f"gamma={self.gamma} must lie between 0 and 1")
        if not 0 < self.prior_weight < math.inf:
            raise ValueError(f"prior_weight={self.prior_weight} must be positive")

    def suggest(self, space: Space, history: History, rng: np.random.Generator, n: int) -> list[Configuration]:
        """n configurations to try next; see `Sampler`. In a batch, each counts as running for the next."""
        startup_trials = (
            default_startup_trials(space, per_parameter=2) if self.startup_trials is None else self.startup_trials
        )
        index = index_of(history)
        if index.n_ranked < startup_trials:  # else the design is over
            initial = startup(space, history, rng, n, startup_trials)
            if initial is not None:
                return initial
        n_good = min(math.ceil(self.gamma * index.n_ranked), _MAX_GOOD)
        parts = split(history, n_good, _MAX_BAD)
        X = _known(space, history.X.take(np.concatenate([parts.good, parts.bad]), axis=0))
        k = len(parts.good)
        found = np.empty((0, len(space)))
        known = _Known(index.tried, set(marks(history.X[parts.unfinished]).tolist()))
        for first in range(0, n, _GROUP):
            good, others = self._densities(space, np.concatenate([X, found]) if len(found) else X, k)
            found = self._group(space, good, others, found, rng, min(n - first, _GROUP), known)
        return space.decode(found)

    def _group(
        self,
        space: Space,
        good: Parzen,
        others: Parzen,
        found: Floats,
        rng: np.random.Generator,
        n: int,
        known: _Known,
    ) -> Floats:
        """The points found (k, d), and n more, of which each counts among the others for those after it."""
        points = self._candidates(space, good, rng, n)
        ours, theirs = log_densities((good, others), points)
        for i in range(n):
            start, stop = (len(points) * k // n for k in (i, i + 1))
            score = theirs[start:stop] - ours[start:stop]  # Bergstra 2011, equation (3); the least is the best
            new = _first_new(space, points[start:stop][np.argsort(score, kind="stable")], known, rng)
            found = np.concatenate([found, new[None, :]])
            if i < n - 1:  # the sum of kernels grows by one; its norm is the same for all points
                kernel = Parzen(space, new[None, :], np.ones(1), _FAINT, others.widths, others.smoothing)
                theirs[stop:] = np.logaddexp(
                    theirs[stop:], log_densities((kernel,), points[stop:])[0] - others.log_total
                )
        return found

    def _densities(self, space: Space, X: Floats, k: int) -> tuple[Parzen, Parzen]:
        """Of the first k rows (n, d), which are the good ones, best first, and of the others."""
        counts = k, len(X) - k
        each = np.ones(len(X))

        def sums(x: Floats) -> Floats:
            return np.stack([each[:k] @ x[:k], each[k:] @ x[k:]])  # (2, d)

        known, n, total = X, np.array(counts)[:, None], sums(X)
        if np.isnan(total).any():
            there = (X == X).astype(np.float64)
            known, n = np.where(there, X, 0.0), sums(there)
            total = sums(known)
        squares = sums(known * known) - total * total / np.maximum(n, 1)  # about the mean
        spread = np.sqrt(12 * (squares + 1 / 12) / (n + 1))  # with one uniform point as a prior; 1 if uniform
        narrowest, choices = layout(space)[2:]
        scott = [[max(count, 1) ** (-1 / (len(space) + 4))] for count in counts]
        widths = np.maximum(_WIDTH * np.array(scott) * spread, narrowest)
        smoothing = choices / (np.maximum(counts, 1)[:, None] + choices)
        good = Parzen(space, X[:k], _rank_weights(k), self.prior_weight, widths[0], smoothing[0])
        return good, Parzen(space, X[k:], np.ones(len(X) - k), self.prior_weight, widths[1], smoothing[1])

    def _candidates(self, space: Space, good: Parzen, rng: np.random.Generator, n: int) -> Floats:
        """Points (c, d) that satisfy the space, for n suggestions, c at least n."""
        count = n * self.candidates
        if not space.require:
            return space.snap(good.sample(rng, count))
        found: list[Floats] = []
        for _ in range(_ROUNDS):
            X = space.snap(good.sample(rng, count))
            found.append(X[space.feasible(X)])
            if sum(map(len, found)) >= count:
                break
        X = np.concatenate(found)[:count]
        return X if len(X) >= n else space.sample(rng, count)


class _Known(NamedTuple):
    """The marks of points that are not new: of finished trials, and of those that run, wait or were found before."""

    finished: Container[int]
    taken: set[int]


def _known(space: Space, X: Floats) -> Floats:
    """Rows without coordinates outside [0, 1], which come from another range: they count as missing."""
    outside = np.abs(X - 0.5) > np.where(space.is_choice, np.inf, 0.5 + 1e-9)
    return np.where(outside, np.nan, X) if outside.any() else X


@lru_cache(maxsize=_MAX_GOOD + 1)
def _rank_weights(n: int) -> Floats:
    """(n,) weights of the good trials, best first: log-linear in the rank, 1 on average."""
    weights: Floats = np.log(n + 1.5) - np.log(np.arange(1, n + 1))
    return weights / weights.mean() if n else weights


def _first_new(space: Space, points: Floats, known: _Known, rng: np.random.Generator) -> Floats:
    """The first of the points, best first, that was not tried; else a uniform one that was not; else the first.

    Args:
        space: of the points.
        points: (c, d) encoded.
        known: marks of points that are not new; what is found now is added.
        rng: for uniform points.
    """
    for batch in (points[:1], points[1:], None):  # the first is nearly always new
        rows = space.sample(rng, _LAST_RESORT) if batch is None else batch
        for row, mark in zip(rows, marks(rows).tolist(), strict=True):
            if mark not in known.finished and mark not in known.taken:
                known.taken.add(mark)
                return np.asarray(row)
    return np.asarray(points[0])
