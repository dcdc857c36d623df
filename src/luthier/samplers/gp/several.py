"""The acquisition for two to four objectives: a process for each, and the hypervolume that they promise together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...multiobjective.dominance import non_dominated
from ...space import Space
from ...surrogates.gp.observations import COMPLETE, Observations
from ...surrogates.gp.posterior import Posterior
from ...surrogates.gp.surrogate import Surrogate
from ...surrogates.gp.targets import Target, rank_beyond, standardised, targets
from ...types import Floats, Mask
from .acquisition import Acquisition
from .hypervolume import HypervolumeAcquisition, reference_point

MOST_OBJECTIVES = 4  # beyond, most trials are on the front, and the boxes too many
_INCUMBENTS = 8
_FAR = 10.0  # times the median distance from the best: beyond, a value of the front is an outlier
_LIMIT = 1e6  # times the distance of the cut from the best: values beyond are equal
_ROUNDING = 1e-12  # smaller differences are none: objectives pile up at their optima, up to rounding


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


def chebyshev(losses: Floats, states: NDArray[np.int8], rng: np.random.Generator) -> Floats:
    """Return several objectives as one (n,) by random weights (Knowles 2006, ParEGO); NaN for a failure."""
    done = states == COMPLETE
    total = np.full(len(losses), np.nan)
    if not done.any():
        return total
    weights = rng.dirichlet(np.ones(losses.shape[1]))
    scaled = np.stack([targets(column, states)[done] for column in losses.T], axis=1)
    scaled -= scaled.min(axis=0)
    scaled /= np.maximum(scaled.max(axis=0), 1e-12)
    weighted = scaled * weights
    total[done] = weighted.max(axis=1) + 0.05 * weighted.sum(axis=1)
    return total


def improvement(
    space: Space,
    seen: Observations,
    constraints: Sequence[tuple[Posterior, float]],
    surrogate: Surrogate,
    rng: np.random.Generator,
) -> tuple[HypervolumeAcquisition, Floats]:
    """What to maximise, and rows of the front (k, d) in random order.

    Args:
        space: what to search.
        seen: with two or more objectives; at least one trial has succeeded.
        constraints: see `Acquisition`.
        surrogate: of the objectives.
        rng: for the order.
    """
    good = seen.succeeded
    raw = np.concatenate([seen.losses, good[:, None]], axis=1)

    def column(j: int, n: int) -> Floats:
        return front_targets(seen.losses[:n], good[:n], j)

    objectives = [Target(f"objective {j}", seen.X, raw, partial(column, j)) for j in range(seen.losses.shape[1])]
    Y = np.stack([target.y for target in objectives], axis=1)  # (n, m)
    front = good.copy()
    front[good] = non_dominated(Y[good])
    found = surrogate.posteriors(space, objectives, order=np.where(front, -np.inf, Y.mean(axis=1)))
    chosen, usable = found.rows, good[found.rows]
    means = [process.means(y) for process, y in zip(found.processes, found.Y, strict=True)]
    points = np.stack(means, axis=1)[usable]
    limits = Acquisition((), constraints) if constraints else None
    reference = reference_point(Y[chosen][usable])
    rows = rng.permutation(np.flatnonzero(front[chosen]))[:_INCUMBENTS]
    return HypervolumeAcquisition.of(found.processes, points, reference, limits), seen.X[chosen][rows]
