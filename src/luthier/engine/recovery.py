"""Recovery: trials whose owner is gone, or gives them up, are queued again, or fail after too many times."""

from __future__ import annotations

import math
import time

from ..trial import TrialRecord
from .local import Local
from .owner import owner_is_dead

MAX_RETRIES = 3


class Recovery:
    """The trials of a study whose owner is gone. Under the engine's lock.

    Args:
        local: the study in this process.
    """

    def __init__(self, local: Local) -> None:
        self._local = local
        self._looked_at = -math.inf

    def give_back(self, number: int, token: str) -> bool:
        """Queue a running trial again, because its worker died or was interrupted."""
        self._local.running.save_params(number, token)
        self._local.running.forget(number, token)
        done = self._local.store.requeue(self._local.name, number, token)
        self._local.mirror.sync()
        return done

    def give_up(self, number: int, token: str, error: str) -> bool:
        """Finish a running trial whose worker died too often."""
        self._local.running.forget(number, token)
        done = self._local.store.fail(self._local.name, number, token, error)
        self._local.mirror.sync()
        return done

    def requeue_dead(self) -> list[int]:
        """Queue again every running trial of a process of this machine that has ended."""
        self._local.mirror.sync()
        self._looked_at = -math.inf  # a run begins: leases are looked at once more, too
        dead = [r for r in self._running() if self._local.running.trial(r.number) is None and owner_is_dead(r.owner)]
        return [r.number for r in dead if self.give_back(r.number, r.token)]

    def requeue_expired(self, max_retries: int = MAX_RETRIES) -> None:
        """Queue again every trial of others whose lease has run out, or fail it after `max_retries`.

        The store is looked at only if no trial waits, and once in a quarter of the lease: each look is a read, and
        whatever is asked for next makes one of its own.
        """
        if self._local.lease is None:
            return
        now = time.monotonic()
        if now - self._looked_at < self._local.lease / 4 or self._local.mirror.history.has_waiting:
            return
        self._looked_at = now
        self._local.mirror.sync()
        if all(map(self._local.running.owns, self._running())):
            return
        for record in self._local.store.expired(self._local.name):
            if self._local.running.owns(record):
                continue  # late, but here
            if record.retries >= max_retries:
                times = f"{record.retries + 1} times"
                self.give_up(record.number, record.token, f"its owner {record.owner} stopped responding ({times})")
            else:
                self.give_back(record.number, record.token)

    def _running(self) -> list[TrialRecord]:
        """The running trials of all processes."""
        history = self._local.mirror.history
        return [history.records[i] for i in history.is_running.nonzero()[0].tolist()]
