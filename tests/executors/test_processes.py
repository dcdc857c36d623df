import multiprocessing
import os
import signal
import threading

import pytest
from loky import ProcessPoolExecutor

import luthier as lt
from luthier.executors import InlineExecutor
from luthier.executors.processes import ProcessExecutor, usable_cores
from luthier.samplers import RandomSampler
from luthier.testing.executors import AwayContract, wait_until_gone
from luthier.trial import TrialState

COMPLETE, FAIL = TrialState.COMPLETE, TrialState.FAIL


def make(storage=None):
    return lt.create_study(seed=0, sampler=RandomSampler(), storage=storage)


class TestProcesses(AwayContract):
    ends_workers = True

    def make(self):
        return ProcessExecutor(2)

    def make_impatient(self, trial_timeout):
        return ProcessExecutor(2, trial_timeout)


def test_a_worker_too_busy_to_hear_is_killed_too(tmp_path):
    marker = tmp_path / "stuck"

    def objective(trial):
        if trial.number == 0 and not marker.exists():
            marker.write_text(str(os.getpid()))
            while True:
                pass
        return trial.suggest_float("x", -5, 5) ** 2

    study = make(tmp_path / "s.db")
    study.optimize(objective, n_trials=2, trial_timeout=2.0)
    assert [t.state for t in study.trials] == [COMPLETE] * 2 and study.trials[0].retries >= 1
    wait_until_gone(int(marker.read_text()))


def test_a_trial_that_is_always_stuck_fails_and_one_job_has_a_worker():
    parent = os.getpid()

    def objective(trial):
        while trial.number == 0:
            threading.Event().wait()
        return float(os.getpid() != parent)

    study = make()
    study.optimize(objective, n_trials=2, trial_timeout=1.0, max_retries=1)
    assert [t.state for t in study.trials] == [FAIL, COMPLETE]
    assert study.trials[0].error == "the training took longer than trial_timeout=1 s (2 times)"
    assert study.trials[1].value == 1.0


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_cores_are_divided_among_the_workers(monkeypatch, n_jobs):
    def objective(trial):
        import numpy  # noqa: F401 - so that its BLAS is there to be asked
        from threadpoolctl import threadpool_info

        counts = {library["num_threads"] for library in threadpool_info()}
        if n_jobs == 2:  # once: it takes long to import
            import torch

            counts.add(torch.get_num_threads())
        (count,) = counts
        return count

    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    study = make()
    study.optimize(objective, n_trials=1, executor=ProcessExecutor(n_jobs))
    assert study.best_value == max(1, usable_cores() // n_jobs)


def test_the_start_method_of_worker_processes_is_that_of_this_one():
    def objective(trial):
        import multiprocessing

        trial.set_user_attr("method", multiprocessing.get_start_method())
        return 1.0

    study = make()
    study.optimize(objective, n_trials=1, executor=ProcessExecutor(1))
    assert study.trials[0].attrs == {"method": multiprocessing.get_start_method()}


def test_threads_that_the_user_chose_stay(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    study = make()
    study.optimize(lambda trial: float(os.environ["OMP_NUM_THREADS"]), n_trials=1, executor=ProcessExecutor(1))
    assert study.best_value == 5


def test_a_slot_whose_worker_dies_while_it_starts_says_so(monkeypatch):
    monkeypatch.setattr("luthier.executors.processes._is_ready", lambda: os._exit(1))
    with pytest.raises(lt.errors.LuthierError, match="cannot start: it died at once"):
        make().optimize(lambda trial: 1.0, n_trials=1, executor=ProcessExecutor(1))


def test_ctrl_c_while_workers_are_started_leaves_none(monkeypatch):
    started = []

    def start(self):
        if len(started) == 1:
            raise KeyboardInterrupt
        started.append(self)
        threading.Thread.start(self)

    monkeypatch.setattr("luthier.executors.processes._Slot.start", start)
    study = make()
    with pytest.raises(KeyboardInterrupt):
        study.optimize(lambda trial: threading.Event().wait(), n_trials=4, executor=ProcessExecutor(2))
    assert started[0].done.is_set() and not any(t.state is TrialState.RUNNING for t in study.trials)


def test_a_second_ctrl_c_leaves_at_once_and_the_workers_end_all_the_same(monkeypatch, tmp_path):
    shutdown, going_on = ProcessPoolExecutor.shutdown, threading.Event()

    def slow(self, *args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)  # the second, while the workers are ended
        assert going_on.wait(60)
        shutdown(self, *args, **kwargs)

    parent = os.getpid()

    def objective(trial):
        (tmp_path / "pid").write_text(str(os.getpid()))
        os.kill(parent, signal.SIGINT)
        threading.Event().wait()

    monkeypatch.setattr(ProcessPoolExecutor, "shutdown", slow)
    study = make()
    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, n_trials=1, executor=ProcessExecutor(1))
    going_on.set()
    wait_until_gone(int((tmp_path / "pid").read_text()))
    while any(t.name == "luthier-worker" for t in threading.enumerate()):  # other tests may have left other threads
        threading.Event().wait(0.01)
    assert not any(t.state is TrialState.RUNNING for t in study.trials)


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_a_timeout_is_a_positive_time(seconds):
    with pytest.raises(ValueError, match="trial_timeout"):
        make().optimize(lambda trial: 1.0, n_trials=1, trial_timeout=seconds)


def test_what_an_executor_is_made_with_is_not_said_twice():
    with pytest.raises(ValueError, match="pass n_jobs instead of executor"):
        make().optimize(lambda trial: 1.0, n_trials=1, trial_timeout=1.0, executor=InlineExecutor())
    with pytest.raises(ValueError, match="n_jobs=2 has no effect on an executor"):
        make().optimize(lambda trial: 1.0, n_trials=1, n_jobs=2, executor=InlineExecutor())
