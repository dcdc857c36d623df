"""PatientPruner: a plateau ends a trial, an improvement renews its patience."""

import math

import pytest

import luthier as lt
from luthier.schedulers import (
    Decision,
    MedianPruner,
    PatientPruner,
)
from luthier.testing.schedulers import SchedulerContract, history_of

NAN, INF = math.nan, math.inf
STOP, CONTINUE = Decision.STOP, Decision.CONTINUE


class TestPatient(SchedulerContract):
    def make(self):
        return PatientPruner(MedianPruner(), patience=2)


class TestPatientAlone(SchedulerContract):
    stops_a_plateau = True

    def make(self):
        return PatientPruner(None, patience=3, min_delta=1e-6)


def test_patient_lets_a_plateau_pass():
    pruner = PatientPruner(None, patience=2)
    assert pruner.decide(history_of([3.0, 2.0, 2.0]), 0) is CONTINUE
    assert pruner.decide(history_of([2.0, 3.0, 3.0]), 0) is CONTINUE
    assert pruner.decide(history_of([2.0, 3.0, 3.0, 3.0]), 0) is STOP
    wrapped = PatientPruner(MedianPruner(), patience=2)
    assert wrapped.decide(history_of(*[[9.0] * 4] * 5, [2.0, 3.0, 3.0, 3.0]), 5) is CONTINUE


def lasts(curve, patience, min_delta=0.0, direction="minimize"):
    """The number of reports after which the trial is stopped; None if it never is."""
    pruner = PatientPruner(None, patience, min_delta)
    for n in range(1, len(curve) + 1):
        if pruner.decide(history_of(curve[:n], direction=direction), 0) is STOP:
            return n
    return None


@pytest.mark.parametrize("patience", [0, 1, 3, 10])
def test_equal_reports_end_with_the_patience(patience):
    assert lasts([1.0] * 12, patience) == patience + 2
    assert lasts([1.0] * (patience + 1), patience) is None


def test_less_than_min_delta_is_no_improvement():
    falling = [1.0 - 0.001 * i for i in range(12)]
    assert lasts(falling, 3, 0.01) == 5
    assert lasts([-x for x in falling], 3, 0.01, "maximize") == 5
    assert PatientPruner(None, 3, 0.01).decide(history_of(falling), 0) is STOP
    assert lasts(falling, 3) is None
    assert lasts([8.0 - i for i in range(8)], 0, 1.0) is None  # exactly min_delta is one
    assert lasts([8.0 - i for i in range(8)], 0, 1.5) == 2


def test_an_improvement_renews_the_patience():
    assert lasts([5.0, 5.0, 5.0, 4.0, 4.0, 4.0, 3.0], 2) is None
    assert lasts([5.0, 4.0, 6.0, 7.0, 8.0, 3.0], 2) == 5  # a trial that gets worse does not improve
    assert lasts([5.0, 4.0, 6.0, 7.0, 3.0], 2) is None


def test_what_is_not_a_number_improves_on_nothing():
    assert lasts([NAN] * 6, 2) == 4
    assert lasts([NAN, NAN, 1.0, NAN, NAN, 0.5], 2) is None
    assert lasts([1.0, NAN, NAN, NAN, 0.5], 2) == 4
    assert lasts([INF] * 6, 2) == 4
    assert lasts([INF, INF, 1.0, 0.5, 0.25, 0.1], 2, 0.05) is None
    assert lasts([-INF] * 6, 2) == 4


def test_the_wrapped_pruner_has_the_last_word():
    others = [[9.0] * 8] * 5
    pruner = PatientPruner(MedianPruner(), patience=2)
    assert pruner.decide(history_of(*others, [2.0] * 6), 5) is CONTINUE  # a plateau that leads
    assert pruner.decide(history_of(*others, [11.0] * 6), 5) is STOP
    assert pruner.decide(history_of(*others, [11.0, 10.0, 9.9, 9.8]), 5) is CONTINUE  # it gets better
    assert pruner.decide(history_of(*others, [11.0] * 3), 5) is CONTINUE


def test_a_study_stops_its_plateaus():
    study = lt.create_study(pruner=PatientPruner(None, patience=3), seed=0)

    def objective(trial):
        for step in range(12):
            trial.report(1.0, step)
            if trial.should_prune():
                raise lt.TrialPruned
        return 1.0

    study.optimize(objective, n_trials=3)
    assert [(t.state.name, len(t.reports)) for t in study.trials] == [("PRUNED", 5)] * 3
