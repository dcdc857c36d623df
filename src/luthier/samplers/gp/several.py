"""The acquisition for two to four objectives: a process for each, and the hypervolume that they promise together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ...multiobjective.dominance import non_dominated
from ...space import Space
from ...surrogates.gp.kernel import Embedding
from ...surrogates.gp.observations import Observations, rank_beyond, standardised
from ...surrogates.gp.posterior import Posterior, condition
from ...surrogates.gp.refits import Fits, subset
from ...types import Floats, Mask
from .acquisition import Acquisition
from .hypervolume import HypervolumeAcquisition, reference_point

MOST_OBJECTIVES = 4  # beyond, most trials are on the front, and the boxes too many
_INCUMBENTS = 8
_FAR = 10.0  # times the median distance from the best: beyond, a value of the front is an outlier
_LIMIT = 1e6  # times the distance of the cut from the best: values beyond are equal
_ROUNDING = 1e-12  # smaller differences are none: objectives pile up at their optima, but for rounding


def front_targets(losses: Floats, succeeded: Mask, j: int) -> Floats:
    """Standardised values (n,) of objective j of losses (n, m): distances are kept up to the worst on the front.

    Hypervolume is in proportion to what it is in the user's units as long as distances are kept. What is worse than
    all of the front is ranked, and so is what lies far off the rest; a failure counts as the worst plus half the
    range. All zero where nothing is known or all is the same.
    """
    done = np.isfinite(losses).all(axis=1)
    y = np.zeros(len(losses))
    if not done.any():
        return y
    column = losses[:, j]
    scale = float(np.abs(column[done]).max()) or 1.0
    y[done] = column[done] / scale  # (the square of 1e200 would overflow)
    low, high = float(y[done].min()), float(y[done].max())
    y[~done] = high + 0.5 * (high - low)
    known = succeeded if succeeded.any() else done
    worst = float(y[known][non_dominated(losses[known])].max())
    excess = y[done] - low
    real = excess > _ROUNDING * max(1.0 / scale, abs(low))
    if real.any():
        worst = min(worst, low + _FAR * float(np.median(excess[real])))
    cut = max(worst, float(np.median(y[done])))
    unit = cut - low
    if unit > 0:  # so that what is left is of the order of 1, whatever the outliers
        y, cut = np.minimum(y - low, _LIMIT * unit) / unit, 1.0
    return standardised(rank_beyond(y, cut, float(np.mean(y <= cut)) - 0.5 / len(y)))


def improvement(
    space: Space,
    embedding: Embedding,
    seen: Observations,
    constraints: Sequence[tuple[Posterior, float]],
    fits: Fits,
    rng: np.random.Generator,
) -> tuple[HypervolumeAcquisition, Floats]:
    """What to maximise, and rows of the front (k, d) in random order.

    Args:
        space: what to search.
        embedding: of the space.
        seen: with two or more objectives; at least one trial has succeeded.
        constraints: see `Acquisition`.
        fits: the cache of hyperparameters.
        rng: for the order.
    """
    good, m = seen.succeeded, seen.losses.shape[1]
    raw = np.concatenate([seen.losses, good[:, None]], axis=1)

    def column(j: int, n: int) -> Floats:
        return front_targets(seen.losses[:n], good[:n], j)

    Y = np.stack([column(j, len(seen)) for j in range(m)], axis=1)  # (n, m)
    front = good.copy()
    front[good] = non_dominated(Y[good])
    chosen = subset(np.where(front, -np.inf, Y.mean(axis=1)))
    thetas = [fits.theta((space, "objective", j), embedding, seen.X, raw, partial(column, j)) for j in range(m)]
    F, Y, usable = embedding(seen.X[chosen]), Y[chosen], good[chosen]
    processes = tuple(condition(embedding, theta, F, y) for theta, y in zip(thetas, Y.T, strict=True))
    points = np.stack([process.means() for process in processes], axis=1)[usable]
    limits = Acquisition((), constraints) if constraints else None
    rows = rng.permutation(np.flatnonzero(front[chosen]))[:_INCUMBENTS]
    return HypervolumeAcquisition.of(processes, points, reference_point(Y[usable]), limits), seen.X[chosen][rows]
