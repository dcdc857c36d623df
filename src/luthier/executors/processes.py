"""ProcessExecutor: several worker processes, each a pool of one, so that a death costs one training.

The study stays in this process. A worker gets the objective once (by cloudpickle, so that lambdas and
closures can be sent) and each trial with its parameters; it asks this process, over a local socket, when it
reports, asks whether to stop, or meets a new parameter. When this process is killed, a guard ends them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from typing import Any

from ..errors import LuthierError
from ..trial import Trial
from .away import Exited, evaluate_away, packed_objective, unpacked_objective
from .guard import Guard
from .line import SessionClient, SessionServer
from .pool import WorkerPool, become_script, hold_back_ctrl_c, script
from .protocol import Outcome, TrialSource

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class ProcessExecutor:
    """Runs trials in worker processes.

    >>> import luthier as lt
    >>> from luthier.executors.processes import ProcessExecutor
    >>> study = lt.create_study(seed=0)
    >>> executor = ProcessExecutor(2, trial_timeout=600)
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=4, executor=executor)
    >>> sorted({trial.state.name for trial in study.trials})
    ['COMPLETE']

    Args:
        n_jobs: how many; -1 for one per core. The cores are divided among them for BLAS and PyTorch threads,
            unless OMP_NUM_THREADS and its like say otherwise.
        trial_timeout: seconds after which the worker of a trial is killed as stuck; None for never.

    Raises:
        ValueError: n_jobs is 0 or less than -1, or trial_timeout is not positive.
    """

    def __init__(self, n_jobs: int, trial_timeout: float | None = None) -> None:
        if n_jobs == 0 or n_jobs < -1:
            raise ValueError(f"n_jobs={n_jobs}: give the number of worker processes, or -1 for one per core")
        check_timeout(trial_timeout)
        self.trial_timeout = trial_timeout
        self.n_jobs = usable_cores() if n_jobs == -1 else n_jobs

    def run(self, objective: Callable[[Trial], Any], source: TrialSource) -> None:
        """Run them all; on Ctrl-C or an error, workers are ended and what they ran is queued again.

        Raises:
            LuthierError: the objective cannot be sent to a worker, or loaded there.
        """
        packed = packed_objective((objective, *script()))
        with Guard() as guard, SessionServer(source.session) as server:
            start = (packed, server.address, server.key)
            environment = thread_environment(self.n_jobs, os.environ)
            slots = [_Slot(start, guard, environment, source, self.trial_timeout) for _ in range(self.n_jobs)]
            try:
                for slot in slots:
                    slot.start()
                while not all(slot.done.is_set() for slot in slots):
                    for slot in slots:
                        slot.done.wait(0.05)
                    if any(slot.error is not None for slot in slots):
                        break
            finally:
                for slot in slots:
                    slot.end()
                for slot in slots:
                    if slot.ident is not None:  # one that never started has nothing to end
                        slot.done.wait()
        for slot in slots:
            if slot.error is not None:
                raise slot.error


class _Slot(threading.Thread):
    """The thread that keeps one worker process busy.

    Wait for `done`, not with `join`: in Python 3.11, a Ctrl-C in `join` makes a thread that runs count as stopped.
    """

    def __init__(
        self,
        start: tuple[Any, ...],
        guard: Guard,
        environment: Mapping[str, str],
        source: TrialSource,
        trial_timeout: float | None,
    ) -> None:
        super().__init__(name="luthier-worker", daemon=True)
        self._start = start
        self._guard = guard
        self._environment = environment
        self._source = source
        self._trial_timeout = trial_timeout
        self._lock = threading.Lock()
        self._pool: WorkerPool | None = None
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self.done = threading.Event()

    def run(self) -> None:
        try:
            hold_back_ctrl_c()
            trial = None if self.ended.is_set() else self._source.next()
            while trial is not None:
                trial = self._run_one(trial)
        except BaseException as error:
            self.error = error
        finally:
            try:
                self._close(kill=self.ended.is_set())
            finally:
                self.done.set()

    def _run_one(self, trial: Trial) -> Trial | None:
        """Run a trial; return the next one."""
        from loky.process_executor import BrokenProcessPool, ShutdownExecutorError

        stuck = False
        try:
            future = self._worker().submit(_work, trial.ticket())
            stuck = not wait([future], self._trial_timeout).done
            if stuck:
                self._close(kill=True)  # then there is no result, unless it came in this moment
            outcome: Outcome | Exited = future.result()
            if isinstance(outcome, Exited):
                raise outcome.exception
        except (BrokenProcessPool, ShutdownExecutorError) as error:
            self._close(kill=True)
            if self.ended.is_set():
                self._source.interrupted(trial)
            elif stuck:
                self._source.lost(trial, f"the training took longer than trial_timeout={self._trial_timeout:g} s")
            else:
                self._source.lost(trial, f"the worker process died: {error}")
            return None if self.ended.is_set() else self._source.next()
        except BaseException:
            self._source.interrupted(trial)
            raise
        if self.ended.is_set():
            self._source.done(trial, outcome)
            return None
        return self._source.tell_and_ask(trial, outcome)

    def _worker(self) -> WorkerPool:
        from loky.process_executor import BrokenProcessPool, ShutdownExecutorError

        with self._lock:
            if self.ended.is_set():
                raise ShutdownExecutorError("the run has ended")
            if self._pool is not None:
                return self._pool
            pool = self._pool = WorkerPool(1, self._guard, self._environment, _start_worker, self._start)
            started = pool.submit(_is_ready)
        try:
            started.result()
        except BrokenProcessPool as error:
            if self.ended.is_set():
                raise
            raise LuthierError("a worker process cannot start: it died at once; see its output above") from error
        return pool

    def _close(self, *, kill: bool) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close(kill=kill)

    def end(self) -> None:
        """Start nothing more, and end the worker in a thread: a second Ctrl-C stops only the wait for that."""
        self.ended.set()
        if not self.done.is_set():
            threading.Thread(target=self._close, kwargs={"kill": True}, name="luthier-end", daemon=True).start()


# what this worker process was started with, or why not
_worker: tuple[Callable[[Trial], Any], SessionClient] | LuthierError


def _start_worker(objective: bytes, address: Any, key: bytes) -> None:
    global _worker
    try:
        function, *there = unpacked_objective(objective)
        become_script(*there)
        _worker = function, SessionClient(address, key)
    except LuthierError as error:
        _worker = error


def _is_ready() -> bool:
    """Raises LuthierError if it is not."""
    if isinstance(_worker, LuthierError):
        raise _worker
    return True


def _work(ticket: tuple[Any, ...]) -> Outcome | Exited:
    assert not isinstance(_worker, LuthierError)
    objective, line = _worker
    return evaluate_away(objective, Trial.from_ticket(ticket, line))


def check_timeout(trial_timeout: float | None) -> None:
    """Raise ValueError unless it is None or a positive time."""
    if trial_timeout is not None and not trial_timeout > 0:
        raise ValueError(f"trial_timeout={trial_timeout}: give a positive number of seconds, or None for no limit")


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_environment(workers: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that divide the cores among workers for BLAS and PyTorch, where `environment` does not say."""
    threads = str(max(1, usable_cores() // workers))
    return {name: environment.get(name, threads) for name in _THREAD_VARIABLES}
