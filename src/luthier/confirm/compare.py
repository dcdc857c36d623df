"""Tests of whether one model is better than another on the same seeds, folds or examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DataError
from ..types import Floats
from .intervals import pair

Test: TypeAlias = Literal["t", "wilcoxon", "mcnemar"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Holds how one model did against the reference; `compare` makes it.

    >>> from luthier.confirm import compare
    >>> (wide,) = compare([0.90, 0.91, 0.89], {"wide": [0.93, 0.94, 0.91]})
    >>> wide.name, round(wide.difference, 4), wide.n, wide.test
    ('wide', 0.0267, 3, 't')

    Attributes:
        name: of the model.
        difference: mean of its scores less the reference's.
        n: number of pairs.
        p_value: of the test alone, two-sided; NaN where there are too few pairs.
        p_adjusted: after Holm's correction over all comparisons made at once.
        test: which test.
    """

    name: str
    difference: float
    n: int
    p_value: float
    p_adjusted: float
    test: Test


def paired_t(a: ArrayLike, b: ArrayLike) -> float:
    """Return the two-sided p of the paired t-test.

    >>> from luthier.confirm import paired_t
    >>> round(paired_t([0.93, 0.94, 0.91], [0.90, 0.91, 0.89]), 3)
    0.015

    It is 1 for equal scores, and NaN where nothing can be tested: for fewer than 2 pairs, and for differences that are
    all the same and not zero, since they show no scatter.

    Raises:
        DataError: lengths differ, or a score is not finite.
    """
    x, y = pair(a, b)
    difference = x - y
    if len(x) < 2:
        return math.nan
    if np.ptp(difference) == 0:
        return 1.0 if difference[0] == 0 else math.nan
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(difference, 0.0).pvalue)


def wilcoxon(a: ArrayLike, b: ArrayLike) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test; 1 for equal scores.

    >>> from luthier.confirm import wilcoxon
    >>> wilcoxon([1, 2, 3, 4, 5, 6], [0.9, 1.8, 2.7, 3.6, 4.5, 5.4])
    0.03125

    Asks for no normal scatter; 5 pairs or fewer can never reach p < 0.05.

    Raises:
        DataError: lengths differ, or a score is not finite.
    """
    x, y = pair(a, b)
    if np.array_equal(x, y):
        return 1.0
    from scipy import stats

    difference = (x - y)[x != y]
    tied = len(np.unique(np.abs(difference))) < len(difference)
    exact = len(difference) <= 50 and not tied  # the exact distribution is that of ranks without ties
    return float(stats.wilcoxon(difference, method="exact" if exact else "asymptotic").pvalue)


def mcnemar(a: ArrayLike, b: ArrayLike) -> float:
    """Return the two-sided p of McNemar's exact test: do two classifiers err on different examples equally often?

    >>> from luthier.confirm import mcnemar
    >>> mcnemar([1, 1, 1, 1, 0, 1], [0, 0, 0, 0, 1, 1])
    0.375

    Args:
        a, b: (n,) 1 (or True) where the classifier was right, 0 where it was wrong.

    Raises:
        DataError: lengths differ, or an entry is neither 0 nor 1.
    """
    x, y = pair(a, b)
    if not (np.isin(x, (0, 1)).all() and np.isin(y, (0, 1)).all()):
        raise DataError("McNemar's test needs 1 for right and 0 for wrong: use the paired t-test for other scores")
    only_a, only_b = int(np.sum(x > y)), int(np.sum(y > x))
    if only_a + only_b == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


_TESTS: dict[Test, Callable[[ArrayLike, ArrayLike], float]] = {"t": paired_t, "wilcoxon": wilcoxon, "mcnemar": mcnemar}


def holm(p_values: ArrayLike) -> Floats:
    """Return p-values after Holm's step-down correction (Holm 1979): reject where one is at most the level wanted.

    >>> from luthier.confirm import holm
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]

    Args:
        p_values: (m,) of tests made at once; NaN stays NaN and does not count as a test.

    Returns:
        (m,) adjusted p-values, in the same order.

    Raises:
        DataError: one lies outside [0, 1].
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or np.any((p < 0) | (p > 1)):
        raise DataError(f"{p_values!r} are not p-values: give a list of numbers in [0, 1]")
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def compare(reference: ArrayLike, others: Mapping[str, ArrayLike], test: Test = "t") -> list[Comparison]:
    """Compare every model with one reference on the same seeds, folds or examples, with Holm's correction.

    >>> from luthier.confirm import compare
    >>> reference = [0.90, 0.91, 0.89, 0.90]
    >>> others = {"wide": [0.93, 0.94, 0.91, 0.93], "deep": [0.90, 0.92, 0.88, 0.90]}
    >>> for found in compare(reference, others):
    ...     print(found.name, f"{found.difference:+.4f}", f"p = {found.p_adjusted:.3f}")
    wide +0.0275 p = 0.003
    deep +0.0000 p = 1.000

    Args:
        reference: (n,) scores.
        others: (n,) scores of each model, by name.
        test: "t", "wilcoxon" or "mcnemar" (scores 0 and 1).

    Raises:
        DataError: an unknown test, lengths that differ, or scores that the test cannot take.
    """
    if test not in _TESTS:
        raise DataError(f"{test!r} is not a test: choose one of {', '.join(_TESTS)}")
    p = [_TESTS[test](scores, reference) for scores in others.values()]
    return [
        Comparison(
            name, float(np.mean(np.subtract(*pair(scores, reference)))), len(pair(scores, reference)[0]), q, r, test
        )
        for (name, scores), q, r in zip(others.items(), p, holm(p).tolist(), strict=True)
    ]
