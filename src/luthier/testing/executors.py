"""ExecutorContract: what every executor must do, as a suite that any can be run through.

```python
from luthier.testing.executors import ExecutorContract

class TestMine(ExecutorContract):
    def make(self):
        return MyExecutor(n_jobs=2)
```

`AwayContract` adds what must hold where the objective runs in other processes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ..errors import LuthierError, ObjectiveError, TrialPruned
from ..executors import Executor
from ..samplers import GridSampler, RandomSampler
from ..schedulers import MedianPruner
from ..space import Int
from ..study import Study, create_study
from ..trial import Trial, TrialState

COMPLETE, FAIL, PRUNED, WAITING = TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED, TrialState.WAITING


def new_study(**options: Any) -> Study:
    """A study in memory that draws at random."""
    return create_study(seed=0, **{"sampler": RandomSampler(), **options})


def states(study: Study) -> list[TrialState]:
    """Of all trials."""
    return [trial.state for trial in study.trials]


AT_ONCE = (
    "the run still waits for this objective: after an error that is not caught, or Ctrl-C, `run` must end at once, "
    "without waiting for objectives that run"
)
BESIDE = "no other trial began beside this one: does the executor run two at a time? Set `at_once = 1` if it runs one"


def wait_for(path: Path, otherwise: str = BESIDE) -> None:
    """Return once the file is there. Raises AssertionError after two minutes, with what that means."""
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.01)


def run(study: Study, executor: Executor, objective: Any, **options: Any) -> None:
    """Optimize, and see that no thread of the run is left."""
    before = threading.enumerate()  # another test's study may still be held
    try:
        study.optimize(objective, executor=executor, **options)
    finally:
        deadline = time.monotonic() + 30
        while left := [t.name for t in threading.enumerate() if t.name.startswith("luthier") and t not in before]:
            assert time.monotonic() < deadline, f"threads go on after the run: {left}"
            time.sleep(0.01)


class ExecutorContract:
    """Tests an executor: subclass it in a test file and say how to make the executor.

    >>> from luthier.executors import InlineExecutor
    >>> from luthier.testing.executors import ExecutorContract
    >>> class TestMine(ExecutorContract):
    ...     at_once = 1
    ...     def make(self):
    ...         return InlineExecutor()

    Attributes:
        at_once: how many trials it runs at a time: 1 or 2; limit one that can run more to 2 in `make`.
        ends_workers: whether the processes of trials are ended with the run.
    """

    at_once = 2
    ends_workers = False

    def make(self) -> Executor:
        """An executor with ordinary settings."""
        raise TypeError("a subclass must define which executor to make")

    def test_is_an_executor(self) -> None:
        """It has the one method."""
        assert isinstance(self.make(), Executor)

    def test_closures_run_with_all_results(self) -> None:
        """Every trial runs once, and its own value comes back."""
        shift = 3.0
        study = new_study()
        run(study, self.make(), lambda trial: (trial.suggest_float("x", -5, 5) - shift) ** 2, n_trials=8)
        assert states(study) == [COMPLETE] * 8
        found: list[tuple[Any, Any]] = [(t.params["x"], t.value) for t in study.trials]
        assert all(value == pytest.approx((x - 3.0) ** 2) for x, value in found)
        assert all(t.retries == 0 for t in study.trials)

    def test_objectives_define_report_and_prune(self) -> None:
        """A trial talks to its study while it runs."""

        def objective(trial: Trial) -> float:
            kind = trial.suggest_categorical("kind", ["a", "b"])
            x = trial.suggest_float(f"x_{kind}", 0, 1)
            trial.set_user_attr("kind", kind)
            trial.set_constraints([x - 1])
            for step in range(3):
                trial.report(trial.number + x, step)
                if trial.should_prune():
                    raise TrialPruned
            return x

        study = new_study(pruner=MedianPruner(n_startup_trials=2, n_warmup_steps=0))
        run(study, self.make(), objective, n_trials=10)
        assert set(states(study)) == {COMPLETE, PRUNED}
        assert all(t.reports and t.attrs["kind"] == t.params["kind"] and len(t.constraints) == 1 for t in study.trials)

    def test_an_exhausted_space_ends_the_run(self) -> None:
        """When nothing is left to try, the run ends, with every point tried once."""
        study = new_study(space={"a": Int(0, 4)}, sampler=GridSampler())
        run(study, self.make(), lambda trial: float(trial.params["a"]))
        assert len(study.trials) == 5 and {t.params["a"] for t in study.trials} == {0, 1, 2, 3, 4}

    def test_an_error_ends_the_run_and_what_ran_waits(self, tmp_path: Path) -> None:
        """The error is raised and names its trial; what ran beside it waits, and nothing else was started."""
        started, release = tmp_path / "started", tmp_path / "release"

        def objective(trial: Trial) -> float:
            if trial.number < self_at_once - 1:
                started.touch()
                wait_for(release, AT_ONCE)
                return 0.0
            if self_at_once > 1:
                wait_for(started, BESIDE)
            trial.suggest_categorical("kind", ["odd"])
            raise ZeroDivisionError("here")

        self_at_once = self.at_once
        study = new_study()
        try:
            with pytest.raises(ZeroDivisionError, match="here") as caught:
                run(study, self.make(), objective, n_trials=4)
        finally:
            release.touch()
        assert states(study) == [WAITING] * (self.at_once - 1) + [FAIL]
        told = study.trials[-1].error
        assert told is not None and "in objective" in told
        named = f"raised by the objective in trial {self.at_once - 1}, with kind='odd'"
        assert any(note.startswith(named) for note in caught.value.__notes__)
        where = [str(entry.name) for entry in caught.traceback] + getattr(caught.value, "__notes__", [])
        assert any("objective" in x for x in where), "the user is shown where in the objective it was raised"

    def test_errors_to_be_caught_are_caught_by_their_class(self) -> None:
        """`catch` recognizes a user's own class, even if the exception could not be pickled as it is."""

        class Odd(ValueError):
            def __init__(self, what: str, more: str) -> None:
                super().__init__(what)
                self.lock = more if executor_is_here else threading.Lock()

        def objective(trial: Trial) -> float:
            if trial.number % 2:
                raise Odd("odd", "more")
            return 1.0

        executor_is_here = self.at_once == 1
        study = new_study()
        run(study, self.make(), objective, n_trials=4, catch=Odd)
        assert states(study) == [COMPLETE, FAIL, COMPLETE, FAIL]
        with pytest.raises(Odd, match="odd"):
            run(study, self.make(), objective, n_trials=2)

    def test_what_is_no_result_fails_its_trial(self) -> None:
        """Whatever is returned: the trial fails, with a short message, and is not run again."""

        def objective(trial: Trial) -> Any:
            wrong = [None, "text", float("inf"), object(), threading.Lock(), lambda: 0, [0.0] * 10**5, b"0" * 10**6]
            return wrong[trial.number] if trial.number < len(wrong) else 1.0

        study = new_study()
        run(study, self.make(), objective, n_trials=9, catch=ObjectiveError)
        assert states(study) == [FAIL] * 8 + [COMPLETE]
        assert all(t.error and len(t.error) < 1000 and t.retries == 0 for t in study.trials[:8])

    def test_a_callback_that_raises_ends_the_run_and_loses_nothing(self) -> None:
        """What finished is told before the callback is called."""

        def callback(*_: Any) -> None:
            raise OSError("the disk of the callback is full")

        study = new_study()
        with pytest.raises(OSError, match="of the callback"):
            run(study, self.make(), lambda _: 1.0, n_trials=6, callbacks=[callback])
        assert COMPLETE in states(study) and set(states(study)) <= {COMPLETE, WAITING}
        run(study, self.make(), lambda _: 1.0, total_trials=6)
        assert states(study) == [COMPLETE] * 6

    def test_ctrl_c_queues_what_runs_again(self, tmp_path: Path) -> None:
        """On Ctrl-C, running trials are queued again once, and the study can go on."""
        release, parent, at_once = tmp_path / "release", os.getpid(), self.at_once

        def objective(trial: Trial) -> float:
            (tmp_path / f"trial-{trial.number}").write_text(str(os.getpid()))
            if len(list(tmp_path.glob("trial-*"))) >= at_once:
                with suppress(FileExistsError), (tmp_path / "pressed").open("x"):  # once, whoever comes last
                    os.kill(parent, signal.SIGINT)
            wait_for(release, AT_ONCE)
            return 1.0

        study = new_study()
        try:
            with pytest.raises(KeyboardInterrupt) as caught:
                run(study, self.make(), objective, n_trials=4)
            for path in tmp_path.glob("trial-*") if self.ends_workers else ():
                wait_until_gone(int(path.read_text()))
        finally:
            release.touch()
        assert states(study) == [WAITING] * at_once
        assert "0 finished trials are kept; trial" in caught.value.__notes__[0]
        run(study, self.make(), lambda _: 2.0, total_trials=4)
        assert [t.value for t in study.trials] == [2.0] * 4
        assert [t.retries for t in study.trials] == [1] * at_once + [0] * (4 - at_once)

    def test_an_exit_ends_the_run_and_the_trial_waits(self) -> None:
        """`sys.exit` in an objective is not its result."""

        def objective(trial: Trial) -> float:
            if trial.number == 1:
                raise SystemExit("enough")
            return 1.0

        study = new_study()
        with pytest.raises(SystemExit, match="enough"):
            run(study, self.make(), objective, n_trials=2)
        assert states(study) in ([COMPLETE, WAITING], [WAITING, WAITING])
        assert study.trials[1].state is WAITING


class AwayContract(ExecutorContract):
    """Tests besides what must hold where the objective runs in other processes, two at a time.

    >>> from luthier.executors.processes import ProcessExecutor
    >>> from luthier.testing.executors import AwayContract
    >>> class TestMine(AwayContract):
    ...     at_once = 2
    ...     def make(self):
    ...         return ProcessExecutor(2)

    Attributes:
        settling: seconds until what supervises a worker has seen that it runs; Dask gives up one that dies before.
    """

    settling = 0.0

    def make_impatient(self, trial_timeout: float) -> Executor:
        """An executor that kills the worker of a trial that takes longer."""
        raise TypeError(f"a subclass must define which executor to make, with trial_timeout={trial_timeout}")

    def test_it_runs_in_other_processes_at_the_same_time(self, tmp_path: Path) -> None:
        """Two at a time, none of them here."""

        def objective(_: Trial) -> float:
            (tmp_path / str(os.getpid())).touch()
            while len(list(tmp_path.iterdir())) < 2:  # until the other worker has one too
                time.sleep(0.01)
            return 1.0

        study = new_study()
        run(study, self.make(), objective, n_trials=4)
        assert states(study) == [COMPLETE] * 4
        assert str(os.getpid()) not in {path.name for path in tmp_path.iterdir()}

    def test_a_killed_worker_costs_one_attempt(self, tmp_path: Path) -> None:
        """A worker that is killed (as by the kernel that is out of memory) costs the attempt that it ran."""
        killed, settling = tmp_path / "killed", self.settling

        def objective(trial: Trial) -> float:
            if trial.number == 1 and not killed.exists():
                killed.touch()
                time.sleep(settling)
                os.kill(os.getpid(), signal.SIGKILL)
            return trial.suggest_float("x", 0, 1)

        study = new_study()
        run(study, self.make(), objective, n_trials=6)
        assert states(study) == [COMPLETE] * 6
        assert [t.retries for t in study.trials] == [0, 1, 0, 0, 0, 0]

    def test_a_trial_that_kills_its_workers_fails(self) -> None:
        """After `max_retries` more attempts it is given up, and the study goes on."""

        def objective(trial: Trial) -> float:
            if trial.number == 0:
                time.sleep(settling)
                os.kill(os.getpid(), signal.SIGKILL)
            return 1.0

        settling = self.settling
        study = new_study()
        run(study, self.make(), objective, n_trials=3, max_retries=1)
        assert states(study) == [FAIL, COMPLETE, COMPLETE]
        error = study.trials[0].error
        assert error is not None and "died" in error and "(2 times)" in error

    def test_a_stuck_trial_costs_one_attempt(self, tmp_path: Path) -> None:
        """Its worker is killed and the trial runs again; its neighbour is not harmed."""
        stuck = tmp_path / "stuck"

        def objective(trial: Trial) -> float:
            if trial.number == 0 and not stuck.exists():
                stuck.write_text(str(os.getpid()))
                while True:
                    time.sleep(3600)
            return trial.suggest_float("x", 0, 1)

        study = new_study()
        run(study, self.make_impatient(3.0), objective, n_trials=3)
        assert states(study) == [COMPLETE] * 3
        assert study.trials[0].retries >= 1
        wait_until_gone(int(stuck.read_text()))

    def test_an_objective_may_start_processes(self) -> None:
        """As data loaders do."""

        def objective(_: Trial) -> float:
            found: Any = multiprocessing.Queue()
            child = multiprocessing.Process(target=found.put, args=(os.getpid(),))
            child.start()
            starter = found.get(timeout=60)
            child.join()
            with multiprocessing.Pool(1) as pool:
                (length,) = pool.map(len, ["abc"])
            assert (starter, length) == (os.getpid(), 3)
            return 1.0

        study = new_study()
        run(study, self.make(), objective, n_trials=2)
        assert states(study) == [COMPLETE] * 2

    def test_an_objective_that_cannot_be_sent_is_said(self) -> None:
        """And no trial is left running."""
        lock = threading.Lock()

        def objective(_: Trial) -> float:
            return float(lock.locked())

        study = new_study()
        with pytest.raises(LuthierError, match="cannot be sent to workers"):
            run(study, self.make(), objective, n_trials=2)
        assert set(states(study)) <= {WAITING}

    def test_an_objective_that_workers_cannot_load_is_said(self) -> None:
        """With the reason that a worker found, and no trial left running."""
        study = new_study()
        with pytest.raises(LuthierError, match="cannot load the objective: ImportError: no such thing here"):
            run(study, self.make(), Unloadable(), n_trials=2)
        assert set(states(study)) <= {WAITING}


def wait_until_gone(pid: int) -> None:
    """Return once there is no such process."""
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)


class Unloadable:
    """An objective that no worker can load."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _explode, ()

    def __call__(self, _: Trial) -> float:
        """Return what never arrives."""
        return 1.0


def _explode() -> None:
    raise ImportError("no such thing here")
