"""Studies on a real Dask cluster: two worker processes of this machine, each behind a nanny."""

import json
import logging
import os
import signal
import time

import pytest
from dask import config
from distributed import LocalCluster, get_worker
from typer.testing import CliRunner

import luthier as lt
from luthier.cli.app import app
from luthier.errors import LuthierError
from luthier.executors.dask import DaskExecutor
from luthier.samplers import RandomSampler
from luthier.testing.executors import AwayContract
from luthier.trial import TrialState

COMPLETE, WAITING = TrialState.COMPLETE, TrialState.WAITING


@pytest.fixture(scope="module")
def cluster():
    with (
        config.set({"distributed.worker.daemon": False}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # else port 8787, and a warning where it is taken
            resources={"GPU": 2},
        ) as cluster,
    ):
        yield cluster


@pytest.fixture
def executor(cluster):
    return DaskExecutor(cluster.scheduler_address)


def make(**kwargs):
    return lt.create_study(seed=0, sampler=RandomSampler(), **kwargs)


def wait_for_both(cluster):
    """A killed worker takes a moment to come back; Dask gives up one that is killed as it starts."""
    try:
        cluster.wait_for_workers(2, timeout=20)
    except TimeoutError:
        cluster.scale(0)
        cluster.scale(2)
        cluster.wait_for_workers(2, timeout=60)


class TestDask(AwayContract):
    settling = 1.0

    @pytest.fixture(autouse=True)
    def use(self, cluster):
        wait_for_both(cluster)
        self.address = cluster.scheduler_address

    def make(self):
        return DaskExecutor(self.address, n_jobs=2)

    def make_impatient(self, trial_timeout):
        return DaskExecutor(self.address, trial_timeout=trial_timeout)


def test_a_worker_behind_a_nanny_that_is_killed_from_outside_costs_one_attempt(cluster, executor, tmp_path):
    wait_for_both(cluster)
    pid, killed = tmp_path / "pid", []

    def objective(trial):
        if trial.number == 0 and not pid.exists():
            (tmp_path / "new").write_text(str(os.getpid()))
            (tmp_path / "new").rename(pid)
            while True:
                time.sleep(3600)
        while not pid.exists():
            time.sleep(0.01)
        return trial.suggest_float("x", 0, 1)

    def kill(study, record):
        if not killed:
            killed.append(record.number)
            os.kill(int(pid.read_text()), signal.SIGKILL)

    study = make()
    study.optimize(objective, n_trials=6, executor=executor, callbacks=[kill])
    assert killed and [t.state for t in study.trials] == [COMPLETE] * 6
    assert [t.retries for t in study.trials] == [1, 0, 0, 0, 0, 0]


def test_resources_reach_the_scheduler(cluster):
    def objective(trial):
        state = get_worker().state
        return float(state.available_resources["GPU"])

    study = make()
    study.optimize(objective, n_trials=2, executor=DaskExecutor(cluster.scheduler_address, resources={"GPU": 1.5}))
    assert [t.value for t in study.trials] == [0.5, 0.5]


class Pressing(logging.Handler):
    """Presses Ctrl-C once the run says that it waits, and keeps what it said."""

    def emit(self, record):
        self.said = record.getMessage()
        os.kill(os.getpid(), signal.SIGINT)


def test_resources_that_no_worker_has_are_named_while_the_run_waits(cluster):
    wait_for_both(cluster)
    executor, study, log = DaskExecutor(cluster.scheduler_address, resources={"TPU": 3}), make(), Pressing()
    logging.getLogger("luthier").addHandler(log)
    try:
        with pytest.raises(KeyboardInterrupt):
            study.optimize(lambda trial: 1.0, n_trials=2, executor=executor)
    finally:
        logging.getLogger("luthier").removeHandler(log)
    assert "it takes threads 1, TPU 3; 2 workers of threads 1, GPU 2. Waiting" in log.said
    assert [t.state for t in study.trials] in ([], [WAITING])


def test_without_an_address_a_local_cluster_starts_and_ends():
    study = make()
    study.optimize(lambda trial: float(os.getpid()), n_trials=2, n_jobs=2, executor="dask", resources={"GPU": 1})
    pids = {int(t.value) for t in study.trials}
    assert os.getpid() not in pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_an_address_where_nobody_answers_is_said(monkeypatch):
    monkeypatch.setattr("distributed.client.Client.__init__", _no_answer)
    with pytest.raises(LuthierError, match="no Dask scheduler answers at tcp://127.0.0.1:1"):
        make().optimize(lambda trial: 1.0, n_trials=1, executor="dask", address="tcp://127.0.0.1:1")


def _no_answer(*_, **__):
    raise OSError("timed out")  # which takes thirty seconds


def test_luthier_tune_on_dask(cluster, tmp_path):
    arguments = ["--limit", "120", "--epochs", "1", "--trials", "3", "--top", "1", "--seeds", "1", "--json"]
    where = ["--on", "dask", "--address", cluster.scheduler_address, "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, ["tune", "image", "--data", "digits", *arguments, *where], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["cost"]["trials"] == 3
    study = lt.load_study(storage=tmp_path / "run" / "study.db")
    here = study.trials[0].owner  # the study's process owns them all; the workers have no storage
    assert [t.state.is_finished for t in study.trials] == [True] * 3 and {t.owner for t in study.trials} == {here}


@pytest.mark.parametrize("wrong", [{"n_jobs": 0}, {"n_jobs": -2}, {"resources": {"GPU": 0}}, {"trial_timeout": 0.0}])
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match="n_jobs|resources|trial_timeout"):
        DaskExecutor(**wrong)
