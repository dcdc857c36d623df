"""Studies on a real Ray cluster: a head and worker nodes of one CPU each, on this machine."""

import logging
import os
import signal
import time
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

import luthier as lt
from luthier.executors.ray import RayExecutor
from luthier.samplers import RandomSampler
from luthier.schedulers import MedianPruner
from luthier.trial import TrialState

COMPLETE, FAIL, PRUNED, WAITING = TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED, TrialState.WAITING

# Ray leaves the pipes and log files of the nodes that it starts to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

NODE = {"num_cpus": 1, "object_store_memory": 80 * 1024 * 1024}


@pytest.fixture(scope="module")
def cluster():
    cluster = Cluster(
        initialize_head=True, head_node_args={**NODE, "include_dashboard": False, "resources": {"head": 1}}
    )
    cluster.add_node(**NODE)
    ray.init(cluster.address, logging_level=logging.ERROR, log_to_driver=False)  # once: connecting takes a second
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def executor(cluster):
    return RayExecutor(cluster.address)


def make(**kwargs):
    return lt.create_study(seed=0, sampler=RandomSampler(), **kwargs)


def test_closures_run_on_both_nodes_with_all_results(executor, tmp_path):
    shift = 3.0

    def objective(trial):
        node = ray.get_runtime_context().get_node_id()
        (tmp_path / node).touch()
        while len(list(tmp_path.iterdir())) < 2:  # until the other node has one too
            time.sleep(0.01)
        return (trial.suggest_float("x", -5, 5) - shift) ** 2

    study = make()
    study.optimize(objective, n_trials=8, executor=executor)
    assert [t.state for t in study.trials] == [COMPLETE] * 8
    assert all(t.value == pytest.approx((t.params["x"] - 3.0) ** 2) for t in study.trials)
    assert len(list(tmp_path.iterdir())) == 2


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
    assert {t.state for t in study.trials} == {COMPLETE, PRUNED}
    assert all(t.reports and t.attrs["kind"] == t.params["kind"] for t in study.trials)


def test_a_killed_node_costs_one_attempt(cluster, executor, tmp_path):
    doomed = cluster.add_node(**NODE, resources={"doomed": 1})
    pid, killed = tmp_path / "pid", []

    def objective(trial):
        node = ray.get_runtime_context().get_node_id()
        if node == doomed_id and not pid.exists():
            pid.write_text(str(os.getpid()))
            while True:
                time.sleep(3600)
        while not pid.exists():  # so that the node that dies has a trial
            time.sleep(0.01)
        return trial.suggest_float("x", 0, 1)

    def kill(study, record):
        if not killed:
            assert pid.exists()
            for processes in doomed.all_processes.values():
                for process in processes:
                    process.process.send_signal(signal.SIGKILL)
            os.kill(int(pid.read_text()), signal.SIGKILL)
            killed.append(record.number)

    doomed_id = doomed.node_id
    study = make()
    try:
        study.optimize(objective, n_trials=6, n_jobs=3, executor=executor, callbacks=[kill])
    finally:
        cluster.remove_node(doomed, allow_graceful=False)
    assert killed
    assert [t.state for t in study.trials] == [COMPLETE] * 6
    assert sum(t.retries for t in study.trials) == 1


def test_a_trial_that_kills_its_workers_fails(executor):
    def objective(trial):
        if trial.number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return 1.0

    study = make()
    study.optimize(objective, n_trials=3, executor=executor, max_retries=1)
    assert [t.state for t in study.trials] == [FAIL, COMPLETE, COMPLETE]
    assert "(2 times)" in study.trials[0].error


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(pid):
    while is_there(pid):
        time.sleep(0.01)


def test_an_error_is_raised_and_leaves_nothing_running(executor, tmp_path):
    pid = tmp_path / "pid"

    def objective(trial):
        if trial.number == 0:
            pid.write_text(str(os.getpid()))
            while True:
                time.sleep(3600)
        while not pid.exists():
            time.sleep(0.01)
        raise ZeroDivisionError("here")

    study = make()
    with pytest.raises(ZeroDivisionError, match="here"):
        study.optimize(objective, n_trials=4, n_jobs=2, executor=executor)
    states = [t.state for t in study.trials]
    assert states.count(FAIL) == 1 and states[0] is WAITING and set(states) == {WAITING, FAIL}
    wait_until_gone(int(pid.read_text()))


def test_ctrl_c_queues_what_runs_again_once(executor, tmp_path):
    parent = os.getpid()

    def objective(trial):
        Path(tmp_path / str(os.getpid())).touch()
        if len(list(tmp_path.iterdir())) == 2:
            os.kill(parent, signal.SIGINT)
        while True:
            time.sleep(3600)

    study = make()
    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, n_trials=4, n_jobs=2, executor=executor)
    assert {t.state for t in study.trials} == {WAITING}
    for path in tmp_path.iterdir():
        wait_until_gone(int(path.name))
    study.optimize(lambda trial: 2.0, total_trials=4, executor=executor)
    assert [t.value for t in study.trials] == [2.0] * 4


def test_resources_choose_the_node(cluster):
    head = cluster.head_node.node_id

    def objective(trial):
        context = ray.get_runtime_context()
        assert context.get_assigned_resources() == {"CPU": 0.5, "head": 0.5}
        return float(context.get_node_id() == head)

    study = make()
    resources = {"num_cpus": 0.5, "head": 0.5}
    study.optimize(objective, n_trials=3, executor="ray", address=cluster.address, resources=resources)
    assert [t.value for t in study.trials] == [1.0] * 3
    assert ray.is_initialized()


@pytest.mark.parametrize("wrong", [{"n_jobs": 0}, {"n_jobs": -2}, {"resources": {"num_gpus": -1}}])
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match="n_jobs|resources"):
        RayExecutor(**wrong)
