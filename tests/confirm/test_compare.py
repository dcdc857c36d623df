from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from luthier.confirm import compare, holm, mcnemar, paired_t, wilcoxon
from luthier.errors import DataError

A = [0.91, 0.93, 0.92, 0.95, 0.90, 0.94, 0.935]
B = [0.90, 0.91, 0.925, 0.93, 0.89, 0.92, 0.91]


def test_paired_t_is_that_of_scipy():
    assert paired_t(A, B) == pytest.approx(stats.ttest_rel(A, B).pvalue)


def test_wilcoxon_is_that_of_scipy_without_ties():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.3, 1, 20), rng.normal(0, 1, 20)
    assert wilcoxon(a, b) == pytest.approx(stats.wilcoxon(a, b, method="exact").pvalue)
    assert wilcoxon([1, 2, 3, 4, 5], [0, 0, 0, 0, 0]) == pytest.approx(2 / 2**5)


def test_mcnemar_counts_the_examples_on_which_they_differ():
    a = [1] * 50 + [1] * 9 + [0] * 1 + [0] * 40
    b = [1] * 50 + [0] * 9 + [1] * 1 + [0] * 40
    assert mcnemar(a, b) == pytest.approx(2 * (1 + 10) / 2**10)  # 1 or fewer of 10, twice


def test_equal_models_are_never_told_apart():
    assert paired_t(A, A) == wilcoxon(A, A) == mcnemar([1, 0], [1, 0]) == 1.0


def test_constant_and_too_few_differences():
    assert math.isnan(paired_t([2, 3, 4], [1, 2, 3]))  # equal differences show no scatter: nothing can be tested
    assert math.isnan(paired_t([1.0], [0.0]))


def test_tests_reject_true_nulls_as_often_as_they_should():
    rng = np.random.default_rng(1)
    p = np.array([paired_t(rng.normal(size=6), rng.normal(size=6)) for _ in range(600)])
    assert 0.03 <= np.mean(p <= 0.05) <= 0.07


def test_holm_by_hand():
    # sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, and never falling: .02 .03 .06 .06
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_out_what_is_unknown_and_stops_at_one():
    assert holm([0.6, math.nan, 0.7]).tolist() == pytest.approx([1.0, math.nan, 1.0], nan_ok=True)
    assert holm([]).tolist() == []


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_plain_values_and_bonferronis(p):
    adjusted = holm(p)
    assert np.all(adjusted >= np.array(p)) and np.all(adjusted <= np.minimum(np.array(p) * len(p), 1) + 1e-15)
    assert np.all(np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0)


def test_compare_corrects_over_all_models():
    others = {"small": [x + d for x, d in zip(A, [0.01, 0.012, 0.009, 0.01, 0.011, 0.01, 0.01], strict=True)], "b": B}
    small, b = compare(A, others)
    assert small.name == "small" and small.difference == pytest.approx(0.0103, abs=1e-4) and small.n == 7
    assert small.p_adjusted == pytest.approx(2 * small.p_value)
    assert b.p_adjusted == pytest.approx(max(b.p_value, small.p_adjusted))


def test_wrong_scores_are_explained():
    with pytest.raises(DataError, match="1 for right and 0 for wrong"):
        mcnemar([0.5], [1])
    with pytest.raises(DataError, match="'z' is not a test"):
        compare(A, {"b": B}, "z")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="not p-values"):
        holm([1.2])
    with pytest.raises(DataError, match="7 scores are paired with 2"):
        paired_t(A, [1, 2])
