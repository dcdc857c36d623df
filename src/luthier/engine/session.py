"""LocalSession: what the running trials of a study in this process talk to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import LeaseLost, TrialNotRunning
from ..schedulers import Decision, Scheduler
from ..space import Domain, domain_to_json
from ..trial import TrialRecord, TrialState
from ..trial.results import check_json
from ..types import Label
from .local import Local


class LocalSession:
    """A `Session` over the study in this process. Safe for threads.

    Args:
        local: the study.
        scheduler: prunes; None for never.
    """

    def __init__(self, local: Local, scheduler: Scheduler | None) -> None:
        self._local = local
        self._scheduler = scheduler

    def suggest_new(self, number: int, token: str, name: str, domain: Domain) -> Label:
        """Return a value for a parameter that the objective asks for and nothing was suggested for."""
        with self._local.lock:
            record = attempt(self._local, number, token)
            if self._local.mirror.is_new(name, domain):  # what fails leaves everything as it was
                self._local.store.add_parameters(self._local.name, {name: domain_to_json(domain)})
                self._local.mirror.meet(name, domain)
            if not self._local.suggestions.are_shared:
                return self._local.suggestions.value(self._local.mirror.history, number, name, domain)
            self._local.mirror.sync()
            label = self._local.suggestions.value(self._local.mirror.history, number, name, domain)
            if record.state is TrialState.RUNNING and name not in record.params:
                record = record.with_(params={**record.params, name: label})
                self._local.store.write(self._local.name, number, token, params=record.params, lease=self._local.lease)
                self._local.mirror.history.put([record])
            return label

    def report(self, number: int, token: str, step: int, value: float) -> None:
        """Take an intermediate value; it reaches the store within about a second, or with the next write."""
        with self._local.lock:
            record = self._owned(number, token)
            if any(step == known for known, _ in record.reports):
                return
            reports = (*record.reports, (step, value))
            if record.reports and step < record.reports[-1][0]:
                reports = tuple(sorted(reports))
            self._local.mirror.history.put([record.with_(reports=reports)])
            self._local.running.report(record, step, value)

    def should_prune(self, number: int, token: str) -> bool:
        """Return whether the scheduler would stop the trial now."""
        if self._scheduler is None:
            return False
        with self._local.lock:
            self._local.mirror.sync()
            record = attempt(self._local, number, token)
            if record.state is not TrialState.RUNNING:
                raise _not_running(record)
            return self._scheduler.decide(self._local.mirror.history, number) is Decision.STOP

    def set_trial_attrs(self, number: int, token: str | None, attrs: Mapping[str, Any]) -> None:
        """Attach attributes to a trial; with a token, only if it is that of the trial's last attempt."""
        for key, value in attrs.items():
            check_json(key, value)
        with self._local.lock:
            if token is not None:
                self._local.mirror.sync()
                attempt(self._local, number, token)
            self._local.store.set_trial_attrs(self._local.name, number, attrs)
            if number < len(self._local.mirror.history):
                record = self._local.mirror.history.records[number]
                self._local.mirror.history.put([record.with_(attrs={**record.attrs, **attrs})])

    def _owned(self, number: int, token: str) -> TrialRecord:
        """The attempt of that token, if it is the trial's last and runs here."""
        record = attempt(self._local, number, token)
        if not self._local.running.runs(record):
            raise _not_running(record)
        return record


def attempt(local: Local, number: int, token: str) -> TrialRecord:
    """Return the trial, if that is the token of its last attempt. Raises `LeaseLost` otherwise."""
    record = local.mirror.record(number)
    if record.token != token:
        raise LeaseLost(
            f"trial {number} was taken from its worker, whose lease had run out, and is {record.state.name} now: "
            "discard its result and ask for another trial"
        )
    return record


def _not_running(record: TrialRecord) -> TrialNotRunning:
    return TrialNotRunning(
        f"trial {record.number} is {record.state.name} and is not running in this process: ask for a trial first"
    )
