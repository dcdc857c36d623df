"""The loop that Ray and Dask share, on a cluster that does what a test wants."""

import logging
import os
import pickle
import signal
import sys

import pytest

import luthier as lt
from luthier.errors import LuthierError, MissingDependency, StorageError
from luthier.executors.cluster import WorkerDied, each_has, listed, run_on_cluster, run_trial
from luthier.samplers import RandomSampler
from luthier.trial import TrialState

COMPLETE, FAIL, WAITING = TrialState.COMPLETE, TrialState.FAIL, TrialState.WAITING


class Fake:
    """Runs what is submitted at once, here; what was submitted ends together."""

    host = "127.0.0.1"
    runs = True

    def __init__(self, slots=2, may_grow=True):
        self.slots = slots
        self.may_grow = may_grow
        self.ended = {}
        self.cancelled = []

    def capacity(self):
        return self.slots

    def needs(self):
        return f"it takes {listed({'CPU': 1, 'GPU': 4})}; {each_has('node', ['CPU 1', 'CPU 1', 'CPU 2'])}"

    def submit(self, *args):
        handle = object()
        if self.runs:
            self.ended[handle] = pickle.loads(pickle.dumps(run_trial(*args)))  # as if it came from elsewhere
        return handle

    def wait(self, handles, seconds):
        return list(handles)

    def outcome(self, handle):
        return self.ended[handle]

    def kill(self, handle):
        raise AssertionError("nothing is stuck")

    def cancel(self, handles):
        self.cancelled += list(handles)


class On:
    """Its executor."""

    def __init__(self, cluster, n_jobs=None):
        self.cluster = cluster
        self.n_jobs = n_jobs

    def run(self, objective, source):
        run_on_cluster(self.cluster, objective, source, self.n_jobs)


def make(**options):
    return lt.create_study(seed=0, sampler=RandomSampler(), **options)


def states(study):
    return [t.state for t in study.trials]


def test_trials_that_ended_beside_a_failed_one_are_told_first():
    def objective(trial):
        if trial.number in (0, 2):
            raise ZeroDivisionError(f"in trial {trial.number}")
        return float(trial.number)

    study, cluster = make(), Fake(slots=4)
    with pytest.raises(ZeroDivisionError, match="in trial 0"):
        study.optimize(objective, n_trials=9, executor=On(cluster))
    assert states(study) == [FAIL, COMPLETE, FAIL, COMPLETE]
    assert study.trials[3].value == 3.0 and not cluster.cancelled


def test_no_more_run_at_once_than_n_jobs():
    cluster, most = Fake(slots=8), 0

    def count(study, record):
        nonlocal most
        most = max(most, len([s for s in states(study) if s is TrialState.RUNNING]) + 1)

    make().optimize(lambda trial: 1.0, n_trials=7, executor=On(cluster, 3), callbacks=[count])
    assert most == 3


def test_a_trial_that_no_node_can_hold_is_an_error_where_none_can_join():
    study = make()
    with pytest.raises(LuthierError) as caught:
        study.optimize(lambda trial: 1.0, n_trials=1, executor=On(Fake(slots=0, may_grow=False)))
    assert str(caught.value) == (
        "no node can hold a trial: it takes CPU 1, GPU 4; 2 nodes of CPU 1 | 1 node of CPU 2; "
        "ask for less in `resources`"
    )
    assert study.trials == []


def test_where_nodes_may_join_it_is_a_warning_said_once_and_the_run_waits(caplog):
    class Growing(Fake):
        def wait(self, handles, seconds):
            self.rounds = getattr(self, "rounds", 0) + 1
            self.slots = int(self.rounds >= 4)  # a node joins
            return list(handles) if self.slots else []

    study = make()
    study.optimize(lambda trial: 1.0, n_trials=3, executor=On(Growing(slots=0)))
    assert states(study) == [COMPLETE] * 3
    (said,) = [r.getMessage() for r in caplog.records]
    assert said.startswith("no node of the cluster can hold a trial now: it takes CPU 1, GPU 4; 2 nodes of")


def test_a_result_that_a_cluster_loses_with_its_worker_counts_all_the_same():
    class Forgets(Fake):
        def outcome(self, handle):
            raise WorkerDied("with what it held")

    study = make()
    study.optimize(lambda trial: float(trial.number), n_trials=4, executor=On(Forgets()))
    assert [t.value for t in study.trials] == [0.0, 1.0, 2.0, 3.0] and all(t.retries == 0 for t in study.trials)


def test_a_result_that_was_handed_in_is_told_when_the_run_is_ended():
    class Slow(Fake):
        def wait(self, handles, seconds):
            raise OSError("the cluster is gone")

    study = make()
    with pytest.raises(OSError, match="the cluster is gone"):
        study.optimize(lambda trial: 1.0, n_trials=4, executor=On(Slow()))
    assert states(study) == [COMPLETE] * 2


def test_an_objective_that_a_cluster_starts_twice_counts_once():
    class Twice(Fake):
        def submit(self, *args):
            handle = super().submit(*args)
            assert run_trial(*args) is None  # the second start is turned away
            return handle

    study = make()
    study.optimize(lambda trial: 1.0, n_trials=3, executor=On(Twice()))
    assert states(study) == [COMPLETE] * 3 and [t.retries for t in study.trials] == [0, 0, 0]


def test_what_has_left_its_worker_is_not_cancelled():
    class Slow(Fake):
        def submit(self, *args):
            self.runs = not self.ended  # the second one waits for a node
            return super().submit(*args)

        def wait(self, handles, seconds):
            raise OSError("the cluster is gone")

    study, cluster = make(), Slow()
    with pytest.raises(OSError, match="the cluster is gone"):
        study.optimize(lambda trial: 1.0, n_trials=4, executor=On(cluster))
    assert states(study) == [COMPLETE, WAITING]
    assert len(cluster.cancelled) == 1 and cluster.cancelled[0] not in cluster.ended


@pytest.mark.parametrize("where", ["submit", "outcome", "capacity", "wait"])
def test_whatever_a_cluster_raises_no_trial_is_left_running(where):
    class Broken(Fake):
        runs = False

    def breaks(*_):
        raise OSError("the cluster is gone")

    setattr(Broken, where, breaks)
    study, cluster = make(), Broken()
    with pytest.raises(OSError, match="the cluster is gone"):
        study.optimize(lambda trial: 1.0, n_trials=3, executor=On(cluster))
    assert set(states(study)) <= {WAITING}


def test_a_storage_that_fails_keeps_no_trial_from_being_queued_again(monkeypatch, caplog):
    class Lost(Fake):
        runs = False

        def outcome(self, handle):
            raise OSError("the cluster is gone")

    study, refused = make(), []
    give_back = study._engine.give_back

    def fails_once(number, token):
        if not refused:
            refused.append(number)
            raise StorageError("the disk is away")
        return give_back(number, token)

    monkeypatch.setattr(study._engine, "give_back", fails_once)
    with pytest.raises(OSError, match="the cluster is gone"):
        study.optimize(lambda trial: 1.0, n_trials=3, executor=On(Lost()))
    assert refused == [0] and states(study) == [TrialState.RUNNING, WAITING]
    (said,) = [r.getMessage() for r in caplog.records]
    assert said.startswith("trial 0 could not be queued again") and "the disk is away" in said


def test_a_worker_that_cannot_reach_the_study_says_where_it_looked():
    class Elsewhere(Fake):
        def submit(self, address, key, ticket):
            return super().submit((address[0], 1), key, ticket)

    study = make()
    with pytest.raises(LuthierError, match=r"cannot reach the study at 127\.0\.0\.1:1: .*firewall"):
        study.optimize(lambda trial: 1.0, n_trials=1, executor=On(Elsewhere()))
    assert states(study) == [WAITING]


def test_a_dead_worker_is_told_apart_from_a_result():
    class Dies(Fake):
        deaths = 2

        def submit(self, *args):
            self.deaths, self.runs = self.deaths - 1, self.deaths <= 0
            return super().submit(*args)

        def outcome(self, handle):
            if handle not in self.ended:
                raise WorkerDied("the node died")
            return super().outcome(handle)

    study = make()
    study.optimize(lambda trial: 1.0, n_trials=3, executor=On(Dies(slots=1)), max_retries=1)
    assert states(study) == [FAIL, COMPLETE, COMPLETE] and study.trials[0].error == "the node died (2 times)"


@pytest.mark.parametrize(("name", "library"), [("ray", "ray"), ("dask", "distributed")])
def test_a_missing_library_is_named_with_its_extra(monkeypatch, name, library):
    monkeypatch.setitem(sys.modules, library, None)
    study = make()
    with pytest.raises(MissingDependency, match=rf"pip install .*\[{name}\]"):
        study.optimize(lambda trial: 1.0, n_trials=1, executor=name)
    assert study.trials == []


def interrupting(message):
    """A handler of logging that presses Ctrl-C at a message: the run has come to it."""

    class Handler(logging.Handler):
        def emit(self, record):
            if message in record.getMessage():
                os.kill(os.getpid(), signal.SIGINT)

    return Handler()


def test_ctrl_c_ends_the_waiting_for_a_node():
    handler, log = interrupting("no node of the cluster"), logging.getLogger("luthier")
    log.addHandler(handler)
    study = make()
    try:
        with pytest.raises(KeyboardInterrupt):
            study.optimize(lambda trial: 1.0, n_trials=1, executor=On(Fake(slots=0)))
    finally:
        log.removeHandler(handler)
    assert set(states(study)) <= {WAITING, COMPLETE}
