from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from luthier.confirm import Interval, bootstrap_interval, paired_bootstrap, t_interval, wilson_interval
from luthier.errors import DataError


def test_t_interval_is_that_of_scipy():
    x = [0.91, 0.93, 0.92, 0.95, 0.90]
    expected = stats.ttest_1samp(x, 0).confidence_interval(0.9)
    got = t_interval(x, 0.9)
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high))
    assert got.estimate == pytest.approx(np.mean(x))


def test_one_value_has_no_bounds():
    for interval in (t_interval([0.5]), bootstrap_interval([0.5])):
        assert interval.estimate == 0.5 and not interval.is_known


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (10, 10), (7, 10), (980, 1000), (1, 3)])
def test_wilson_interval_is_that_of_scipy(correct, n):
    expected = stats.binomtest(correct, n).proportion_ci(0.95, method="wilson")
    got = wilson_interval(correct, n)
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_its_estimate_and_stays_in_the_unit_interval(pair):
    interval = wilson_interval(*pair)
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1


def test_bootstrap_interval_agrees_with_scipys_bca():
    x = np.random.default_rng(0).exponential(size=60)
    expected = stats.bootstrap((x,), np.mean, method="BCa", random_state=np.random.default_rng(1)).confidence_interval
    got = bootstrap_interval(x, seed=2)
    width = expected.high - expected.low
    assert got.low == pytest.approx(expected.low, abs=0.05 * width)
    assert got.high == pytest.approx(expected.high, abs=0.05 * width)


def test_few_distinct_values_are_drawn_as_many_are():
    rng = np.random.default_rng(3)
    x = (rng.random(400) < 0.9).astype(float)
    few, many = bootstrap_interval(x), bootstrap_interval(x + rng.normal(0, 1e-9, 400))
    assert (few.low, few.high) == pytest.approx((many.low, many.high), abs=0.006)


def test_bootstrap_interval_is_seeded_and_exact_for_a_constant():
    x = np.random.default_rng(0).normal(size=50)
    assert bootstrap_interval(x, seed=1) == bootstrap_interval(x, seed=1) != bootstrap_interval(x, seed=2)
    assert bootstrap_interval([2.0, 2.0]) == Interval(2.0, 2.0, 2.0)


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    t = [t_interval(rng.normal(3, 2, 5)) for _ in range(600)]
    skewed = [bootstrap_interval(rng.exponential(size=60), resamples=600, seed=i) for i in range(300)]
    wilson = [wilson_interval(int(rng.binomial(200, 0.95)), 200) for _ in range(600)]
    assert 0.93 <= np.mean([i.low <= 3 <= i.high for i in t]) <= 0.97
    assert 0.90 <= np.mean([i.low <= 1 <= i.high for i in skewed]) <= 0.98
    assert 0.93 <= np.mean([i.low <= 0.95 <= i.high for i in wilson]) <= 0.98


def test_a_paired_difference_is_sharper_than_an_unpaired_one():
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 5, 500)
    a, b = difficulty + rng.normal(0.3, 0.5, 500), difficulty + rng.normal(0, 0.5, 500)
    paired = paired_bootstrap(a, b)
    assert paired.low < 0.3 < paired.high
    assert paired.high - paired.low < (bootstrap_interval(a).high - bootstrap_interval(a).low) / 4


def test_json_keeps_an_interval_and_unknown_bounds():
    known = Interval(0.5, 0.4, 0.6, 0.9)
    assert Interval.from_json(json.loads(json.dumps(known.to_json()))) == known
    lost = Interval.from_json(json.loads(json.dumps(t_interval([1.0]).to_json(), allow_nan=False)))
    assert lost.estimate == 1.0 and math.isnan(lost.low) and math.isnan(lost.high)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: t_interval([]), "at least one"),
        (lambda: t_interval([1.0, math.nan]), "1 of 2 values are not finite"),
        (lambda: t_interval([1.0], level=95), "level=95"),
        (lambda: bootstrap_interval([[1.0]]), r"shape \(1, 1\)"),
        (lambda: wilson_interval(3, 2), "3 right of 2"),
        (lambda: wilson_interval(0, 0), "0 right of 0"),
        (lambda: paired_bootstrap([1, 2], [1]), "2 scores are paired with 1"),
    ],
)
def test_wrong_values_are_explained(call, words):
    with pytest.raises(DataError, match=words):
        call()


def test_an_interval_stays_within_the_bounds_of_its_metric():
    wide = t_interval([0.95, 0.99, 1.0])
    assert wide.high > 1
    cut = t_interval([0.95, 0.99, 1.0], bounds=(0, 1))
    assert (cut.low, cut.high, cut.estimate) == (wide.low, 1.0, wide.estimate)
    assert t_interval([0.0, 0.01], bounds=(0, 1)).low == 0.0
    assert t_interval([0.0, 0.01], bounds=(0, math.inf)).low == 0.0
    with pytest.raises(DataError, match=r"do not lie in \[0, 1\]"):
        t_interval([0.5, 98.0], bounds=(0, 1))


@pytest.mark.parametrize("value", [1.0, 0.1, 1 / 3])
def test_equal_values_show_no_scatter(value):
    interval = t_interval([value] * 3)
    assert not interval.is_known and interval.estimate == value and math.isnan(interval.high)
