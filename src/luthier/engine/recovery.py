"""Recovery: trials whose owner is gone, found and queued again."""

from __future__ import annotations

import math
import time

from ..trial import TrialRecord, TrialState
from .engine import Engine
from .owner import owner_is_dead

MAX_RETRIES = 3


class Recovery:
    """The trials of an engine's study whose owner is gone. Safe for threads, under the engine's lock."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._looked_at = -math.inf

    def requeue_dead(self) -> list[int]:
        """Queue again every running trial of a process of this machine that has ended."""
        engine = self._engine
        with engine.lock:
            engine.sync()
            self._looked_at = -math.inf  # a run begins: leases are looked at once more, too
            dead = [r for r in self._running() if engine.held.trial(r.number) is None and owner_is_dead(r.owner)]
            return [r.number for r in dead if engine.give_back(r.number, r.token)]

    def requeue_expired(self, max_retries: int = MAX_RETRIES) -> None:
        """Queue again every trial of others whose lease has run out, or fail it after `max_retries`.

        To be called before each `ask`: the store is looked at only if no trial waits, once in a quarter of the lease:
        each look is a read, and `ask` makes one of its own.
        """
        engine = self._engine
        if engine.lease is None:
            return
        with engine.lock:
            now = time.monotonic()
            if now - self._looked_at < engine.lease / 4 or engine.history.has_waiting:
                return
            self._looked_at = now
            engine.sync()
            if all(map(engine.held.owns, self._running())):
                return
            for record in engine.store.expired(engine.name):
                if engine.held.owns(record):
                    continue  # late, but here
                if record.retries >= max_retries:
                    times = f"{record.retries + 1} times"
                    engine.give_up(
                        record.number, record.token, f"its owner {record.owner} stopped responding ({times})"
                    )
                else:
                    engine.give_back(record.number, record.token)

    def _running(self) -> list[TrialRecord]:
        history = self._engine.history
        return [history.records[i] for i in (history.states == TrialState.RUNNING).nonzero()[0].tolist()]
