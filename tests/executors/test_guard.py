"""When the process of a study is killed, its workers end, and all that they started; real processes, really killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from loky.process_executor import TerminatedWorkerError

import luthier as lt
from luthier.executors.guard import Guard, end_trees, processes
from luthier.executors.pool import WorkerPool

SCRIPT = """
import multiprocessing, re, subprocess, sys
from pathlib import Path
import luthier as lt
from luthier.executors.parallel import parallel_map

def sleep():
    Path(sys.argv[1], "child").touch()
    multiprocessing.Event().wait()

def hang(busy):
    kept = subprocess.Popen(["sleep", "1000"], env={}, start_new_session=sys.argv[2] != "group")
    child = multiprocessing.Process(target=sleep)
    child.start()
    Path(sys.argv[1], f"busy-{busy}").touch()
    while not busy:
        pass
    re.match("(a+)+$", "a" * 99 + "b")  # native code that keeps the interpreter to itself for ever

def objective(trial):
    hang(trial.number)

if sys.argv[2] != "map":
    study = lt.create_study(study_name="s", storage=Path(sys.argv[1], "s.db"), load_if_exists=True)
    study.optimize(objective, n_jobs=2, n_trials=2)
else:
    list(parallel_map(hang, [(0,), (1,)], 2))
"""


def alive(tree):
    """Those of these processes, known by id and start, that are there and no zombies."""
    found = set()
    for pid, start in tree:
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[19].decode() == start and fields[0] != b"Z":
            found.add(pid)
    return found


def tree_of(pid):
    table = processes()
    found, left = set(), [pid]
    while left:
        pid = left.pop()
        found.add((pid, table[pid][1]))
        left += [child for child, (parent, _) in table.items() if parent == pid]
    return found


def until(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("number", "how"),
    [
        (signal.SIGKILL, "optimize"),
        (signal.SIGTERM, "optimize"),
        (signal.SIGHUP, "optimize"),
        (signal.SIGKILL, "map"),
        (signal.SIGTERM, "group"),  # as `timeout` and a closed terminal do: to all that did not leave the group
    ],
)
def test_workers_and_what_they_started_end_with_a_killed_parent(tmp_path, number, how):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, script, tmp_path, how],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    tree = set()
    try:
        until(lambda: all((tmp_path / x).exists() for x in ("busy-0", "busy-1", "child")), "the workers do not start")
        tree = tree_of(process.pid)
        assert len(tree) >= 1 + 1 + 2 + 2 + 2  # the program, its guard, two workers, and two processes of each
        (os.killpg if how == "group" else os.kill)(process.pid, number)
        assert process.wait(timeout=60) == -number
        until(lambda: not alive(tree), lambda: f"left: {alive(tree)}")
    finally:
        process.kill()
        process.wait()
        for pid in alive(tree):
            os.kill(pid, signal.SIGKILL)
    if how != "map":
        study = lt.load_study(storage=tmp_path / "s.db")
        study.optimize(lambda trial: 1.0, total_trials=2)
        assert [(t.value, t.retries) for t in study.trials] == [(1.0, 1), (1.0, 1)]
        study.close()


BARE = """
import os, signal, subprocess, sys, threading
from pathlib import Path
import luthier as lt
from luthier.samplers import RandomSampler

def objective(trial):
    if Path(sys.argv[1], "second").exists():
        return 1.0
    child = subprocess.Popen(["/bin/sleep", "1000"])
    Path(sys.argv[1], f"{os.getpid()} {child.pid}").touch()
    if sys.argv[2] == "dies":
        Path(sys.argv[1], "second").touch()
        child.kill()
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[2] == "ctrl-c":
        os.kill(parent, signal.SIGINT)
    Path(sys.argv[1], "second").touch()
    threading.Event().wait()

parent = os.getpid()
study = lt.create_study(sampler=RandomSampler())
study.optimize(objective, n_trials=2, n_jobs=2, trial_timeout=5.0 if sys.argv[2] == "stuck" else None)
"""


@pytest.mark.parametrize("how", ["ctrl-c", "stuck", "dies"])
def test_workers_are_ended_where_there_is_neither_psutil_nor_pgrep(tmp_path, how):
    hidden, marks = tmp_path / "hidden", tmp_path / "marks"
    hidden.mkdir()
    marks.mkdir()
    (hidden / "psutil.py").write_text("raise ImportError('hidden')")
    environment = {**os.environ, "PATH": "/nowhere"}
    environment["PYTHONPATH"] = os.pathsep.join([str(hidden), environment.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", BARE, marks, how], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == (-signal.SIGINT if how == "ctrl-c" else 0), done.stderr
    assert done.stderr.count("Traceback") == (how == "ctrl-c") and "pgrep" not in done.stderr, done.stderr
    for pid in {pid for path in marks.glob("* *") for pid in path.name.split()}:
        until(lambda pid=pid: not Path("/proc", pid).exists() or is_zombie(pid), f"{pid} is left")


def is_zombie(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def child():
    """A process that sleeps, and one below it."""
    code = "import subprocess; subprocess.run(['sleep', '1000'])"
    process = subprocess.Popen([sys.executable, "-c", code])
    until(lambda: len(tree_of(process.pid)) == 2, "it does not start")
    return process, tree_of(process.pid)


def test_a_run_that_ends_well_leaves_alone_what_is_left_and_one_that_is_left_in_haste_does_not():
    with Guard() as guard:
        kept, tree = child()
        guard.watch([kept.pid])
    assert alive(tree) == {pid for pid, _ in tree}
    with pytest.raises(KeyboardInterrupt), Guard() as guard:
        guard.watch([kept.pid])
        raise KeyboardInterrupt
    assert kept.wait(timeout=60) == -signal.SIGKILL
    until(lambda: not alive(tree), "its child is left")


def test_what_has_ended_is_forgotten_and_another_of_its_id_left_alone():
    kept, tree = child()
    with pytest.raises(KeyboardInterrupt), Guard() as guard:
        watched = guard.watch([kept.pid])
        assert guard.watch([1]) == {(1, "")}, "no child of this process"
        guard.forget(watched | {(kept.pid, "another start")})
        raise KeyboardInterrupt
    end_trees([(kept.pid, "another start"), (kept.pid, "")])
    assert alive(tree) == {pid for pid, _ in tree}
    end_trees([(kept.pid, "another start"), (kept.pid, processes()[kept.pid][1]), (2**22 + 1, "gone")])
    assert kept.wait(timeout=60) == -signal.SIGKILL
    until(lambda: not alive(tree), "its child is left")


def test_another_guard_takes_the_place_of_one_that_was_killed():
    first, first_tree = child()
    second, second_tree = child()
    third, third_tree = child()
    with pytest.raises(KeyboardInterrupt), Guard() as guard:
        guard.watch([first.pid])
        guard._watched.add((third.pid, "an earlier start"))  # as a worker that died, whose id another has by now
        old = guard._process
        old.kill()
        until(lambda: not alive({(old.pid, processes().get(old.pid, (0, ""))[1])}), "the guard does not end")
        guard.watch([second.pid])
        assert guard._process is not old
        raise KeyboardInterrupt
    assert {first.wait(timeout=60), second.wait(timeout=60)} == {-signal.SIGKILL}
    until(lambda: not alive(first_tree | second_tree), "a child is left")
    assert alive(third_tree) == {pid for pid, _ in third_tree}
    end_trees(third_tree)
    third.wait(timeout=60)


def test_workers_that_died_are_forgotten():
    with Guard() as guard:
        for _ in range(2):
            pool = WorkerPool(1, guard, {})
            with pytest.raises(TerminatedWorkerError):
                pool.submit(os._exit, 3).result(timeout=300)
            assert len(guard._watched) == 1
            pool.close(kill=True)
            assert guard._watched == set()


def test_a_worker_with_the_id_of_one_that_died_is_watched(monkeypatch):
    kept, tree = child()
    with pytest.raises(KeyboardInterrupt), Guard() as guard:
        with monkeypatch.context() as patch:
            patch.setattr("luthier.executors.guard._start_of_child", lambda _: "an earlier start")
            earlier = guard.watch([kept.pid])
        guard.watch([kept.pid])
        guard.forget(earlier)
        raise KeyboardInterrupt
    assert kept.wait(timeout=60) == -signal.SIGKILL
    until(lambda: not alive(tree), "its child is left")


FORKS = """
import os, subprocess, sys
from luthier.executors.guard import Guard
with Guard() as guard:
    if os.fork() == 0:  # it has the guard's pipe, too, and lives on
        sys.stdin.read()
        os._exit(0)
    worker = subprocess.Popen(["sleep", "1000"])
    guard.watch([worker.pid])
    print(worker.pid, flush=True)
    os.wait()
"""


def test_a_forked_child_that_keeps_the_pipe_open_does_not_keep_the_guard_waiting():
    process = subprocess.Popen([sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        worker = int(process.stdout.readline())
        tree = {(worker, processes()[worker][1])}
        process.kill()
        until(lambda: not alive(tree), "the worker is left")
        process.stdin.close()
