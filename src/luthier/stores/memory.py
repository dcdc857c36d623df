"""A store in memory: fast, and gone with its process."""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import StudyExists, StudyNotFound, TrialNotFound
from ..trial import Label, TrialRecord, TrialState
from . import changes as change
from .codec import as_json
from .protocol import Proposal, Result, StudyRecord

_STUDY = -1  # stands in the log for a change of the study itself


@dataclass(slots=True)
class _Study:
    record: StudyRecord
    trials: list[TrialRecord] = field(default_factory=list)
    log: list[int] = field(default_factory=list)  # entry r is the number of the trial that revision r + 1 changed
    waiting: list[int] = field(default_factory=list)  # a heap of numbers
    asked: dict[str, tuple[int, str]] = field(default_factory=dict)  # (number, token) by client; void with the token
    enqueued: dict[str, int] = field(default_factory=dict)  # number by client
    leases: dict[int, float] = field(default_factory=dict)  # when the lease of a running trial ends


class MemoryStore:
    """Studies in the memory of this process, behind one lock; safe for threads. The promises are `protocol`'s."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._studies: dict[str, _Study] = {}
        self._tokens = map(f"{os.urandom(4).hex()}-{{}}".format, itertools.count())

    # -- studies

    def create_study(self, study: StudyRecord) -> None:
        """Add a study. Raises `StudyExists`."""
        self.load(replace(study, created=self.now()), ())

    def load(self, study: StudyRecord, records: Sequence[TrialRecord]) -> None:
        """Add a study with trials from elsewhere; see `Store.load`."""
        record = replace(
            study,
            directions=tuple(study.directions),
            space=as_json(study.space),
            parameters=as_json(study.parameters),
            attrs=as_json(study.attrs),
        )
        trials = [
            replace(trial, params=dict(trial.params), attrs=as_json(trial.attrs), note=as_json(trial.note))
            for trial in change.loaded(records, len(study.directions))
        ]
        numbers = [trial.number for trial in trials]
        waiting = [trial.number for trial in trials if trial.state is TrialState.WAITING]  # in order: a heap
        with self._lock:
            if study.name in self._studies:
                raise StudyExists(f"there is a study {study.name!r} already: load it, or choose another name")
            self._studies[study.name] = _Study(record, trials, numbers, waiting)

    def study(self, name: str) -> StudyRecord:
        """The study of that name. Raises `StudyNotFound`."""
        with self._lock:
            return self._of(name).record

    def studies(self) -> list[StudyRecord]:
        """All studies, oldest first."""
        with self._lock:
            return [study.record for study in self._studies.values()]

    def delete_study(self, name: str) -> None:
        """Remove a study with its trials. Raises `StudyNotFound`."""
        with self._lock:
            self._of(name)
            del self._studies[name]

    def set_study_attrs(self, name: str, attrs: Mapping[str, Any]) -> None:
        """Set some of a study's attributes; the others stay."""
        attrs = as_json(attrs)
        with self._lock:
            study = self._of(name)
            study.record = replace(study.record, attrs={**study.record.attrs, **attrs})
            study.log.append(_STUDY)

    def add_parameters(self, name: str, parameters: Mapping[str, Mapping[str, Any]]) -> None:
        """Set the JSON of some domains of a study that defines its space as it runs; the others stay."""
        parameters = as_json(parameters)
        with self._lock:
            study = self._of(name)
            study.record = replace(study.record, parameters={**study.record.parameters, **parameters})
            study.log.append(_STUDY)

    # -- trials

    def changes(self, name: str, since: int) -> tuple[int, list[TrialRecord]]:
        """What changed after revision `since`, in time of the number of changes."""
        with self._lock:
            study = self._of(name)
            if since <= 0:
                return len(study.log), study.trials.copy()
            numbers = set(study.log[since:])
            numbers.discard(_STUDY)
            return len(study.log), [study.trials[number] for number in sorted(numbers)]

    def enqueue(self, name: str, params: Mapping[str, Label], attrs: Mapping[str, Any], client: str) -> TrialRecord:
        """Add a WAITING trial; see `Store.enqueue`."""
        attrs = as_json(attrs)
        with self._lock:
            study = self._of(name)
            if (number := study.enqueued.get(client)) is not None:
                return study.trials[number]
            number = study.enqueued[client] = len(study.trials)
            record = TrialRecord(number, TrialState.WAITING, dict(params), attrs=attrs, created=self.now())
            study.trials.append(record)
            study.log.append(number)
            heapq.heappush(study.waiting, number)
            return record

    def ask(
        self, name: str, owner: str, client: str, lease: float | None = None, proposal: Proposal | None = None
    ) -> TrialRecord:
        """Start a trial and own it; see `Store.ask`."""
        now = self.now()
        with self._lock:
            study = self._of(name)
            if (claim := study.asked.get(client)) is not None and study.trials[claim[0]].token == claim[1]:
                return study.trials[claim[0]]
            token = next(self._tokens)
            if study.waiting:
                number = heapq.heappop(study.waiting)
                record = study.trials[number] = change.started(study.trials[number], owner, token, now)
            else:
                number = len(study.trials)
                record = change.new_running(number, proposal, owner, token, now)
                study.trials.append(record)
            study.asked[client] = number, token
            study.log.append(number)
            if lease is not None:
                study.leases[number] = now + lease
            return record

    def write(
        self,
        name: str,
        number: int,
        token: str,
        *,
        params: Mapping[str, Label] | None = None,
        reports: Sequence[tuple[int, float]] = (),
        attrs: Mapping[str, Any] | None = None,
        note: Mapping[str, Any] | None = None,
        lease: float | None = None,
    ) -> None:
        """Change a RUNNING trial; see `Store.write`."""
        attrs, note = attrs and as_json(attrs), note and as_json(note)
        with self._lock:
            study, record = self._trial(name, number)
            new = change.written(record, token, params=params, reports=reports, attrs=attrs, note=note)
            _put(study, record, new)
            if lease is not None:
                study.leases[number] = self.now() + lease

    def tell(
        self,
        name: str,
        number: int,
        token: str | None,
        result: Result,
        *,
        params: Mapping[str, Label] | None = None,
        reports: Sequence[tuple[int, float]] = (),
        attrs: Mapping[str, Any] | None = None,
        note: Mapping[str, Any] | None = None,
    ) -> TrialRecord:
        """Finish a RUNNING trial; see `Store.tell`. Durable for as long as this process lives."""
        attrs, note = attrs and as_json(attrs), note and as_json(note)
        now = self.now()
        with self._lock:
            study, record = self._trial(name, number)
            new = change.told(
                record,
                token,
                result,
                objectives=len(study.record.directions),
                now=now,
                params=params,
                reports=reports,
                attrs=attrs,
                note=note,
            )
            _put(study, record, new)
            return new

    def set_trial_attrs(self, name: str, number: int, attrs: Mapping[str, Any]) -> None:
        """Merge attributes into a trial in whatever state. Raises `TrialNotFound`."""
        attrs = as_json(attrs)
        with self._lock:
            study, record = self._trial(name, number)
            _put(study, record, replace(record, attrs={**record.attrs, **attrs}))

    def expired(self, name: str) -> list[TrialRecord]:
        """RUNNING trials whose lease has run out, by number."""
        now = self.now()
        with self._lock:
            study = self._of(name)
            return [study.trials[number] for number, end in sorted(study.leases.items()) if end <= now]

    def requeue(self, name: str, number: int, token: str) -> bool:
        """Put a dead owner's trial back to WAITING; see `Store.requeue`."""
        with self._lock:
            study, record = self._trial(name, number)
            if not _put(study, record, change.requeued(record, token)):
                return False
            heapq.heappush(study.waiting, number)
            return True

    def fail(self, name: str, number: int, token: str, error: str) -> bool:
        """Finish a dead owner's trial as FAIL; False if somebody else was first."""
        with self._lock:
            study, record = self._trial(name, number)
            return _put(study, record, change.failed(record, token, error, self.now()))

    # -- the rest

    def now(self) -> float:
        """The clock of this machine, in seconds since the epoch."""
        return time.time()

    def close(self) -> None:
        """Nothing to give up: the studies go when the store does."""

    def _of(self, name: str) -> _Study:
        study = self._studies.get(name)
        if study is None:
            raise StudyNotFound(f"there is no study {name!r} in memory: create it first")
        return study

    def _trial(self, name: str, number: int) -> tuple[_Study, TrialRecord]:
        study = self._of(name)
        if not 0 <= number < len(study.trials):
            raise TrialNotFound(f"study {name!r} has no trial {number}: it has {len(study.trials)} trials")
        return study, study.trials[number]


def _put(study: _Study, old: TrialRecord, new: TrialRecord) -> bool:
    """Keep a record and log it; False if it is the old one."""
    if new is old:
        return False
    study.trials[new.number] = new
    study.log.append(new.number)
    if new.state is not TrialState.RUNNING:
        study.leases.pop(new.number, None)
    return True
