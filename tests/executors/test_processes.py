import os
import time

import pytest

import luthier as lt
from luthier.executors import InlineExecutor
from luthier.samplers import RandomSampler
from luthier.trial import TrialState

COMPLETE, FAIL = TrialState.COMPLETE, TrialState.FAIL


def make(storage=None):
    return lt.create_study(seed=0, sampler=RandomSampler(), storage=storage)


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(("busy", "stored"), [(False, False), (True, True)])
def test_a_stuck_worker_is_killed_and_its_trial_runs_again(tmp_path, busy, stored):
    marker = tmp_path / "stuck"

    def objective(trial):
        if trial.number == 1 and not marker.exists():
            marker.write_text(str(os.getpid()))
            while True:
                if not busy:
                    time.sleep(3600)
        return trial.suggest_float("x", -5, 5) ** 2

    study = make(tmp_path / "s.db" if stored else None)
    study.optimize(objective, n_trials=4, n_jobs=2, trial_timeout=3.0)
    assert [t.state for t in study.trials] == [COMPLETE] * 4 and study.trials[1].retries >= 1
    assert not is_there(int(marker.read_text()))


def test_a_trial_that_is_always_stuck_fails_and_one_job_has_a_worker():
    parent = os.getpid()

    def objective(trial):
        while trial.number == 0:
            time.sleep(3600)
        return float(os.getpid() != parent)

    study = make()
    study.optimize(objective, n_trials=2, trial_timeout=2.0, max_retries=1)
    assert [t.state for t in study.trials] == [FAIL, COMPLETE]
    assert study.trials[0].error == "the training took longer than trial_timeout=2 s (2 times)"
    assert study.trials[1].value == 1.0


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_a_timeout_is_a_positive_time(seconds):
    with pytest.raises(ValueError, match="trial_timeout"):
        make().optimize(lambda trial: 1.0, n_trials=1, trial_timeout=seconds)


def test_a_timeout_needs_workers_that_it_can_kill():
    with pytest.raises(ValueError, match="give n_jobs in place of executor"):
        make().optimize(lambda trial: 1.0, n_trials=1, trial_timeout=1.0, executor=InlineExecutor())
