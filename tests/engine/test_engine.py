"""Leases: who holds a trial, who loses it, and what becomes of it. Real processes, real signals, SQLite."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import luthier as lt
from luthier.engine import running as held
from luthier.errors import LeaseLost, StorageBusy, StorageError
from luthier.samplers import RandomSampler
from luthier.schedulers import MedianPruner
from luthier.stores import MemoryStore, open_store
from luthier.trial import TrialState

COMPLETE, FAIL, RUNNING, WAITING = TrialState.COMPLETE, TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING


def make(path, **options):
    options.setdefault("sampler", RandomSampler())
    return lt.create_study(seed=0, storage=path, study_name="s", load_if_exists=True, **options)


def square(trial):
    return trial.suggest_float("x", -5, 5) ** 2


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def beats():
    return [t for t in threading.enumerate() if t.name == "luthier-heartbeat"]


def die_elsewhere(store, times=1):
    """A machine that starts a trial and is never heard of again, so often."""
    for i in range(times):
        record = store.ask("s", "another-machine/7/1", os.urandom(8).hex(), lease=0.001)
        until(lambda: store.expired("s"))
        if i < times - 1:
            assert store.requeue("s", record.number, record.token)
    return record.number


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    gc.collect()
    until(lambda: not beats())


# -- threads


def test_a_thread_that_looks_for_equal_trials_does_not_disturb_a_suggestion():
    """All streams of a study come from one generator: whoever draws from it holds the lock."""
    drawing, other_is_done = threading.Event(), threading.Event()

    class Slow:
        def suggest(self, space, history, rng, n):
            drawing.set()
            other_is_done.wait(0.5)  # which it is not before this is
            return space.decode(space.sample(rng, n))

    def asked(disturbed):
        study = lt.create_study(space={"x": lt.Float(0, 1)}, sampler=Slow(), seed=0)
        study.add_trial(lt.create_trial({"x": 0.5}, 1.0))

        def other():
            drawing.wait()
            study.enqueue_trial({"x": 0.5}, skip_if_exists=True)
            other_is_done.set()

        thread = threading.Thread(target=other)
        if disturbed:
            thread.start()
        else:
            other_is_done.set()
        x = study.ask().params["x"]
        if disturbed:
            thread.join()
        drawing.clear()
        other_is_done.clear()
        return x

    assert asked(disturbed=True) == asked(disturbed=False)


# -- taking away


def test_a_dead_machines_trial_is_started_again_by_optimize(tmp_path):
    study = make(tmp_path / "s.db")
    number = die_elsewhere(study.storage)
    study.optimize(square, total_trials=2)
    assert [(t.state, t.retries) for t in study.trials] == [(COMPLETE, 1), (COMPLETE, 0)]
    assert study.trials[number].owner != "another-machine/7/1"
    study.close()


def test_a_dead_machines_trial_is_started_again_by_ask(tmp_path):
    study = make(tmp_path / "s.db")
    number = die_elsewhere(study.storage)
    trial = study.ask()
    assert trial.number == number and study.trials[number].retries == 1
    assert study.tell(trial, 1.0).state is COMPLETE
    study.close()


def test_an_attempt_that_lost_its_trial_says_nothing_of_the_next_one(tmp_path):
    """Even where the next one runs in the same process, under the same number."""
    study = make(tmp_path / "s.db", pruner=MedianPruner())
    old = study.ask()
    study.storage.requeue("s", old.number, old.token)
    new = study.ask()
    assert (new.number, new.token != old.token) == (old.number, True)
    for late in (
        lambda: old.report(0.5, step=1),
        old.should_prune,
        lambda: old.set_user_attr("a", 1),
        lambda: old.suggest_float("x", 0, 1),
    ):
        with pytest.raises(LeaseLost, match="trial 0 was taken from its worker"):
            late()
    new.report(0.25, step=1)
    study.tell(new, 1.0)
    (record,) = study.trials
    assert record.reports == ((1, 0.25),) and record.attrs == {}
    study.close()


def test_a_trial_whose_lease_runs_is_left_alone(tmp_path):
    study = make(tmp_path / "s.db")
    study.storage.ask("s", "another-machine/7/1", "c", lease=3600)
    study.optimize(square, n_trials=1)
    assert [t.state for t in study.trials] == [RUNNING, COMPLETE]
    study.close()


def test_an_expired_trial_beyond_max_retries_fails(tmp_path):
    study = make(tmp_path / "s.db")
    die_elsewhere(study.storage, times=3)
    study.optimize(square, n_trials=1, max_retries=2)
    assert [t.state for t in study.trials] == [FAIL, COMPLETE]
    assert "another-machine/7/1 stopped responding (3 times)" in study.trials[0].error
    study.close()


def test_the_store_is_looked_at_rarely(tmp_path, monkeypatch):
    looks = []
    study = make(tmp_path / "s.db")
    monkeypatch.setattr(study.storage, "expired", lambda name: looks.append(name) or [])
    study.optimize(square, n_trials=5)
    assert looks == []  # nothing runs elsewhere
    study.storage.ask("s", "another-machine/7/1", "c", lease=3600)
    study.optimize(square, n_trials=5)
    assert looks == ["s"]  # once in half a minute
    study.close()


# -- keeping


class Watched:
    """A store that counts how often leases are renewed, and can be away."""

    def __init__(self, store):
        self._store = store
        self.renewed = 0
        self.away = 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    def write(self, *args, lease=None, **changes):
        if self.away:
            self.away -= 1
            raise StorageBusy("locked by others") if self.away % 2 else StorageError("the disk is away")
        self._store.write(*args, lease=lease, **changes)
        self.renewed += lease is not None


@pytest.mark.parametrize("away", [0, 4])
def test_a_busy_objective_keeps_its_lease(tmp_path, away):
    store = Watched(open_store(tmp_path / "s.db"))

    def objective(trial):
        store.away, store.renewed = away, 0
        deadline = time.monotonic() + 60
        while store.renewed < 3 and time.monotonic() < deadline:
            sum(range(100))  # never sleeps, never calls the study
        assert store.renewed >= 3 and store.expired("s") == []
        return 1.0

    study = make(store, lease_seconds=4.5)
    study.optimize(objective, n_trials=1)
    assert [(t.state, t.retries) for t in study.trials] == [(COMPLETE, 0)]
    study.close()


def test_one_thread_for_all_trials_and_none_in_memory(tmp_path):
    study = make(tmp_path / "s.db", lease_seconds=0.6)
    trials = [study.ask() for _ in range(3)]
    assert len(beats()) == 1
    for trial in trials:
        study.tell(trial, 1.0)
    until(lambda: not beats())
    study.ask()
    assert len(beats()) == 1
    study.close()
    assert beats() == []
    other = make(tmp_path / "s.db")
    other.ask()
    assert len(beats()) == 1
    del other
    gc.collect()
    until(lambda: not beats())
    memory = make(MemoryStore())
    memory.ask()
    memory.optimize(square, n_trials=2)
    assert beats() == []


@pytest.mark.parametrize("seconds", [0, -1.0, float("inf"), float("nan")])
def test_a_lease_is_a_positive_time(seconds):
    with pytest.raises(ValueError, match="lease_seconds"):
        lt.create_study(lease_seconds=seconds)


# -- parameters for a number that went to another


class Overtaken(RandomSampler):
    """Another process asks for a trial while it suggests its first."""

    other = None

    def suggest(self, *args):
        if self.other is not None:
            other, self.other = self.other, None
            other.tell(other.ask(), 1.0)
        return super().suggest(*args)


@pytest.fixture
def pair(tmp_path):
    """A study whose first number goes to another process when it is proposed for, and that process's study."""
    space = {"x": lt.Float(0, 1)}
    study, other = (make(tmp_path / "s.db", space=space, sampler=sampler) for sampler in (Overtaken(), RandomSampler()))
    study.sampler.other = other
    yield study, other
    study.close()
    other.close()


def test_they_are_stored_within_a_second(pair, monkeypatch):
    study, other = pair
    monkeypatch.setattr(held, "SAVE_SECONDS", 0.05)
    trial = study.ask()
    assert trial.number == 1 and set(trial.params) == {"x"}
    until(lambda: other.trials[1].params == trial.params)
    assert study.tell(trial, 1.0).params == trial.params


@pytest.mark.parametrize("way", ["trial", "number", "token", "given back", "reported"])
def test_they_are_stored_with_whatever_comes_first(pair, monkeypatch, way):
    study, other = pair
    trial = study.ask()
    assert other.trials[1].params == {} and study.trials[1].params == trial.params  # here, they are known
    if way == "reported":
        monkeypatch.setattr(held, "SAVE_SECONDS", 0.0)
        trial.report(1.0, 1)
        assert other.trials[1].reports == ((1, 1.0),)
    elif way == "given back":
        assert study._engine.give_back(trial.number, trial.token)
    elif way == "token":
        study.tell(trial.number, 1.0, token=trial.token)
    else:
        study.tell(trial if way == "trial" else trial.number, 1.0)
    assert other.trials[1].params == trial.params


def test_they_are_stored_with_the_result_in_a_run(pair):
    study, other = pair
    seen = []
    study.optimize(lambda trial: seen.append(trial.suggest_float("x", 0, 1)) or 1.0, n_trials=3)
    assert [t.params["x"] for t in other.trials][1:] == seen


def test_they_are_stored_at_once_where_the_suggestion_took_long(pair, monkeypatch):
    study, other = pair
    monkeypatch.setattr("luthier.engine.proposals.SAVE_SECONDS", 0.0)
    trial = study.ask()
    assert other.trials[1].params == trial.params


# -- losing


@pytest.mark.parametrize(
    ("call", "jobs"), [("report", 1), ("should_prune", 1), ("nothing", 1), ("report", 2), ("should_prune", 2)]
)
def test_a_lost_lease_ends_its_trial_and_not_the_run(tmp_path, call, jobs, caplog, monkeypatch):
    monkeypatch.setattr(held, "SAVE_SECONDS", 0.0)
    path, marker, ran_on = tmp_path / "s.db", tmp_path / "taken", tmp_path / "ran on"

    def objective(trial):
        if trial.number == 1 and not marker.exists():
            marker.touch()
            store = open_store(path)
            assert store.requeue("s", 1, trial.token)
            store.close()
            if call == "report":
                trial.report(1.0, 0)
            elif call == "should_prune":
                trial.should_prune()
            ran_on.touch()
        return square(trial)

    study = make(path, pruner=MedianPruner())
    study.optimize(objective, n_trials=4, n_jobs=jobs, catch=ValueError)
    assert [(t.state, t.retries) for t in study.trials] == [(COMPLETE, int(n == 1)) for n in range(4)]
    assert ran_on.exists() == (call == "nothing")
    (message,) = [r.message for r in caplog.records]
    assert "trial 1 was taken" in message and "result dropped; 1 so far" in message
    study.close()


def test_a_late_attempt_says_nothing_of_the_next_one(tmp_path):
    study = make(tmp_path / "s.db")
    late = study.ask()
    assert study.storage.requeue("s", 0, late.token)
    again = study.ask()
    assert again.number == 0 and again.token != late.token
    with pytest.raises(LeaseLost):
        study.tell(late, 1.0)
    again.report(2.0, 0)  # still held
    assert study.tell(again, 3.0).value == 3.0
    study.close()


PAUSED = """
import pathlib, sys, time
import luthier as lt
from luthier.errors import LeaseLost
from luthier.samplers import RandomSampler
study = lt.load_study(storage=sys.argv[1], sampler=RandomSampler(), lease_seconds=1.0)
go = pathlib.Path(sys.argv[2])
def objective(trial):
    while not go.exists():
        time.sleep(0.01)
    return 1.0
if sys.argv[3] == "optimize":
    study.optimize(objective, n_trials=2)
else:
    trial = study.ask()
    try:
        study.tell(trial, objective(trial))
    except LeaseLost as error:
        print("lost", error, flush=True)
    for _ in range(2):
        study.tell(study.ask(), 1.0)
"""


def pause(process, path):
    """Stop a process, but not in the middle of a transaction, in which it would hold the file."""
    while True:
        os.kill(process.pid, signal.SIGSTOP)
        store = open_store(path)
        store._database.timeout = 1.0
        try:
            store.set_study_attrs("s", {"paused": True})
            return
        except StorageBusy:
            os.kill(process.pid, signal.SIGCONT)
        finally:
            store.close()


@pytest.mark.parametrize("how", ["optimize", "ask"])
def test_a_paused_process_loses_its_trial_and_goes_on(tmp_path, how):
    path, go = tmp_path / "s.db", tmp_path / "go"
    study = make(path)
    process = subprocess.Popen(
        [sys.executable, "-c", PAUSED, str(path), str(go), how], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        until(lambda: [t.state for t in study.trials] == [RUNNING])
        pause(process, path)
        until(lambda: study.storage.expired("s"))
        trial = study.ask()
        assert trial.number == 0 and study.trials[0].retries == 1
        study.tell(trial, 5.0)
        go.touch()
        os.kill(process.pid, signal.SIGCONT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    assert b"trial 0 was taken from this" in (err if how == "optimize" else out)
    assert [t.value for t in study.trials] == [5.0, 1.0, 1.0]
    study.close()


def test_a_killed_process_loses_its_trial_when_its_lease_ends(tmp_path):
    """Seen from a machine that cannot ask for the process: by the lease alone."""
    path = tmp_path / "s.db"
    study = make(path)
    process = subprocess.Popen([sys.executable, "-c", PAUSED, str(path), str(tmp_path / "never"), "optimize"])
    try:
        until(lambda: [t.state for t in study.trials] == [RUNNING])
    finally:
        process.kill()
        process.wait()
    until(lambda: study.storage.expired("s"))
    trial = study.ask()
    assert trial.number == 0
    study.tell(trial, 1.0)
    assert [(t.state, t.retries) for t in study.trials] == [(COMPLETE, 1)]
    study.close()


FORKED = """
import os, sys
import luthier as lt
from luthier.samplers import RandomSampler
study = lt.load_study(storage=sys.argv[1], sampler=RandomSampler())
mine = study.ask()
child = os.fork()
if not child:
    trial = study.ask()
    study.tell(trial, 1.0)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
other = study.ask()
study.tell(mine, 0.0)
study.tell(other, 2.0)
study.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_is_another_owner(tmp_path):
    study = make(tmp_path / "s.db")
    process = subprocess.run(
        [sys.executable, "-c", FORKED, str(tmp_path / "s.db")], capture_output=True, timeout=60, check=False
    )
    assert process.returncode == 0, process.stderr
    assert [t.value for t in study.trials] == [0.0, 1.0, 2.0]
    owners = [t.owner for t in study.trials]
    assert owners[0] == owners[2] != owners[1]
    study.close()
