"""PercentilePruner and MedianPruner: what is worse than most at the same step is stopped."""

import math

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.schedulers import (
    Decision,
    MedianPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
)
from luthier.testing.schedulers import SchedulerContract, history_of

NAN, INF = math.nan, math.inf
STOP, CONTINUE = Decision.STOP, Decision.CONTINUE


class TestMedian(SchedulerContract):
    def make(self):
        return MedianPruner()


class TestPercentile(SchedulerContract):
    def make(self):
        return PercentilePruner(25.0, n_startup_trials=2, n_warmup_steps=1, interval_steps=2)


def test_median_waits_for_startup_trials():
    curves = [[1.0], [2.0], [3.0], [4.0]]
    assert MedianPruner().decide(history_of(*curves, [9.0]), 4) is CONTINUE
    assert MedianPruner().decide(history_of(*curves, [5.0], [9.0]), 5) is STOP
    assert MedianPruner().decide(history_of(*curves, [5.0], [3.0]), 5) is CONTINUE  # the median itself


def test_median_compares_the_best_so_far_at_the_same_step():
    others = [[5.0, 2.0]] * 5
    assert MedianPruner().decide(history_of(*others, [1.0, 9.0]), 5) is CONTINUE
    assert MedianPruner().decide(history_of(*others, [3.0, 9.0]), 5) is STOP
    assert MedianPruner().decide(history_of(*others, [4.0]), 5) is CONTINUE


def test_percentile_keeps_its_share():
    others = [[float(v)] for v in range(1, 9)]
    pruner = PercentilePruner(25.0, n_startup_trials=1)
    assert pruner.decide(history_of(*others, [2.7]), 8) is CONTINUE
    assert pruner.decide(history_of(*others, [2.8]), 8) is STOP


def test_interval_and_warmup():
    others = [[1.0] * 10] * 5
    pruner = MedianPruner(n_warmup_steps=3, interval_steps=3)
    stops = [pruner.decide(history_of(*others, [9.0] * n), 5) is STOP for n in range(1, 10)]
    assert stops == [False, False, False, True, False, False, True, False, False]


def test_nan_report_is_stopped():
    assert MedianPruner().decide(history_of(*[[1.0]] * 5, [NAN]), 5) is STOP
    assert ThresholdPruner(upper=1.0).decide(history_of([NAN]), 0) is STOP
    assert SuccessiveHalvingPruner().decide(history_of([1.0, NAN]), 0) is STOP


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=6), min_size=1, max_size=9),
    st.sampled_from(["minimize", "maximize"]),
    st.integers(0, 100),
    st.integers(0, 3),
    st.integers(1, 3),
)
def test_percentile_agrees_with_optuna(curves, direction, percentile, warmup, interval):
    theirs = optuna.pruners.PercentilePruner(percentile, 2, warmup, interval)
    ours = PercentilePruner(percentile, 2, warmup, interval)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction=direction, pruner=theirs)
    for curve in curves[:-1]:
        trial = study.ask()
        for step, value in enumerate(curve):
            trial.report(value, step)
        study.tell(trial, curve[-1])
    trial = study.ask()
    for n, value in enumerate(curves[-1]):
        trial.report(value, n)
        history = history_of(*curves[:-1], curves[-1][: n + 1], direction=direction)
        assert (ours.decide(history, len(curves) - 1) is STOP) == trial.should_prune()


@pytest.mark.parametrize(
    ("others", "cut"),
    [
        ([INF] * 5, INF),
        ([-INF] * 5, -INF),
        ([1.0, 2.0, INF, INF, INF], INF),
        ([1.0, 2.0, 3.0, INF, INF], 3.0),
        ([1.0, 2.0, 3.0, INF, INF, INF], INF),
        ([-INF, -INF, -INF, INF, INF, INF], INF),
        ([-1e308, -1e308, 1e308, 1e308], 0.0),
        ([1e308, 1e308, 1e308, 1e308], 1e308),
    ],
)
def test_infinite_and_huge_reports_have_a_median(others, cut):
    pruner = MedianPruner(n_startup_trials=1)
    history = [{0: value, 1: 0.0} for value in others]
    for mine in (-INF, -1e308, 0.0, 3.0, 3.5, 1e308, INF):
        assert (pruner.decide(history_of(*history, [mine]), len(others)) is STOP) == (mine > cut), mine


def test_pruned_and_failed_trials_are_no_yardstick():
    history = history_of(*[[1.0] * 3] * 4, *[[0.0, 0.0, NAN]] * 8, [2.0])  # four complete, eight failed
    assert MedianPruner(n_startup_trials=5).decide(history, 12) is CONTINUE
    assert MedianPruner(n_startup_trials=4).decide(history, 12) is STOP
