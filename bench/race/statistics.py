"""The race's arithmetic, on arrays of normalised regrets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
DRAWS = 2000


def mean_curve(regrets: Sequence[Floats]) -> Floats:
    """(T,) mean over problems of the mean over seeds; each problem is (seeds, T)."""
    curve: Floats = np.mean([r.mean(axis=0) for r in regrets], axis=0)
    return curve


def bootstrap(regrets: Sequence[Floats], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """95 % interval (T,), (T,) of `mean_curve`: seeds are drawn anew within each problem, problems are fixed."""
    total: Floats = np.zeros((DRAWS, regrets[0].shape[1]))
    for r in regrets:
        seeds = len(r)
        weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=DRAWS) / seeds  # (draws, seeds)
        total += weights @ r / len(regrets)
    low, high = np.percentile(total, [2.5, 97.5], axis=0)
    return low, high


def trials_to(curve: Floats, target: float) -> int | None:
    """Return the first trial, from 1, at which a curve is at most the target; None if it never is."""
    there = np.flatnonzero(curve <= target + 1e-12)
    return int(there[0]) + 1 if len(there) else None


@dataclass(frozen=True)
class Ranking:
    """Mean ranks (k,) over blocks, Friedman's p, and Nemenyi's critical difference at 5 %."""

    ranks: Floats
    p: float
    critical_difference: float


def ranking(scores: Floats) -> Ranking:
    """Friedman's test and Nemenyi's critical difference (Demšar 2006, section 3.2.2) for scores (blocks, k).

    With fewer than three peers or two blocks there is no test: p and the difference are NaN.
    """
    blocks, k = scores.shape
    ranks = stats.rankdata(scores, axis=1).mean(axis=0)
    if k < 3 or blocks < 2 or np.all(scores == scores[:, :1]):
        return Ranking(ranks, float("nan"), float("nan"))
    q = stats.studentized_range.ppf(0.95, k, np.inf) / np.sqrt(2)
    return Ranking(
        ranks, float(stats.friedmanchisquare(*scores.T).pvalue), float(q * np.sqrt(k * (k + 1) / (6 * blocks)))
    )
