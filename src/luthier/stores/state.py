"""Studies and trials as they stand in memory: all there is of a `MemoryStore`, and what a journal adds up to."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import StudyNotFound, TrialNotFound
from ..trial import TrialRecord, TrialState
from .changes import check_since
from .protocol import StudyRecord


class Change(NamedTuple):
    """A trial's new record, and what goes with it that no record shows."""

    record: TrialRecord
    asked_by: str | None = None
    """The client of the `ask` that made it."""
    enqueued_by: str | None = None
    """The client of the `enqueue` that made it."""
    lease_ends: float | None = None
    """The new end of its lease; None where that stays."""


@dataclass(slots=True)
class StudyState:
    """A study with its trials; `first` is the revision that it began with."""

    record: StudyRecord
    first: int
    revision: int
    trials: dict[int, TrialRecord] = field(default_factory=dict)
    changed: dict[int, int] = field(default_factory=dict)  # revision of each trial's last change, in this order
    waiting: list[int] = field(default_factory=list)  # a heap of numbers, among them some that wait no more
    asked: dict[str, tuple[int, str]] = field(default_factory=dict)  # (number, token) by client; void with the token
    enqueued: dict[str, int] = field(default_factory=dict)  # number by client
    leases: dict[int, float] = field(default_factory=dict)  # when the lease of a running trial ends

    # -- what is in it

    def trial(self, number: int) -> TrialRecord:
        """Return the trial of that number. Raises `TrialNotFound`."""
        record = self.trials.get(number)
        if record is None:
            raise TrialNotFound(f"study {self.record.name!r} has no trial {number}: it has {len(self.trials)} trials")
        return record

    def changes(self, since: int) -> list[TrialRecord]:
        """Return trials that changed after a revision, by number, in time of how many there are.

        Raises:
            StudyNotFound: the revision is another study's of that name.
        """
        if since <= 0:
            return [self.trials[number] for number in range(len(self.trials))]
        check_since(self.record.name, since, self.first, self.revision)
        numbers = []
        for number, revision in reversed(self.changed.items()):
            if revision <= since:
                break
            numbers.append(number)
        return [self.trials[number] for number in sorted(numbers)]

    def claimed(self, client: str) -> TrialRecord | None:
        """Return the trial that an `ask` of this client holds."""
        number, token = self.asked.get(client, (-1, ""))
        record = self.trials.get(number)
        return record if record is not None and record.token == token else None

    def oldest_waiting(self) -> TrialRecord | None:
        """Return the WAITING trial of the lowest number."""
        while self.waiting:
            record = self.trials[self.waiting[0]]
            if record.state is TrialState.WAITING:
                return record
            heapq.heappop(self.waiting)
        return None

    def expired(self, now: float) -> list[TrialRecord]:
        """Return RUNNING trials whose lease has run out, by number."""
        return [self.trials[number] for number, end in sorted(self.leases.items()) if end <= now]

    # -- how it changes

    def put(self, change: Change, revision: int) -> None:
        """Take in a change of a trial."""
        record, asked_by, enqueued_by, lease_ends = change
        number, state = record.number, record.state
        if state is TrialState.RUNNING:
            if lease_ends is not None:
                self.leases[number] = lease_ends
        else:
            self.leases.pop(number, None)
            if state is TrialState.WAITING and (number not in self.trials or self.trials[number].state is not state):
                heapq.heappush(self.waiting, number)
        self.trials[number] = record
        self.changed.pop(number, None)
        self.changed[number] = revision
        if revision > self.revision:
            self.revision = revision
        if asked_by is not None:
            self.asked[asked_by] = number, record.token
        if enqueued_by is not None:
            self.enqueued[enqueued_by] = number

    def put_record(self, record: StudyRecord, revision: int) -> None:
        """Take in a change of the study itself."""
        self.record, self.revision = record, max(self.revision, revision)


class StoreState:
    """All studies of a store, oldest first."""

    def __init__(self) -> None:
        self.studies: dict[str, StudyState] = {}

    def study(self, name: str, place: object) -> StudyState:
        """Return the study of that name. Raises `StudyNotFound`, saying the place."""
        study = self.studies.get(name)
        if study is None:
            raise StudyNotFound(
                f"there is no study {name!r} in {place}: create it first, or list the names with studies()"
            )
        return study

    def add(self, record: StudyRecord, trials: Sequence[TrialRecord], first: int) -> None:
        """Take in a new study with its trials."""
        study = self.studies[record.name] = StudyState(record, first, first)
        for trial in trials:
            study.put(Change(trial), first + 1)
