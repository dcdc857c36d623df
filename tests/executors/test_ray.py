"""Studies on a real Ray cluster: a head and worker nodes of one CPU each, on this machine."""

import json
import logging
import os
import signal
import sys
import time

import pytest
import ray
from ray.cluster_utils import Cluster
from typer.testing import CliRunner

import luthier as lt
from luthier.cli.app import app
from luthier.errors import LuthierError
from luthier.executors.ray import RayExecutor
from luthier.samplers import RandomSampler
from luthier.testing.executors import AwayContract, Unloadable, new_study, run, wait_until_gone
from luthier.trial import TrialState

COMPLETE, FAIL, WAITING = TrialState.COMPLETE, TrialState.FAIL, TrialState.WAITING

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


def make(**kwargs):
    return lt.create_study(seed=0, sampler=RandomSampler(), **kwargs)


def test_a_killed_node_costs_one_attempt(cluster, tmp_path):
    doomed = cluster.add_node(**NODE, resources={"doomed": 1})
    pid, killed = tmp_path / "pid", []

    def objective(trial):
        node = ray.get_runtime_context().get_node_id()
        if node == doomed_id and not pid.exists():
            (tmp_path / "new").write_text(str(os.getpid()))
            (tmp_path / "new").rename(pid)
            while True:
                time.sleep(3600)
        while not pid.exists():  # so that the node that dies has a trial
            time.sleep(0.01)
        return trial.suggest_float("x", 0, 1)

    def kill(study, record):
        if not killed:
            for processes in doomed.all_processes.values():
                for process in processes:
                    process.process.send_signal(signal.SIGKILL)
            os.kill(int(pid.read_text()), signal.SIGKILL)
            killed.append(record.number)

    doomed_id = doomed.node_id
    study = make()
    try:
        study.optimize(objective, n_trials=6, executor=RayExecutor(cluster.address, n_jobs=3), callbacks=[kill])
    finally:
        cluster.remove_node(doomed, allow_graceful=False)
    assert killed
    assert [t.state for t in study.trials] == [COMPLETE] * 6
    assert sum(t.retries for t in study.trials) == 1


class TestRay(AwayContract):
    """After a node has died: for some seconds Ray counts it still, and what it holds."""

    ends_workers = True

    @pytest.fixture(autouse=True)
    def use(self, cluster):
        self.address = cluster.address

    def make(self):
        return RayExecutor(self.address, n_jobs=2)

    def make_impatient(self, trial_timeout):
        return RayExecutor(self.address, n_jobs=2, trial_timeout=trial_timeout)

    def test_an_error_ends_what_runs_beside_it(self, tmp_path):
        pid = tmp_path / "pid"

        def objective(trial):
            if trial.number == 0:
                (tmp_path / "new").write_text(str(os.getpid()))
                (tmp_path / "new").rename(pid)
                while True:
                    time.sleep(3600)
            while not pid.exists():
                time.sleep(0.01)
            raise ZeroDivisionError("here")

        study = new_study()
        with pytest.raises(ZeroDivisionError, match="here"):
            run(study, self.make(), objective, n_trials=4)
        assert [t.state for t in study.trials] == [WAITING, FAIL]
        wait_until_gone(int(pid.read_text()))


def test_trials_that_end_while_the_run_is_ended_do_not_end_this_process(cluster):
    """As they did: cancelling a task that completes in this moment fails a check in Ray, which aborts the caller."""
    executor = RayExecutor(cluster.address, n_jobs=2)
    for _ in range(10):  # about one in ten did
        study = make()
        with pytest.raises(LuthierError, match="cannot load the objective"):
            study.optimize(Unloadable(), n_trials=2, executor=executor)
        assert all(t.state is WAITING for t in study.trials)


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


class Pressing(logging.Handler):
    """Presses Ctrl-C once the run says that it waits, and keeps what it said."""

    def emit(self, record):
        self.said = record.getMessage()
        os.kill(os.getpid(), signal.SIGINT)


def test_resources_that_no_node_has_are_named_while_the_run_waits(cluster):
    executor, study, log = RayExecutor(cluster.address, resources={"num_gpus": 8, "tpu": 1}), make(), Pressing()
    logging.getLogger("luthier").addHandler(log)
    try:
        with pytest.raises(KeyboardInterrupt):
            study.optimize(lambda trial: 1.0, n_trials=2, executor=executor)
    finally:
        logging.getLogger("luthier").removeHandler(log)
    assert "it takes CPU 1, GPU 8, tpu 1; " in log.said and "of CPU 1" in log.said and "head 1" in log.said
    assert [t.state for t in study.trials] in ([], [WAITING])


def test_luthier_tune_on_ray(cluster, tmp_path):
    arguments = ["--limit", "120", "--epochs", "1", "--trials", "3", "--top", "1", "--seeds", "1", "--json"]
    where = ["--on", "ray", "--address", cluster.address, "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, ["tune", "image", "--data", "digits", *arguments, *where], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["cost"]["trials"] == 3
    assert [t.state.is_finished for t in lt.load_study(storage=tmp_path / "run" / "study.db").trials] == [True] * 3


def test_luthier_tune_says_first_that_a_library_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    command = ["tune", "image", "--data", "digits", "--on", "ray", "--out", str(tmp_path / "run")]
    with pytest.raises(LuthierError, match=r"needs Ray: pip install .*\[ray\]"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "wrong", [{"n_jobs": 0}, {"n_jobs": -2}, {"resources": {"num_gpus": -1}}, {"trial_timeout": 0.0}]
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match="n_jobs|resources|trial_timeout"):
        RayExecutor(**wrong)
