"""Several processes at one journal: queues, forks, compaction, clocks."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from luthier.errors import LeaseLost
from luthier.stores import Result
from luthier.stores.journal import JournalStore
from luthier.stores.journal.state import JournalState
from luthier.testing.stores import DONE, HOUR, in_threads, new_study, trials
from luthier.trial import TrialState

OPENED = """
import sys
from luthier.stores.journal import JournalStore
from luthier.testing.stores import DONE
me = sys.argv[2]
store = JournalStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
"""
POP = """
for i in range(100):
    print(store.ask("study", me, f"{me}-{i}").number)
"""
POSIX = """
import fcntl
del fcntl.F_OFD_SETLK
"""
ASK_AND_TELL = """
for i in range(40):
    trial = store.ask("study", me, f"{me}-{i}")
    store.write("study", trial.number, trial.token, reports=[(1, 0.5)])
    store.tell("study", trial.number, trial.token, DONE)
    print(trial.number, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


@pytest.fixture
def store(path: Path) -> Iterator[JournalStore]:
    store = JournalStore(path)
    yield store
    store.close()


Start = Callable[..., list["subprocess.Popen[str]"]]


@pytest.fixture
def start(path: Path) -> Iterator[Start]:
    """Starts two interpreters that wait, opened, for one line and then run a body; they are gone after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(body: str, before: str = "") -> list[subprocess.Popen[str]]:
        for i in range(2):
            command = [sys.executable, "-W", "error", "-c", before + OPENED + body, str(path), str(i)]
            started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return started

    yield start
    for process in started:
        process.kill()
        process.communicate()


def numbers(process: subprocess.Popen[str]) -> list[int]:
    text, _ = process.communicate()
    assert process.returncode == 0
    return list(map(int, text.split()))


@pytest.mark.parametrize("before", ["", POSIX], ids=["ofd", "posix"])
def test_no_queued_trial_goes_to_two_processes(store: JournalStore, start: Start, before: str) -> None:
    name = new_study(store)
    for i in range(200):
        store.enqueue(name, {"x": i}, {}, str(i))
    taken = [numbers(process) for process in start(POP, before)]
    assert sorted(taken[0] + taken[1]) == list(range(200))
    found = trials(store, name)
    assert all(found[number].owner == str(k) for k in range(2) for number in taken[k])


def test_processes_lose_nothing_while_the_file_is_written_anew(store: JournalStore, path: Path, start: Start) -> None:
    name = new_study(store)
    processes = start(ASK_AND_TELL)
    while any(process.poll() is None for process in processes):
        store.compact()
    done = [numbers(process) for process in processes]
    assert sorted(done[0] + done[1]) == list(range(80))
    again = JournalStore(path)  # which reads what lies at the path now
    found = trials(again, name)
    again.close()
    assert trials(store, name) == found
    assert {(trial.state, trial.values, trial.reports) for trial in found} == {
        (TrialState.COMPLETE, (1.0,), ((1, 0.5),))
    }
    assert len(found) == 80


def test_compaction_keeps_all_and_drops_the_past(store: JournalStore, path: Path, tmp_path: Path) -> None:
    name, gone = new_study(store), new_study(store, "gone")
    store.add_parameters(name, {"x": {"low": 0}})
    for i in range(30):
        token = store.ask(name, "me", str(i), HOUR).token
        for step in range(10):
            store.write(name, i, token, reports=[(step, float(step))])
        if i % 3:
            store.tell(name, i, token, DONE)
    store.enqueue(name, {"x": 1}, {"a": 1}, "q")
    expired = store.ask(name, "me", "late", 0.0)
    store.enqueue(name, {"x": 2}, {}, "q2")
    store.ask(gone, "me", "1")
    store.delete_study(gone)
    other = JournalStore(path)
    study, (revision, found) = store.study(name), store.changes(name, 0)
    since = revision - 5
    recent, size = store.changes(name, since), path.stat().st_size
    path.chmod(0o640)
    store.compact()
    assert path.stat().st_size < size / 5
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]
    for handle in (store, other):
        assert handle.studies() == [study]
        assert handle.changes(name, 0) == (revision, found)
        assert handle.changes(name, since) == recent
        assert handle.changes(name, revision) == (revision, [])
        assert handle.expired(name) == [expired]
        assert handle.ask(name, "me", "0") == found[0]
        assert handle.enqueue(name, {}, {}, "q").number == 30
    assert other.ask(name, "me", "next").params == {"x": 2}
    store.compact()
    other.tell(name, 0, found[0].token, DONE)
    assert [trial.number for trial in store.changes(name, revision)[1]] == [0, 31]
    again = JournalStore(path)
    assert again.changes(name, 0) == store.changes(name, 0)
    again.close()
    other.close()


def test_only_what_is_new_is_read(store: JournalStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = new_study(store)
    for i in range(20):
        store.enqueue(name, {}, {}, str(i))
    other = JournalStore(path)
    applied: list[str] = []
    really = JournalState.apply

    def noting(self: JournalState, texts: list[str]) -> None:
        applied.extend(texts)
        really(self, texts)

    monkeypatch.setattr(JournalState, "apply", noting)
    store.ask(name, "me", "1")
    other.changes(name, 0)
    other.changes(name, 0)
    assert len(applied) == 2  # one entry, in two handles


def test_interrupted_reading_begins_again(store: JournalStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = new_study(store)
    other = JournalStore(path)
    told = [store.tell(name, i, store.ask(name, "me", str(i)).token, DONE) for i in range(3)]
    store.delete_study(name)
    new_study(store)
    really, calls = JournalState.apply_entry, []

    def interrupted(self: JournalState, entry: object) -> None:
        calls.append(entry)
        if len(calls) == 8:  # after the study was deleted
            raise KeyboardInterrupt
        really(self, entry)  # type: ignore[arg-type]

    monkeypatch.setattr(JournalState, "apply_entry", interrupted)
    with pytest.raises(KeyboardInterrupt):
        other.changes(name, 0)
    assert len(told) == 3
    assert other.changes(name, 0) == store.changes(name, 0)
    assert trials(other, name) == []
    other.close()


def in_child(work: Callable[[], object]) -> None:
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(60)
    try:
        assert child.exitcode == 0
    finally:
        child.kill()


def test_forked_child_goes_on(store: JournalStore) -> None:
    name = new_study(store)
    store.ask(name, "parent", "1")
    in_child(lambda: store.tell(name, store.ask(name, "child", "2").number, None, DONE))
    store.ask(name, "parent", "3")
    assert [(trial.owner, trial.state.name) for trial in trials(store, name)] == [
        ("parent", "RUNNING"),
        ("child", "COMPLETE"),
        ("parent", "RUNNING"),
    ]


def test_parent_and_child_shut_each_other_out(store: JournalStore) -> None:
    """A descriptor that both had would give both the lock."""
    name = new_study(store)

    def pop(owner: str) -> None:
        for i in range(50):
            store.ask(name, owner, f"{owner}-{i}")

    child = multiprocessing.get_context("fork").Process(target=pop, args=("child",))
    child.start()
    pop("parent")
    child.join()
    assert child.exitcode == 0
    assert sorted(trial.owner for trial in trials(store, name)) == ["child"] * 50 + ["parent"] * 50


def test_fork_in_the_middle_of_other_threads_calls(store: JournalStore) -> None:
    name = new_study(store)
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            store.set_study_attrs(name, {"a": 1})

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for i in range(5):
            in_child(lambda i=i: store.ask(name, "child", str(i)))  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()
    assert [trial.owner for trial in trials(store, name)] == ["child"] * 5


def test_many_threads_at_once(store: JournalStore) -> None:
    name = new_study(store)
    for i in range(12):
        store.enqueue(name, {"x": i}, {}, str(i))
    taken = in_threads(12, lambda k: store.ask(name, str(k), str(k), HOUR).number)
    assert sorted(taken) == list(range(12))


def test_time_never_runs_backwards(store: JournalStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, start = new_study(store), time.time()
    clock = [start + 100.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    first = store.ask(name, "ahead", "1", 50.0)
    clock[0] = start  # as on another machine
    other = JournalStore(path)
    assert other.now() == start + 100.0
    second = other.ask(name, "behind", "2", 50.0)
    assert second.created == start + 100.0
    assert other.expired(name) == []
    clock[0] = start + 149.0
    assert other.expired(name) == []
    clock[0] = start + 150.0
    assert other.expired(name) == [first, second]
    assert other.requeue(name, 0, first.token)
    clock[0] = start
    with pytest.raises(LeaseLost):
        store.tell(name, 0, first.token, DONE)
    told = store.tell(name, 1, second.token, Result(TrialState.FAIL))
    assert told.finished == start + 150.0
    store.compact()
    again = JournalStore(path)
    assert again.now() == start + 150.0
    again.close()
    other.close()
