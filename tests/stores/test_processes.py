from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections import UserDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from luthier.stores import Result
from luthier.stores.sql import SqlStore, migrate
from luthier.testing.stores import DONE, HOUR, new_study, trials
from luthier.trial import TrialState

WORKER = """
import resource, sys
from luthier.errors import ConflictingTell, StorageError
from luthier.stores import Result
from luthier.stores.sql import SqlStore
from luthier.trial import TrialState

me = sys.argv[2]
store = SqlStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    store = SqlStore(path)
    yield store
    store.close()


@pytest.fixture
def start(path: Path) -> Iterator[Callable[[int, str], list[subprocess.Popen[str]]]]:
    """Starts n interpreters that wait, opened, for one line and then run a body; they are gone after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(n: int, body: str) -> list[subprocess.Popen[str]]:
        for i in range(n):
            command = [sys.executable, "-W", "error", "-c", WORKER + body, str(path), str(i)]
            started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for process in started:
            assert process.stdout is not None
            assert process.stdin is not None
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


def output(process: subprocess.Popen[str]) -> list[str]:
    text, _ = process.communicate()
    assert process.returncode == 0
    return text.split()


def test_no_queued_trial_goes_to_two_processes(store: SqlStore, start: Any) -> None:
    name = new_study(store)
    for i in range(30):
        store.enqueue(name, {"x": i}, {}, str(i))
    body = """
for i in range(12):
    trial = store.ask("study", me, f"{me}-{i}", 60.0)
    store.tell("study", trial.number, trial.token, Result(TrialState.COMPLETE, (float(me),)))
    print(trial.number)
store.close()
"""
    taken = [[int(word) for word in output(process)] for process in start(4, body)]
    assert sorted(number for numbers in taken for number in numbers) == list(range(48))
    found = trials(store, name)
    assert [trial.number for trial in found] == list(range(48))
    assert [trial.params for trial in found] == [{"x": i} for i in range(30)] + [{}] * 18
    for i, numbers in enumerate(taken):
        assert all(found[number].owner == str(i) and found[number].values == (i,) for number in numbers)


def test_one_of_two_processes_tells_a_trial(store: SqlStore, start: Any) -> None:
    name = new_study(store)
    tokens = [store.ask(name, "me", str(i)).token for i in range(10)]
    body = f"""
for number, token in enumerate({tokens!r}):
    try:
        store.tell("study", number, token, Result(TrialState.COMPLETE, (float(me),)))
        print("won")
    except ConflictingTell:
        print("lost")
store.close()
"""
    first, second = (output(process) for process in start(2, body))
    assert all({a, b} == {"won", "lost"} for a, b in zip(first, second, strict=True))
    assert [trial.values for trial in trials(store, name)] == [(0.0,) if a == "won" else (1.0,) for a in first]


def test_one_of_two_processes_takes_a_dead_owners_trial(store: SqlStore, start: Any) -> None:
    name = new_study(store)
    for i in range(10):
        store.ask(name, "dead", str(i), 0.0)
    body = """
for trial in store.expired("study"):
    print(trial.number, store.requeue("study", trial.number, trial.token))
store.close()
"""
    words = [output(process) for process in start(2, body)]
    won = [number for w in words for number, yes in zip(w[::2], w[1::2], strict=True) if yes == "True"]
    assert sorted(map(int, won)) == list(range(10))
    assert [trial.retries for trial in trials(store, name)] == [1] * 10


def test_killed_process_loses_nothing_that_was_acknowledged(store: SqlStore, path: Path, start: Any) -> None:
    name = new_study(store)
    body = """
for i in range(10_000):
    trial = store.ask("study", me, f"{me}-{i}", 60.0)
    value = float(trial.number) + 0.5
    store.tell("study", trial.number, trial.token, Result(TrialState.COMPLETE, (value,)), reports=[(1, value)] * 50)
    print(trial.number, flush=True)
"""
    acknowledged: list[int] = []
    for process in start(3, body):
        acknowledged += [int(process.stdout.readline()) for _ in range(4)]
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += [int(word) for word in process.communicate()[0].split()]
    again = SqlStore(path)
    found = trials(again, name)
    assert [trial.number for trial in found] == list(range(len(found)))
    for number in acknowledged:
        assert (found[number].state, found[number].values) == (TrialState.COMPLETE, (number + 0.5,))
    unfinished = [trial for trial in found if trial.state is TrialState.RUNNING]
    assert len(unfinished) <= 3
    for trial in unfinished:  # what the dead held can be taken and finished
        assert again.requeue(name, trial.number, trial.token)
        taken = again.ask(name, "me", f"again-{trial.number}")
        again.tell(name, taken.number, taken.token, DONE)
    again.close()


def test_file_that_may_not_grow_is_said_and_loses_nothing(store: SqlStore, path: Path, start: Any) -> None:
    name = new_study(store)
    body = """
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    for i in range(1000):
        trial = store.ask("study", me, str(i))
        store.tell("study", trial.number, trial.token, Result(TrialState.COMPLETE, (1.0,)), attrs={"x": "x" * 5000})
        print(trial.number)
except StorageError as error:
    print(str(error).replace(" ", "_"), type(error.__cause__).__name__)
store.close()
"""
    (process,) = start(1, body)
    *numbers, message, cause = output(process)
    assert f"{path}:_the_disk_cannot_be_read_or_written" in message
    assert "Nothing_that_was_acknowledged_is_lost" in message
    assert cause == "OperationalError"
    assert numbers
    assert [t.state for t in trials(store, name)[: len(numbers)]] == [TrialState.COMPLETE] * len(numbers)
    store.ask(name, "me", "others go on")


def test_forked_process_goes_on_with_its_parents_store(store: SqlStore) -> None:
    name = new_study(store)
    store.ask(name, "parent", "p")

    def child(i: int) -> None:
        for k in range(3):
            trial = store.ask(name, str(i), f"{i}-{k}", HOUR)
            store.tell(name, trial.number, trial.token, Result(TrialState.COMPLETE, (float(i),)))

    context = multiprocessing.get_context("fork")
    children = [context.Process(target=child, args=(i,)) for i in range(3)]
    for process in children:
        process.start()
    for k in range(3):
        store.ask(name, "parent", f"p-{k}")
    for process in children:
        process.join()
    assert [process.exitcode for process in children] == [0, 0, 0]
    found = trials(store, name)
    assert [trial.number for trial in found] == list(range(13))
    assert sum(trial.state is TrialState.COMPLETE for trial in found) == 9


def test_fork_waits_for_another_threads_transaction(store: SqlStore) -> None:
    name = new_study(store)
    inside, go_on = threading.Event(), threading.Event()

    class Slow(UserDict[str, Any]):
        """Attributes that stop the transaction that merges them."""

        def __iter__(self) -> Iterator[str]:
            inside.set()
            assert go_on.wait(60)
            return super().__iter__()

    token = store.ask(name, "me", "1").token
    thread = threading.Thread(target=lambda: store.write(name, 0, token, attrs=Slow({"a": 1})))
    thread.start()
    assert inside.wait(60)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=lambda: store.ask(name, "child", "2"))
    threading.Timer(0.2, go_on.set).start()
    process.start()  # waits for the transaction: SQLite's locks cannot be forked
    assert go_on.is_set()
    thread.join()
    process.join()
    assert process.exitcode == 0
    assert trials(store, name)[0].attrs == {"a": 1}
    assert trials(store, name)[1].owner == "child"


def test_fork_while_another_thread_makes_a_store(tmp_path: Path) -> None:
    """It may be between two attempts, where a fork does not wait for it; the child has its own lock."""
    with migrate._one_at_a_time:
        child = multiprocessing.get_context("fork").Process(target=lambda: SqlStore(tmp_path / "new.db").close())
        child.start()
        child.join(60)
    try:
        assert child.exitcode == 0
    finally:
        child.kill()
