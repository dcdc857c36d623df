"""What a user sees who presses Ctrl-C: real scripts in sessions of their own, interrupted as a terminal does it."""

import os
import signal
import subprocess
import sys
import time
import traceback

import pytest

import luthier as lt
from luthier.executors.guard import processes
from luthier.executors.parallel import parallel_map
from luthier.samplers import RandomSampler

SCRIPT = """
import sys, threading
from pathlib import Path
import luthier as lt
from luthier.samplers import RandomSampler

def train(trial):
    Path(sys.argv[1], f"at-{trial.number}").touch()
    threading.Event().wait()

def objective(trial):
    return 1.0 if trial.number == 0 else train(trial)

study = lt.create_study(sampler=RandomSampler(), storage=eval(sys.argv[3]))
study.optimize(objective, n_trials=9, n_jobs=int(sys.argv[2]))
"""


def interrupted(folder, n_jobs, ready, storage="None", text=SCRIPT):
    """What the script writes when Ctrl-C comes to its whole group."""
    (folder / "script.py").write_text(text)
    process = subprocess.Popen(
        [sys.executable, folder / "script.py", folder, str(n_jobs), storage],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            deadline = time.monotonic() + 120
            while not ready(process.pid):
                assert time.monotonic() < deadline and process.poll() is None, "the script does not get there"
                time.sleep(0.005)
            os.killpg(process.pid, signal.SIGINT)
            out, errors = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGINT and out == ""
    return errors


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_one_short_traceback_and_how_the_study_stands(tmp_path, n_jobs):
    last = n_jobs
    errors = interrupted(tmp_path, n_jobs, lambda _: (tmp_path / f"at-{last}").exists())
    assert errors.count("Traceback") == errors.count("KeyboardInterrupt") == 1, errors
    shown = errors[errors.index("Traceback") :].splitlines()
    assert len(shown) <= (15 if n_jobs == 1 else 10), errors
    assert ("in train" in errors) == (n_jobs == 1) and "threading.py" not in errors
    queued = "trial 1, which was running, is" if n_jobs == 1 else "trials 1 and 2, which were running, are"
    assert f"1 finished trial is kept; {queued} queued again. Call optimize again to go on." in errors
    assert "This study is in memory and ends with this process" in errors


def a_worker_starts(pid):
    return any(parent == pid and is_worker(child) for child, (parent, _) in processes().items())


def is_worker(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"popen_loky" in file.read()
    except OSError:
        return False


MAP = """
import threading
from luthier.executors.parallel import parallel_map

def hang(x):
    threading.Event().wait()

if __name__ == "__main__":
    list(parallel_map(hang, [(i,) for i in range(4)], 4))
"""


def test_workers_of_parallel_map_that_are_starting_say_nothing(tmp_path):
    errors = interrupted(tmp_path, 4, a_worker_starts, text=MAP)
    assert errors.count("Traceback") == errors.count("KeyboardInterrupt") == 1, errors


def test_a_thread_may_be_interrupted_after_parallel_map_as_before():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    results = parallel_map(abs, [(-1,), (-2,)], 2)
    next(results)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert len(list(results)) == 1


def test_workers_that_are_starting_say_nothing(tmp_path):
    errors = interrupted(tmp_path, 2, a_worker_starts, storage=repr(str(tmp_path / "s.db")))
    assert errors.count("Traceback") == errors.count("KeyboardInterrupt") == 1, errors
    assert "kept; trial" in errors and "in memory" not in errors
    study = lt.load_study(storage=tmp_path / "s.db")
    assert {t.state.name for t in study.trials} == {"WAITING"}
    study.close()


def test_the_error_keeps_the_frames_of_the_user_alone():
    def deep(trial):
        [0].sort(key=lambda _: press())

    def press():
        try:
            raise OSError("another")
        except OSError:
            signal.raise_signal(signal.SIGINT)

    study = lt.create_study(sampler=RandomSampler())
    with pytest.raises(KeyboardInterrupt) as caught:
        study.optimize(deep, n_trials=3)
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-4:] == ["run", "deep", "<lambda>", "press"] and "another" not in "".join(
        traceback.format_exception(caught.value)
    )
    (note,) = caught.value.__notes__
    assert note.startswith("0 finished trials are kept; trial 0, which was running, is queued again.")
    study.optimize(lambda trial: 1.0, n_trials=3)
    assert [t.retries for t in study.trials] == [1, 0, 0]
