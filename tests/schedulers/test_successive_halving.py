"""SuccessiveHalvingPruner: the best part of those at a rung goes on."""

import math

import numpy as np
import pytest

import luthier as lt
from luthier.schedulers import (
    Decision,
    SuccessiveHalvingPruner,
)
from luthier.testing.schedulers import SchedulerContract, history_of

NAN, INF = math.nan, math.inf
STOP, CONTINUE = Decision.STOP, Decision.CONTINUE


class TestSuccessiveHalving(SchedulerContract):
    def make(self):
        return SuccessiveHalvingPruner(reduction_factor=2)


class TestSuccessiveHalvingLater(SchedulerContract):
    def make(self):
        return SuccessiveHalvingPruner(min_resource=2, reduction_factor=3, min_early_stopping_rate=1)


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


def test_halving_keeps_about_one_in_eta():
    rng = np.random.default_rng(1)
    pruner, curves, passed = SuccessiveHalvingPruner(reduction_factor=4), [], 0
    for _ in range(400):
        curve = [0.0, float(rng.random())]
        curves.append(curve)
        passed += pruner.decide(history_of(*curves[-200:]), min(len(curves), 200) - 1) is CONTINUE
    assert 80 <= passed <= 130


def test_a_rung_is_judged_with_the_first_report_that_reaches_it():
    three = [[1.0] * 12] * 3
    pruner = SuccessiveHalvingPruner(min_resource=4, reduction_factor=2)
    assert pruner.decide(history_of(*three, [2.0] * 4), 3) is CONTINUE  # step 3
    assert pruner.decide(history_of(*three, [2.0] * 5), 3) is STOP
    assert pruner.decide(history_of(*three, [2.0] * 7), 3) is CONTINUE  # step 6, between rungs
    assert pruner.decide(history_of(*three, [2.0] * 9), 3) is STOP  # step 8, the next rung
    assert pruner.decide(history_of(*three, {3: 2.0, 6: 2.0}), 3) is STOP  # the first report beyond
    assert pruner.decide(history_of(*three, {0: 0.5, 20: 9.0}), 3) is CONTINUE  # alone at step 20


@pytest.mark.parametrize("first", [0, 1])
def test_a_trial_that_passed_a_rung_is_not_stopped_by_it_later(first):
    """Whatever the numbers of the trial that was first at the rung and of the better one that came after it."""
    study = lt.create_study(pruner=SuccessiveHalvingPruner(reduction_factor=4))
    trials = [study.ask(), study.ask()]
    early, late = trials[first], trials[1 - first]
    stops = []
    for trial, value, step in [(early, 0.5, 1), (late, 0.1, 1), (early, 0.3, 2), (early, 0.2, 3), (early, 9.0, 4)]:
        trial.report(value, step)
        stops.append(trial.should_prune())
    assert stops == [False] * 5  # alone at step 4
    late.report(9.5, 4)
    assert late.should_prune()


def test_a_loaded_study_judges_a_rung_as_the_one_that_ran():
    """Trial 1 was first at the rung, which no store keeps: trial 0, which came later, was better."""
    history = history_of([], [1.0, 5.0], running=2)
    pruner = SuccessiveHalvingPruner(reduction_factor=2)
    assert pruner.decide(history, 1) is CONTINUE
    history.put([history.records[0].with_(reports=((0, 1.0), (1, 1.0)))])
    loaded = history_of([1.0, 1.0], [1.0, 5.0], running=2)
    assert [pruner.decide(h, 0) for h in (history, loaded)] == [CONTINUE] * 2
    assert [pruner.decide(h, 1) for h in (history, loaded)] == [STOP] * 2
