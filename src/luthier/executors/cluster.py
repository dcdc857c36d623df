"""run_on_cluster: the loop of every executor whose trials run on other machines; Ray and Dask fill in the verbs."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Collection
from typing import Any, Protocol

from ..live import Trial
from .line import Line, Switchboard, sendable
from .protocol import Outcome, TrialSource, evaluate

_POLL_SECONDS = 0.5  # how soon nodes that joined, and the end of a run, are noticed; results are noticed at once


class WorkerDied(Exception):
    """The node or process that ran a trial is gone."""


class Cluster(Protocol):
    """What the loop needs of a cluster. Called from one thread."""

    @property
    def host(self) -> str:
        """Address of this machine as the workers see it."""
        ...

    def capacity(self) -> int:
        """How many trials it holds at once, now."""
        ...

    def submit(self, *args: Any) -> Any:
        """Start `run_trial(*args)` on a worker, without retries; return a hashable handle."""
        ...

    def wait(self, handles: Collection[Any], seconds: float) -> list[Any]:
        """Those that ended, as soon as there is one; none after so many seconds."""
        ...

    def outcome(self, handle: Any) -> Outcome | None:
        """What an ended `run_trial` returned. Raises WorkerDied."""
        ...

    def cancel(self, handles: Collection[Any]) -> None:
        """End these."""
        ...


def run_on_cluster(
    cluster: Cluster, objective: Callable[[Trial], Any], source: TrialSource, n_jobs: int | None
) -> None:
    """Run all trials of the source on a cluster; on Ctrl-C or an error, those that run are ended and queued again.

    Args:
        cluster: where.
        objective: anything that cloudpickle can send.
        source: of the trials.
        n_jobs: how many at once; None for what the cluster holds.
    """
    import cloudpickle

    with Switchboard(source.session, cluster.host, cloudpickle.dumps(objective)) as switchboard:
        loop = _Loop(cluster, source, (switchboard.address, switchboard.key), n_jobs)
        loop.start()
        try:
            while not loop.done.wait(0.05):
                pass
        finally:
            loop.ended.set()
            loop.done.wait()
    if loop.error is not None:
        raise loop.error


class _Loop(threading.Thread):
    """Keeps the cluster busy, in a thread, so that Ctrl-C comes between no two of its steps.

    Wait for `done`, not with `join`: in Python 3.11, a Ctrl-C in `join` makes a thread that runs count as stopped.
    """

    def __init__(self, cluster: Cluster, source: TrialSource, study: tuple[Any, bytes], n_jobs: int | None) -> None:
        super().__init__(daemon=True)
        self._cluster = cluster
        self._source = source
        self._study = study
        self._n_jobs = n_jobs
        self._running: dict[Any, Trial] = {}
        self.ended = threading.Event()
        self.done = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.error = error
        finally:
            try:
                self._give_up()
            except BaseException as error:
                self.error = self.error or error
            finally:
                self.done.set()

    def _work(self) -> None:
        while not self.ended.is_set():
            self._fill()
            if not self._running:
                return
            failure: BaseException | None = None
            for handle in self._cluster.wait(self._running, _POLL_SECONDS):
                try:
                    self._finish(handle)
                except BaseException as error:  # the others ended too: what they found is told first
                    failure = failure or error
            if failure is not None:
                raise failure

    def _fill(self) -> None:
        room = max(1, self._cluster.capacity())
        room = room if self._n_jobs is None else min(room, self._n_jobs)
        while len(self._running) < room and (trial := self._source.next()) is not None:
            try:
                handle = self._cluster.submit(*self._study, trial.ticket())
            except BaseException:
                self._source.interrupted(trial)
                raise
            self._running[handle] = trial

    def _finish(self, handle: Any) -> None:
        try:
            outcome = self._cluster.outcome(handle)
            reason = "the cluster lost its result"
        except WorkerDied as error:
            outcome, reason = None, str(error)
        trial = self._running.pop(handle)
        if outcome is None:
            self._source.lost(trial, reason)
        else:
            self._source.done(trial, outcome)

    def _give_up(self) -> None:
        if self._running:
            try:
                self._cluster.cancel(self._running)
            finally:
                for trial in self._running.values():
                    self._source.interrupted(trial)


_loaded: tuple[bytes, Callable[[Trial], Any]] | None = None  # the objective of the run with that key
_loading = threading.Lock()  # a Dask worker may run several trials, each in a thread


def run_trial(address: Any, key: bytes, ticket: tuple[Any, ...]) -> Outcome | None:
    """Run a trial on a worker; None if the cluster started it before, and lost it, without saying so."""
    global _loaded
    line = Line(address, key)
    try:
        trial = Trial.from_ticket(ticket, line)
        if not line.claim(trial.token):
            return None
        with _loading:
            if _loaded is None or _loaded[0] != key:
                _loaded = (key, pickle.loads(line.objective()))
            objective = _loaded[1]
        return sendable(evaluate(objective, trial))
    finally:
        line.close()
