import math

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.schedulers import (
    Decision,
    MedianPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
)
from luthier.testing.schedulers import SchedulerContract, history_of

NAN = math.nan
STOP, CONTINUE = Decision.STOP, Decision.CONTINUE


class TestMedian(SchedulerContract):
    def make(self):
        return MedianPruner()


class TestPercentile(SchedulerContract):
    def make(self):
        return PercentilePruner(25.0, n_startup_trials=2, n_warmup_steps=1, interval_steps=2)


class TestPatient(SchedulerContract):
    def make(self):
        return PatientPruner(MedianPruner(), patience=2)


class TestThreshold(SchedulerContract):
    def make(self):
        return ThresholdPruner(lower=-5.0, upper=5.0)


class TestSuccessiveHalving(SchedulerContract):
    def make(self):
        return SuccessiveHalvingPruner(reduction_factor=2)


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


def test_patient_lets_a_plateau_pass():
    pruner = PatientPruner(None, patience=2)
    assert pruner.decide(history_of([3.0, 2.0, 2.0]), 0) is CONTINUE
    assert pruner.decide(history_of([2.0, 3.0, 3.0]), 0) is CONTINUE
    assert pruner.decide(history_of([2.0, 3.0, 3.0, 3.0]), 0) is STOP
    assert PatientPruner(None, 2, min_delta=1.5).decide(history_of([2.0, 3.0, 3.0, 3.0]), 0) is CONTINUE
    wrapped = PatientPruner(MedianPruner(), patience=2)
    assert wrapped.decide(history_of(*[[9.0] * 4] * 5, [2.0, 3.0, 3.0, 3.0]), 5) is CONTINUE


def test_threshold():
    pruner = ThresholdPruner(lower=0.0, upper=1.0, n_warmup_steps=1)
    assert pruner.decide(history_of([2.0]), 0) is CONTINUE
    assert pruner.decide(history_of([2.0, 1.0]), 0) is CONTINUE
    assert pruner.decide(history_of([0.5, 1.1]), 0) is STOP
    assert pruner.decide(history_of([0.5, -0.1]), 0) is STOP


def test_halving_keeps_the_best_half_at_each_rung():
    pruner = SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    assert pruner.decide(history_of([1.0, 1.0]), 0) is CONTINUE  # alone, so the best
    assert pruner.decide(history_of([1.0, 1.0], [2.0, 2.0]), 1) is STOP
    assert pruner.decide(history_of([1.0, 1.0], [2.0]), 1) is CONTINUE  # the rung is at step 1
    four = [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    assert pruner.decide(history_of(*four, [1.5, 1.5]), 3) is CONTINUE
    assert pruner.decide(history_of(*four, [2.5, 2.5]), 3) is STOP


def test_halving_judges_a_rung_as_it_stood():
    # trial 1 passed step 1 when it led; those that came after do not stop it at step 2 or 3
    history = history_of([5.0] * 3, [4.0] * 4, [1.0] * 2, [1.0] * 2, running=3)
    assert SuccessiveHalvingPruner(reduction_factor=4).decide(history, 1) is CONTINUE


@pytest.mark.parametrize(
    "make",
    [
        lambda: PercentilePruner(101),
        lambda: MedianPruner(n_startup_trials=-1),
        lambda: MedianPruner(interval_steps=0),
        lambda: PatientPruner(None, -1),
        lambda: ThresholdPruner(),
        lambda: ThresholdPruner(lower=2, upper=1),
        lambda: SuccessiveHalvingPruner(reduction_factor=1),
        lambda: SuccessiveHalvingPruner(min_resource=0),
        lambda: SuccessiveHalvingPruner(min_early_stopping_rate=-1),
    ],
)
def test_arguments_are_checked(make):
    with pytest.raises(ValueError, match=r"must|give"):
        make()


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


def test_halving_keeps_about_one_in_eta():
    rng = np.random.default_rng(1)
    pruner, curves, passed = SuccessiveHalvingPruner(reduction_factor=4), [], 0
    for _ in range(400):
        curve = [0.0, float(rng.random())]
        curves.append(curve)
        passed += pruner.decide(history_of(*curves[-200:]), min(len(curves), 200) - 1) is CONTINUE
    assert 80 <= passed <= 130
