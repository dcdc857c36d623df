"""Studies on a real Dask cluster: two worker processes of this machine."""

import os
import signal
import time
from pathlib import Path

import pytest
from distributed import LocalCluster, get_worker

import luthier as lt
from luthier.executors.dask import DaskExecutor
from luthier.samplers import RandomSampler
from luthier.schedulers import MedianPruner
from luthier.trial import TrialState

COMPLETE, FAIL, PRUNED, WAITING = TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED, TrialState.WAITING


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # else port 8787, and a warning where it is taken
        resources={"GPU": 2},
    ) as cluster:
        yield cluster


@pytest.fixture
def executor(cluster):
    return DaskExecutor(cluster.scheduler_address)


def make(**kwargs):
    return lt.create_study(seed=0, sampler=RandomSampler(), **kwargs)


def test_closures_run_on_both_workers_with_all_results(executor, tmp_path):
    shift = 3.0

    def objective(trial):
        (tmp_path / str(os.getpid())).touch()
        while len(list(tmp_path.iterdir())) < 2:  # until the other worker has one too
            time.sleep(0.01)
        return (trial.suggest_float("x", -5, 5) - shift) ** 2

    study = make()
    study.optimize(objective, n_trials=12, executor=executor)
    assert [t.state for t in study.trials] == [COMPLETE] * 12
    assert all(t.value == pytest.approx((t.params["x"] - 3.0) ** 2) for t in study.trials)
    assert str(os.getpid()) not in {p.name for p in tmp_path.iterdir()}


def test_objectives_define_report_and_prune(executor):
    def objective(trial):
        kind = trial.suggest_categorical("kind", ["a", "b"])
        x = trial.suggest_float(f"x_{kind}", 0, 1)
        trial.set_user_attr("kind", kind)
        for step in range(3):
            trial.report(trial.number + x, step)
            if trial.should_prune():
                raise lt.TrialPruned
        return x

    study = make(pruner=MedianPruner(n_startup_trials=2, n_warmup_steps=0))
    study.optimize(objective, n_trials=10, executor=executor)
    states = [t.state for t in study.trials]
    assert set(states) == {COMPLETE, PRUNED}
    assert all(t.reports and t.attrs["kind"] == t.params["kind"] for t in study.trials)
    assert {"x_a", "x_b"} & set(study.space.names)


def test_a_killed_worker_costs_one_attempt(executor, tmp_path):
    first = tmp_path / "first"

    def objective(trial):
        if trial.number == 1 and not first.exists():
            first.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return trial.suggest_float("x", 0, 1)

    study = make()
    study.optimize(objective, n_trials=6, executor=executor)
    assert [t.state for t in study.trials] == [COMPLETE] * 6
    assert [t.retries for t in study.trials] == [0, 1, 0, 0, 0, 0]
    assert first.exists()


def test_a_trial_that_kills_its_workers_fails(executor):
    def objective(trial):
        if trial.number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return 1.0

    study = make()
    study.optimize(objective, n_trials=3, executor=executor, max_retries=1)
    assert [t.state for t in study.trials] == [FAIL, COMPLETE, COMPLETE]
    assert "(2 times)" in study.trials[0].error


def test_an_error_is_raised_and_leaves_nothing_running(executor, tmp_path):
    started = tmp_path / "started"
    release = tmp_path / "release"

    def objective(trial):
        if trial.number == 0:
            started.touch()
            while not release.exists():
                time.sleep(0.01)
            return 0.0
        while not started.exists():
            time.sleep(0.01)
        raise ZeroDivisionError("here")

    study = make()
    try:
        with pytest.raises(ZeroDivisionError, match="here"):
            study.optimize(objective, n_trials=4, n_jobs=2, executor=executor)
    finally:
        release.touch()
    assert [t.state for t in study.trials] == [WAITING, FAIL]


def test_ctrl_c_queues_what_runs_again_once(executor, tmp_path):
    release = tmp_path / "release"
    parent = os.getpid()

    def objective(trial):
        Path(tmp_path / f"trial-{trial.number}").touch()
        if len(list(tmp_path.glob("trial-*"))) == 2:
            os.kill(parent, signal.SIGINT)
        while not release.exists():
            time.sleep(0.01)
        return 1.0

    study = make()
    try:
        with pytest.raises(KeyboardInterrupt):
            study.optimize(objective, n_trials=4, executor=executor)
    finally:
        release.touch()
    assert [t.state for t in study.trials] == [WAITING, WAITING]
    study.optimize(lambda trial: 2.0, total_trials=4, executor=executor)
    assert [t.value for t in study.trials] == [2.0] * 4


def test_resources_reach_the_scheduler(cluster):
    def objective(trial):
        state = get_worker().state
        return float(state.available_resources["GPU"])

    study = make()
    study.optimize(objective, n_trials=2, executor=DaskExecutor(cluster.scheduler_address, resources={"GPU": 1.5}))
    assert [t.value for t in study.trials] == [0.5, 0.5]


def test_without_an_address_a_local_cluster_starts_and_ends():
    study = make()
    study.optimize(lambda trial: float(os.getpid()), n_trials=2, n_jobs=2, executor="dask", resources={"GPU": 1})
    pids = {int(t.value) for t in study.trials}
    assert os.getpid() not in pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("wrong", [{"n_jobs": 0}, {"n_jobs": -2}, {"resources": {"GPU": 0}}])
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match="n_jobs|resources"):
        DaskExecutor(**wrong)
