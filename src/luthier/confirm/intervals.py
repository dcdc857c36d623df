"""Intervals that say how far a measured score can be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DataError
from ..types import Floats

RESAMPLES = 9999  # the error of a 95 % bound is then below 2 % of the interval's width
_BATCH = 2_000_000  # drawn rows held at once by a bootstrap

Bounds: TypeAlias = tuple[float, float]
EVERYWHERE: Bounds = (-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class Interval:
    """Holds an estimate with the bounds of its confidence interval; these are NaN where the values show no scatter.

    >>> from luthier.confirm import Interval
    >>> accuracy = Interval(0.95, low=0.91, high=0.97)
    >>> accuracy.is_known, accuracy.level
    (True, 0.95)
    >>> Interval.from_json(accuracy.to_json()) == accuracy
    True

    Attributes:
        estimate: the value itself.
        low, high: the bounds.
        level: how often such an interval covers the truth.
    """

    estimate: float
    low: float
    high: float
    level: float = 0.95

    @property
    def is_known(self) -> bool:
        """Whether there were enough values for bounds."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        return {name: number_to_json(getattr(self, name)) for name in ("estimate", "low", "high", "level")}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Interval:
        """The interval of a JSON object."""
        return Interval(*(number_from_json(data[name]) for name in ("estimate", "low", "high", "level")))


def number_to_json(x: float) -> float | None:
    """The number; None for NaN and infinities, which JSON lacks."""
    return float(x) if math.isfinite(x) else None


def number_from_json(x: float | None) -> float:
    """The number; NaN for None."""
    return math.nan if x is None else float(x)


def t_interval(values: ArrayLike, level: float = 0.95, *, bounds: Bounds = EVERYWHERE) -> Interval:
    """Return Student's interval of a mean: right for a few seeds of about normal scatter.

    >>> from luthier.confirm import t_interval
    >>> t_interval([0.97, 0.99, 1.0], bounds=(0, 1)).high
    1.0

    Args:
        values: (n,) finite. One value alone, and equal ones, give NaN bounds: they show nothing of the scatter.
        level: confidence.
        bounds: lowest and highest value that is possible, such as (0, 1) for an accuracy. The interval is cut there:
            the true mean cannot lie beyond, so it is covered as often as before.

    Raises:
        DataError: no values, one that is not finite, or one outside the bounds.
    """
    x = _values(values, level)
    if x.min() < bounds[0] or x.max() > bounds[1]:
        raise DataError(f"values from {x.min():g} to {x.max():g} do not lie in [{bounds[0]:g}, {bounds[1]:g}]")
    mean = float(x[0] if np.ptp(x) == 0 else x.mean())  # the mean of equal values can round to another one
    if len(x) < 2 or np.ptp(x) == 0:
        return Interval(mean, math.nan, math.nan, level)
    from scipy.special import stdtrit

    half = float(stdtrit(len(x) - 1, 0.5 + level / 2)) * standard_error(x)
    return Interval(mean, max(mean - half, float(bounds[0])), min(mean + half, float(bounds[1])), level)


def standard_error(values: ArrayLike) -> float:
    """The standard error of a mean; NaN for fewer than two values."""
    x = np.asarray(values, dtype=np.float64)
    return float(x.std(ddof=1)) / math.sqrt(len(x)) if len(x) > 1 else math.nan


def wilson_interval(correct: int, n: int, level: float = 0.95) -> Interval:
    """Return Wilson's score interval of an accuracy: it stays inside [0, 1] and is right near its ends (Wilson 1927).

    >>> from luthier.confirm import wilson_interval
    >>> accuracy = wilson_interval(correct=98, n=100)
    >>> accuracy.estimate, round(accuracy.low, 3), round(accuracy.high, 3)
    (0.98, 0.93, 0.994)

    Args:
        correct: how many of n examples were right.
        n: number of examples.
        level: confidence.

    Raises:
        DataError: n < 1, or correct outside [0, n].
    """
    _level(level)
    if n < 1 or not 0 <= correct <= n:
        raise DataError(f"{correct} right of {n} is not an accuracy: 0 <= correct <= n and n >= 1 must hold")
    from scipy.special import ndtri

    z2 = float(ndtri(0.5 + level / 2)) ** 2
    p = correct / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    low = 0.0 if correct == 0 else centre - half  # exact at the ends, where rounding would miss them
    high = 1.0 if correct == n else centre + half
    return Interval(p, low, high, level)


def bootstrap_interval(
    values: ArrayLike, level: float = 0.95, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Return the BCa bootstrap interval of a mean, which needs no normal scatter (Efron 1987).

    >>> from luthier.confirm import bootstrap_interval
    >>> loss = bootstrap_interval([0.2, 0.3, 0.1, 0.9, 0.2], resamples=2000)
    >>> loss.low < loss.estimate < loss.high
    True

    Args:
        values: (n,) finite; one alone gives NaN bounds.
        level: confidence.
        resamples: how many means are drawn.
        seed: of the draw.

    Raises:
        DataError: no values, or one that is not finite.
    """
    x = _values(values, level)
    mean = float(x.mean())
    if len(x) < 2:
        return Interval(mean, math.nan, math.nan, level)
    if np.ptp(x) == 0:
        return Interval(mean, mean, mean, level)
    from scipy.special import ndtr, ndtri

    means = _resampled_means(x, resamples, np.random.default_rng(seed))
    below = (np.mean(means < mean) + np.mean(means <= mean)) / 2  # ties are common for 0/1 scores
    bias = ndtri(np.clip(below, 1 / (resamples + 1), resamples / (resamples + 1)))  # Efron 1987, eq. 4.1
    centred = x - mean
    # the jackknife of a mean has a closed form: Efron 1987, eq. 7.3
    skew = np.sum(centred**3) / (6 * np.sum(centred**2) ** 1.5)
    z = bias + ndtri(np.array([0.5 - level / 2, 0.5 + level / 2]))
    low, high = np.quantile(means, ndtr(bias + z / (1 - skew * z)))  # eq. 2.3
    return Interval(mean, float(low), float(high), level)


def paired_bootstrap(
    scores: ArrayLike, baseline: ArrayLike, level: float = 0.95, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Return the interval of the mean difference of two models' scores on the same examples.

    >>> from luthier.confirm import paired_bootstrap
    >>> right, baseline = [1, 1, 1, 0, 1, 1, 1, 1], [1, 0, 1, 0, 0, 1, 0, 1]
    >>> better = paired_bootstrap(right, baseline, resamples=2000)
    >>> better.estimate, better.low >= 0
    (0.375, True)

    Args:
        scores, baseline: (n,) one score for each example (1 for right and 0 for wrong, a loss, a squared error).
        level: confidence.
        resamples: how many differences are drawn.
        seed: of the draw.

    Returns:
        mean of `scores - baseline` with BCa bounds: examples are drawn, so what is common to both cancels out.

    Raises:
        DataError: lengths differ, no scores, or one that is not finite.
    """
    a, b = pair(scores, baseline)
    return bootstrap_interval(a - b, level, resamples=resamples, seed=seed)


def pair(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """Two columns (n,) of finite scores of the same examples; `DataError` if they are not."""
    x, y = _values(a), _values(b)
    if len(x) != len(y):
        raise DataError(f"{len(x)} scores are paired with {len(y)}: give both models the same examples in one order")
    return x, y


def _resampled_means(x: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    n = len(x)
    distinct, counts = np.unique(x, return_counts=True)
    if len(distinct) <= 32:  # counts are multinomial: as good, and independent of n
        means: Floats = rng.multinomial(n, counts / n, size=resamples) @ distinct / n
        return means
    step = max(1, _BATCH // n)
    parts = [x[rng.integers(0, n, (min(step, resamples - i), n))].mean(axis=1) for i in range(0, resamples, step)]
    return np.concatenate(parts)


def _level(level: float) -> None:
    if not 0 < level < 1:
        raise DataError(f"level={level} must lie between 0 and 1, both excluded (0.95 is usual)")


def _values(values: ArrayLike, level: float = 0.95) -> Floats:
    _level(level)
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0:
        raise DataError(f"the values have shape {x.shape}: give a list of at least one number")
    if not np.isfinite(x).all():
        raise DataError(f"{int((~np.isfinite(x)).sum())} of {len(x)} values are not finite: leave failed runs out")
    return x
