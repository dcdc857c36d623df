"""ProcessExecutor: several worker processes, each a loky pool of one, so that a death costs one training.

The study stays in this process. A worker gets the objective once (by cloudpickle, so that lambdas and
closures can be sent) and each trial with its parameters; it asks this process, over a local socket, when it
reports, wants to know whether to stop, or meets a new parameter.
"""

from __future__ import annotations

import os
import pickle
import secrets
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from dataclasses import replace
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

from ..errors import LuthierError
from ..live import Session, Trial
from ..space import Domain
from ..trial import Label
from .protocol import Outcome, TrialSource, evaluate

_METHODS = frozenset({"suggest_new", "report", "should_prune", "set_trial_attrs"})
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class ProcessExecutor:
    """Runs trials in worker processes.

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
        if trial_timeout is not None and not trial_timeout > 0:
            raise ValueError(f"trial_timeout={trial_timeout}: give a positive number of seconds, or None for no limit")
        self.trial_timeout = trial_timeout
        self.n_jobs = usable_cores() if n_jobs == -1 else n_jobs

    def run(self, objective: Callable[[Trial], Any], source: TrialSource) -> None:
        """Run them all; on Ctrl-C or an error, workers are ended and what they ran is queued again."""
        import cloudpickle

        with _Switchboard(source.session) as switchboard:
            start = (cloudpickle.dumps(objective), switchboard.address, switchboard.key)
            environment = thread_environment(self.n_jobs, os.environ)
            slots = [_Slot(start, environment, source, self.trial_timeout) for _ in range(self.n_jobs)]
            for slot in slots:
                slot.start()
            try:
                while not all(slot.done.is_set() for slot in slots):
                    for slot in slots:
                        slot.done.wait(0.05)
                    if any(slot.error is not None for slot in slots):
                        break
            finally:
                for slot in slots:
                    slot.end()
                for slot in slots:
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
        environment: Mapping[str, str],
        source: TrialSource,
        trial_timeout: float | None,
    ) -> None:
        super().__init__(daemon=True)
        self._start = start
        self._environment = environment
        self._source = source
        self._trial_timeout = trial_timeout
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._pool: Any = None
        self.error: BaseException | None = None
        self.done = threading.Event()

    def run(self) -> None:
        try:
            while not self._ended.is_set() and (trial := self._source.next()) is not None:
                self._run_one(trial)
        except BaseException as error:
            self.error = error
        finally:
            try:
                self._close(kill=self._ended.is_set())
            finally:
                self.done.set()

    def _run_one(self, trial: Trial) -> None:
        from loky.process_executor import BrokenProcessPool, ShutdownExecutorError

        stuck = False
        try:
            future = self._worker().submit(_work, trial.ticket())
            stuck = not wait([future], self._trial_timeout).done
            if stuck:
                self._close(kill=True)  # then there is no result, unless it came in this moment
            outcome: Outcome = future.result()
        except (BrokenProcessPool, ShutdownExecutorError) as error:
            self._close(kill=True)
            if self._ended.is_set():
                self._source.interrupted(trial)
            elif stuck:
                self._source.lost(trial, f"the training took longer than trial_timeout={self._trial_timeout:g} s")
            else:
                self._source.lost(trial, f"the worker process died: {error}")
            return
        except BaseException:
            self._source.interrupted(trial)
            raise
        self._source.done(trial, outcome)

    def _worker(self) -> Any:
        from loky import ProcessPoolExecutor
        from loky.process_executor import BrokenProcessPool, ShutdownExecutorError

        with self._lock:
            if self._ended.is_set():
                raise ShutdownExecutorError("the run has ended")
            if self._pool is not None:
                return self._pool
            self._pool = ProcessPoolExecutor(
                1, initializer=_start_worker, initargs=self._start, env=self._environment, timeout=None
            )
            started = self._pool.submit(_is_ready)
        try:
            started.result()
        except BrokenProcessPool as error:
            raise LuthierError(
                "a worker process cannot start: see its output above; can the objective, and what it imports, "
                "be loaded in another process?"
            ) from error
        return self._pool

    def _close(self, *, kill: bool) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, kill_workers=kill)

    def end(self) -> None:
        """End the worker, whatever it does, if it still runs a trial."""
        if not self.done.is_set():
            self._ended.set()
            self._close(kill=True)


class _Switchboard:
    """Answers the calls of workers' trials, a thread per worker."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.key = secrets.token_bytes(32)
        self._listener = Listener(authkey=self.key)
        self.address = self._listener.address
        self._connections: list[Connection] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> _Switchboard:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join(timeout=1)
        for connection in self._connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:
                return  # closed
            except Exception:  # a caller without the key, or one that died while it called
                continue
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        while True:
            try:
                method, args = connection.recv()
            except (EOFError, OSError):
                return  # the worker ended
            try:
                if method not in _METHODS:
                    raise AttributeError(f"a worker asked for {method!r}")
                answer = (True, getattr(self._session, method)(*args))
            except Exception as error:
                answer = (False, error)
            try:
                connection.send(answer)
            except OSError:
                return


class _Line:
    """The session of trials in a worker: every call goes to the study's process."""

    def __init__(self, address: Any, key: bytes) -> None:
        self._connection = Client(address, authkey=key)

    def _call(self, method: str, *args: Any) -> Any:
        self._connection.send((method, args))
        good, answer = self._connection.recv()
        if not good:
            raise answer
        return answer

    def suggest_new(self, number: int, name: str, domain: Domain) -> Label:
        return self._call("suggest_new", number, name, domain)  # type: ignore[no-any-return]

    def report(self, number: int, step: int, value: float) -> None:
        self._call("report", number, step, value)

    def should_prune(self, number: int) -> bool:
        return self._call("should_prune", number)  # type: ignore[no-any-return]

    def set_trial_attrs(self, number: int, attrs: Mapping[str, Any]) -> None:
        self._call("set_trial_attrs", number, attrs)


_worker: tuple[Callable[[Trial], Any], _Line] | None = None  # what this worker process was started with


def _start_worker(objective: bytes, address: Any, key: bytes) -> None:
    global _worker
    ignore_ctrl_c()
    _worker = (pickle.loads(objective), _Line(address, key))


def _is_ready() -> bool:
    return _worker is not None


def _work(ticket: tuple[Any, ...]) -> Outcome:
    assert _worker is not None
    objective, line = _worker
    outcome = evaluate(objective, Trial.from_ticket(ticket, line))
    if outcome.exception is not None:
        try:
            pickle.loads(pickle.dumps(outcome.exception))
        except Exception:
            outcome = replace(outcome, exception=RuntimeError(f"the objective raised {outcome.exception!r}"))
    return outcome


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_environment(workers: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that divide the cores among workers for BLAS and PyTorch, where `environment` does not say."""
    threads = str(max(1, usable_cores() // workers))
    return {name: environment.get(name, threads) for name in _THREAD_VARIABLES}


def ignore_ctrl_c() -> None:
    """Ctrl-C goes to all processes of a terminal; which end is decided by the one that started them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
