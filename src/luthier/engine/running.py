"""RunningTrials: the trials that a process runs: their leases, and what the store has not been told of them yet."""

from __future__ import annotations

import math
import time
from contextlib import suppress

from ..errors import LeaseLost, LuthierError, StorageError, TrialNotRunning
from ..stores import Store
from ..trial import Trial, TrialRecord
from ..types import Configuration

SAVE_SECONDS = 1.0
"""Within which parameters and reports reach the store, where no other write takes them along."""


class _Held:
    """One trial that was asked for."""

    def __init__(self, trial: Trial, params: Configuration | None) -> None:
        self.trial = trial
        self.params = params  # where the store lacks them
        self.reports: list[tuple[int, float]] = []  # that the store lacks
        self.since = self.saved_at = self.renewed_at = time.monotonic()
        self.ours = True  # False once its lease is another's business


class RunningTrials:
    """The trials of a study that this process runs. Under the engine's lock, except for the heartbeat.

    Args:
        store: where the study lives.
        name: the study.
        lease: seconds for which a trial is held; a thread renews it. None for ever.
    """

    def __init__(self, store: Store, name: str, lease: float | None) -> None:
        self._store, self._name, self._lease = store, name, lease
        self._trials: dict[int, _Held] = {}

    def become_this_process(self) -> None:
        """To be called before anything else, and in a forked child: its parent goes on holding what was running."""
        for held in self._trials.values():
            held.ours = False
        self._heartbeat = None
        if self._lease is not None:
            from .heartbeat import Heartbeat  # a study in memory has no use for it, nor for logging

            self._heartbeat = Heartbeat(self._to_renew, self._renew, self._lease / 3)

    def close(self) -> None:
        """Stop renewing: trials that still run here may be taken once their leases have run out."""
        if self._heartbeat is not None:
            self._heartbeat.stop()

    def add(self, trial: Trial, params: Configuration | None = None) -> None:
        """Hold a trial that was asked for; its parameters are given where the store lacks them."""
        self._trials[trial.number] = _Held(trial, params)
        if self._heartbeat is not None:
            self._heartbeat.start(None if params is None else SAVE_SECONDS)

    def forget(self, number: int, token: str | None) -> None:
        """Stop holding an attempt; a later one of the same trial stays."""
        if self._get(number, token) is not None:
            del self._trials[number]

    def trial(self, number: int) -> Trial | None:
        """Return the trial of that number, if it is held."""
        held = self._get(number)
        return None if held is None else held.trial

    def runs(self, record: TrialRecord) -> bool:
        """Return whether this attempt is held."""
        return self._get(record.number, record.token) is not None

    def owns(self, record: TrialRecord) -> bool:
        """Return whether this attempt is held, and was not taken away."""
        held = self._get(record.number, record.token)
        return held is not None and held.ours

    def ran_for(self, trial: Trial) -> float:
        """Return seconds since a trial was asked for; infinite for one that is not held."""
        held = self._get(trial.number, trial.token)
        return math.inf if held is None else time.monotonic() - held.since

    # -- what the store does not know yet

    @property
    def may_wait(self) -> bool:
        """Whether parameters may be stored later."""
        return self._heartbeat is not None

    def report(self, record: TrialRecord, step: int, value: float) -> None:
        """Take a report of an attempt that is held; it reaches the store with the first write after a second."""
        held = self._trials[record.number]
        held.reports.append((step, value))
        if time.monotonic() - held.saved_at >= SAVE_SECONDS:
            self._save(held)

    def unsaved(
        self, number: int, token: str | None, params: Configuration | None
    ) -> tuple[Configuration | None, list[tuple[int, float]]]:
        """Return the parameters and reports to tell with a result, if those parameters were given with it."""
        held = None if token is None else self._get(number, token)
        if held is None:
            return params, []
        return held.params if params is None else params, held.reports

    def save_params(self, number: int, token: str) -> None:
        """Store the parameters of an attempt if the store lacks them."""
        held = self._get(number, token)
        if held is not None and held.params is not None:
            with suppress(LeaseLost, TrialNotRunning):
                self._save(held)

    def _save(self, held: _Held) -> None:
        trial = held.trial
        self._store.write(self._name, trial.number, trial.token, params=held.params, reports=held.reports)
        held.params, held.reports, held.saved_at = None, [], time.monotonic()

    # -- for the heartbeat, whose thread takes no lock: a suggestion may hold it for long

    def _to_renew(self) -> list[tuple[int, str]]:
        return [(number, held.trial.token) for number, held in self._trials.copy().items() if held.ours]

    def _renew(self, number: int, token: str) -> None:
        held, lease = self._get(number, token), self._lease
        if held is None or lease is None:
            return
        params, now = held.params, time.monotonic()
        if params is None and now - held.renewed_at < lease / 6:
            return  # the beat was for another
        try:
            self._store.write(self._name, number, token, params=params, lease=lease)
            held.params, held.renewed_at = None, now
        except StorageError:
            raise
        except LuthierError:  # it was taken, or told, or deleted: the process that runs it is told at its next call
            held.ours = False

    def _get(self, number: int, token: str | None = None) -> _Held | None:
        held = self._trials.get(number)
        return held if held is not None and token in (None, held.trial.token) else None
