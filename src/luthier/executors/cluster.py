"""run_on_cluster: the loop of every executor whose trials run on other machines; Ray and Dask fill in the verbs."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, Protocol

from ..errors import LuthierError
from ..trial import Trial
from .away import Exited, evaluate_away, packed_objective, unpacked_objective
from .line import SessionClient, SessionServer
from .processes import check_timeout
from .protocol import Outcome, TrialSource

_log = logging.getLogger("luthier")

_POLL_SECONDS = 0.5  # how soon nodes that joined, and the end of a run, are noticed; results are noticed at once


class WorkerDied(Exception):
    """The node or process that ran a trial is gone."""


class Cluster(Protocol):
    """What the loop needs of a cluster. Called from one thread.

    Attributes:
        may_grow: whether nodes may join, by themselves or added by a person.
    """

    may_grow: bool

    @property
    def host(self) -> str:
        """Address of this machine as the workers see it."""
        ...

    def capacity(self) -> int:
        """Return how many trials it holds at once, now."""
        ...

    def needs(self) -> str:
        """Return what a trial takes, and what each node has."""
        ...

    def submit(self, *args: Any) -> Any:
        """Start `run_trial(*args)` on a worker, without retries; return a hashable handle."""
        ...

    def wait(self, handles: Collection[Any], seconds: float) -> list[Any]:
        """Those that ended, as soon as there is one; none after this many seconds."""
        ...

    def outcome(self, handle: Any) -> Outcome | Exited | None:
        """Return what an ended `run_trial` returned. Raises WorkerDied."""
        ...

    def kill(self, handle: Any) -> None:
        """End the process that runs this."""
        ...

    def cancel(self, handles: Collection[Any]) -> None:
        """End these."""
        ...


def run_on_cluster(
    cluster: Cluster,
    objective: Callable[[Trial], Any],
    source: TrialSource,
    n_jobs: int | None,
    trial_timeout: float | None = None,
) -> None:
    """Run all trials of the source on a cluster; on Ctrl-C or an error, those that run are ended and queued again.

    Args:
        cluster: where.
        objective: anything that cloudpickle can send.
        source: of the trials.
        n_jobs: how many at once; None for what the cluster holds.
        trial_timeout: seconds from the start of a trial on a worker after which that is killed; None for never.

    Raises:
        LuthierError: the objective cannot be sent or loaded; workers cannot reach this machine; no node of a cluster
            that cannot grow holds a trial.
    """
    with SessionServer(source.session, cluster.host, packed_objective(objective)) as server:
        loop = _Loop(cluster, source, server, n_jobs, trial_timeout)
        try:
            loop.start()
            while not loop.done.wait(0.05):
                pass
        finally:
            loop.ended.set()
            if loop.ident is not None:
                loop.done.wait()
    if loop.error is not None:
        raise loop.error


class _Loop(threading.Thread):
    """Keeps the cluster busy, in a thread, so that Ctrl-C comes between no two of its steps.

    Wait for `done`, not with `join`: in Python 3.11, a Ctrl-C in `join` makes a thread that runs count as stopped.
    """

    def __init__(
        self,
        cluster: Cluster,
        source: TrialSource,
        server: SessionServer,
        n_jobs: int | None,
        trial_timeout: float | None,
    ) -> None:
        super().__init__(name="luthier-cluster", daemon=True)
        self._cluster = cluster
        self._source = source
        self._server = server
        self._n_jobs = n_jobs
        self._trial_timeout = trial_timeout
        self._running: dict[Any, Trial] = {}
        self._stuck: set[Any] = set()
        self._warned = False
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
            self._kill_stuck()

    def _fill(self) -> None:
        capacity = self._cluster.capacity()
        self._say_if_none_fits(capacity)
        room = max(1, capacity)  # one may wait for a node: clusters that grow do so for what waits
        room = room if self._n_jobs is None else min(room, self._n_jobs)
        while not self.ended.is_set() and len(self._running) < room and (trial := self._source.next()) is not None:
            try:
                handle = self._cluster.submit(self._server.address, self._server.key, trial.ticket())
            except BaseException:
                self._source.interrupted(trial)
                raise
            self._running[handle] = trial

    def _say_if_none_fits(self, capacity: int) -> None:
        if capacity > 0:
            self._warned = False
        elif not self._cluster.may_grow:
            raise LuthierError(f"no node can hold a trial: {self._cluster.needs()}; ask for less in `resources`")
        elif not self._warned:
            self._warned = True
            _log.warning(
                "no node of the cluster can hold a trial now: %s. Waiting for one that can; Ctrl-C ends the run",
                self._cluster.needs(),
            )

    def _kill_stuck(self) -> None:
        if self._trial_timeout is None:
            return
        latest = time.monotonic() - self._trial_timeout
        for handle, trial in self._running.items():
            started = self._server.claimed_at(trial.token)
            late = started is not None and started < latest and handle not in self._stuck
            if late and self._server.hold(trial.token):
                self._stuck.add(handle)
                self._cluster.kill(handle)

    def _finish(self, handle: Any) -> None:
        trial, reason = self._running[handle], "its worker died"
        outcome = self._server.handed_in(trial.token)
        try:
            outcome = outcome or self._cluster.outcome(handle)
        except WorkerDied as error:
            reason = str(error)
        if isinstance(outcome, Exited):
            raise outcome.exception
        del self._running[handle]
        if handle in self._stuck:
            reason = f"the training took longer than trial_timeout={self._trial_timeout:g} s"
            self._stuck.discard(handle)
        if outcome is None:
            self._source.lost(trial, reason)
        else:
            self._source.done(trial, outcome)

    def _give_up(self) -> None:
        if not self._running:
            return
        try:
            self._cluster.cancel([h for h, trial in self._running.items() if self._server.hold(trial.token)])
        finally:
            for trial in self._running.values():
                self._end(trial)

    def _end(self, trial: Trial) -> None:
        outcome = self._server.handed_in(trial.token)
        if outcome is None or isinstance(outcome, Exited):
            self._source.interrupted(trial)
            return
        try:
            self._source.done(trial, outcome)
        except BaseException as error:
            self.error = self.error or error


def check_arguments(n_jobs: int | None, trial_timeout: float | None) -> None:
    """Raise ValueError unless these can be."""
    if n_jobs is not None and (n_jobs == 0 or n_jobs < -1):
        raise ValueError(f"n_jobs={n_jobs}: give how many trials run at once, or -1 for as many as the cluster can run")
    check_timeout(trial_timeout)


def listed(amounts: Mapping[str, float]) -> str:
    """Amounts of resources, for people."""
    return ", ".join(f"{name} {amount:.12g}" for name, amount in amounts.items()) or "nothing"


def each_has(what: str, amounts: Collection[str]) -> str:
    """Return what each node has, as text; equal nodes are listed once."""
    if not amounts:
        return f"there is no {what}"
    return " | ".join(f"{n} {what}{'s' * (n > 1)} of {text}" for text, n in Counter(amounts).items())


_loaded: tuple[bytes, Callable[[Trial], Any]] | None = None  # the objective of the run with that key
_loading = threading.Lock()  # a Dask worker may run several trials, each in a thread


def run_trial(address: Any, key: bytes, ticket: tuple[Any, ...]) -> Outcome | Exited | None:
    """Run a trial on a worker; None if the cluster started it before, and lost it, without saying so."""
    global _loaded
    line = SessionClient(address, key)
    try:
        trial = Trial.from_ticket(ticket, line)
        if not line.claim(trial.token):
            return None
        try:
            with _loading:
                if _loaded is None or _loaded[0] != key:
                    _loaded = (key, unpacked_objective(line.objective()))
                objective = _loaded[1]
            outcome = evaluate_away(objective, trial)
            with suppress(LuthierError):  # then it goes the other way
                line.hand_in(trial.token, outcome)  # a cluster keeps a result on its worker, and loses it with that
            return outcome
        finally:
            with suppress(LuthierError):  # the run has ended
                line.leave(trial.token)
    finally:
        line.close()
