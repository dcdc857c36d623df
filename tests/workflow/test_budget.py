"""Plans of time are pure functions of given costs."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.errors import UsageError
from luthier.workflow.budget import Clock, estimate, remaining, rerun_seconds, search_seconds, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200),
        ("30min", 1800),
        ("30m", 1800),
        ("90s", 90),
        ("90", 90),
        ("1h30m", 5400),
        ("1h 30min 5s", 5405),
        ("1.5 H", 5400),
        ("0.5", 0.5),
        ("1d", 86400),
        ("1 hour", 3600),
        ("2 hours 5 mins", 7500),
        ("90 minutes", 5400),
        ("2hrs", 7200),
        ("1hr 1minute 1second", 3661),
        ("10 sec", 10),
        ("90 seconds", 90),
        ("30 secs", 30),
        ("1 day 2 days", 3 * 86400),
    ],
)
def test_durations_as_people_write_them(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-5", "soon", "1h30", "h", "5 weeks", "1:30", "inf", "nan", "1e400h", "9" * 400]
)
def test_what_is_not_a_duration_is_explained(text):
    with pytest.raises(UsageError, match="give a duration"):
        seconds_of(text)


def test_a_clock_goes_on_where_an_earlier_start_ended():
    now = [100.0]
    clock = Clock(60.0, spent=20.0, now=lambda: now[0])
    assert (clock.spent, clock.left) == (20, 40)
    now[0] += 30
    assert (clock.spent, clock.left, clock.for_training) == (50, 10, 7)  # 5 % are kept for test and report
    now[0] += 30
    assert clock.left == clock.for_training == 0
    free = Clock(None, now=lambda: now[0])
    assert math.isinf(free.left) and math.isinf(free.for_training) and free.reserve == 0


def test_an_estimate_from_the_baseline():
    found = estimate(10, trials=39, jobs=1, pruner="none", top=5, seeds=3)
    assert (found.search, found.reruns) == (390, 180)
    halved = estimate(10, trials=39, jobs=2, pruner="none", top=5, seeds=3)
    assert (halved.search, halved.reruns) == (195, 90)
    assert estimate(10, 39, 1, "median", 5, 3).search < found.search
    small = estimate(10, trials=7, jobs=1, pruner="none", top=5, seeds=3)
    assert small.reruns == small.search == 70  # re-runs never cost more than the search
    assert estimate(10, trials=0, jobs=1, pruner="none", top=5, seeds=3).search == 0


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_searchs_share_leaves_room_for_re_runs(left, reruns):
    share = search_seconds(left, reruns)
    assert left / 2 * (1 - 1e-9) <= share <= 0.75 * left * (1 + 1e-9)
    assert left - share >= min(reruns, left / 2) * (1 - 1e-9)


def test_without_a_limit_the_search_has_no_share():
    assert math.isinf(search_seconds(math.inf, 100))


def test_what_remains_of_a_search():
    # nothing is known: the baseline has just begun
    assert remaining([], [(0.0, 0)], 1, 6, 1) == 0
    # 2 of 6 epochs in 10 s
    assert remaining([], [(10.0, 2)], 1, 6, 1) == 20
    # seven more like the baseline, two at a time
    assert remaining([10.0], [], 8, 6, 2) == 35
    # pruned ones are short, so the median says less
    assert remaining([10.0, 2.0, 2.0], [], 7, 6, 2) == 4
    # what runs: 3 of 6 epochs in 6 s, and one without an epoch yet
    assert remaining([10.0], [(6.0, 3), (1.0, 0)], 3, 6, 2) == 9  # (6 + 9) / 2 would be too little for the second
    # the last one takes longer than all others did
    assert remaining([1.0] * 7, [(50.0, 1)], 8, 6, 2) == 250
    assert remaining([1.0] * 8, [], 8, 6, 2) == 0


@settings(max_examples=80)
@given(
    st.lists(st.floats(0, 1e4), max_size=6),
    st.lists(st.tuples(st.floats(0, 1e4), st.integers(0, 9)), max_size=4),
    st.integers(0, 12),
    st.integers(1, 9),
    st.integers(1, 5),
)
def test_what_remains_is_always_a_number(finished, running, trials, epochs, jobs):
    left = remaining(finished, running, trials, epochs, jobs)
    assert math.isfinite(left) and left >= 0


def test_trainings_side_by_side():
    assert rerun_seconds([], 2) == 0
    assert rerun_seconds([5, 5, 5, 5], 2) == 10
    assert rerun_seconds([20, 1, 1], 2) == 20  # the longest alone
    assert rerun_seconds([6], 4) == 6
