"""What a journal says: entries, each the outcome of one change, and the studies that they add up to.

An entry holds what came out of a change, not what was asked for, so replaying needs no rules. Every entry is a JSON
object with `op`, `study` (its name) and, but for "delete" and "lease", the study's `revision`:

    study   record, trials?                              made (with trials), or its attributes or parameters changed
    trial   trial, asked_by?, enqueued_by?, lease_ends?  made or changed
    lease   number, lease_ends                           renewed, which is no change of the study
    delete                                               removed

Entries that a program wrote have a `time` too, the store's clock.
"""

from __future__ import annotations

import gc
import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ...errors import StudyNotFound, TrialNotFound
from ...trial import TrialRecord, TrialState
from ..codec import many_from_json
from ..protocol import StudyRecord

Entry: TypeAlias = dict[str, Any]

_STATES = tuple(TrialState)
_BATCH = 1000  # texts parsed at once: as fast as all at once, and it spares memory


@dataclass(slots=True)
class StudyState:
    """A study with its trials."""

    record: StudyRecord
    revision: int
    trials: dict[int, TrialRecord] = field(default_factory=dict)
    changed: dict[int, int] = field(default_factory=dict)  # revision of each trial's last change, in this order
    waiting: list[int] = field(default_factory=list)  # a heap of numbers, among them some that wait no more
    asked: dict[str, tuple[int, str]] = field(default_factory=dict)  # (number, token) by client; void with the token
    enqueued: dict[str, int] = field(default_factory=dict)  # number by client
    leases: dict[int, float] = field(default_factory=dict)  # when the lease of a running trial ends

    def trial(self, number: int) -> TrialRecord:
        """The trial of that number. Raises `TrialNotFound`."""
        if number not in self.trials:
            raise TrialNotFound(f"study {self.record.name!r} has no trial {number}: it has {len(self.trials)} trials")
        return self.trials[number]

    def changes(self, since: int) -> list[TrialRecord]:
        """Trials that changed after a revision, by number, in time of how many there are."""
        if since <= 0:
            return [self.trials[number] for number in range(len(self.trials))]
        numbers = []
        for number, revision in reversed(self.changed.items()):
            if revision <= since:
                break
            numbers.append(number)
        return [self.trials[number] for number in sorted(numbers)]

    def claimed(self, client: str) -> TrialRecord | None:
        """The trial that an `ask` of this client holds."""
        number, token = self.asked.get(client, (-1, ""))
        record = self.trials.get(number)
        return record if record is not None and record.token == token else None

    def oldest_waiting(self) -> TrialRecord | None:
        """The WAITING trial of the lowest number."""
        while self.waiting:
            record = self.trials[self.waiting[0]]
            if record.state is TrialState.WAITING:
                return record
            heapq.heappop(self.waiting)
        return None

    def put(self, record: TrialRecord, revision: int) -> None:
        """Take in a trial's record."""
        number = record.number
        self.revision = max(self.revision, revision)
        self.trials[number] = record
        self.changed.pop(number, None)
        self.changed[number] = revision
        if record.state is TrialState.WAITING:
            heapq.heappush(self.waiting, number)
        if record.state is not TrialState.RUNNING:
            self.leases.pop(number, None)

    def apply_trial(self, entry: Entry) -> None:
        """Take in a trial's entry."""
        record = _trial_from_json(entry["trial"])
        number = record.number
        self.put(record, entry["revision"])
        if (client := entry.get("asked_by")) is not None:
            self.asked[client] = number, record.token
        if (client := entry.get("enqueued_by")) is not None:
            self.enqueued[client] = number
        if (end := entry.get("lease_ends")) is not None:
            self.leases[number] = end

    def study_entry(self, record: StudyRecord) -> Entry:
        """The entry of a change of the study itself."""
        return _study_entry(record, self.revision + 1)

    def trial_entry(self, record: TrialRecord, **more: Any) -> Entry:
        """The entry of a change of a trial."""
        return _trial_entry(self.record.name, record, self.revision + 1, **more)

    def entries(self) -> Iterator[Entry]:
        """The fewest entries that say the same."""
        yield _study_entry(self.record, self.revision)
        asked_by = {number: client for client, (number, _) in self.asked.items() if self.claimed(client) is not None}
        enqueued_by = {number: client for client, number in self.enqueued.items()}
        for number, revision in self.changed.items():
            yield _trial_entry(
                self.record.name,
                self.trials[number],
                revision,
                asked_by=asked_by.get(number),
                enqueued_by=enqueued_by.get(number),
                lease_ends=self.leases.get(number),
            )


class JournalState:
    """All studies of a journal, as of the last entry that was applied."""

    def __init__(self) -> None:
        self.studies: dict[str, StudyState] = {}
        self.time = 0.0  # the latest stamp

    def study(self, name: str, place: object) -> StudyState:
        """The study of that name. Raises `StudyNotFound`, saying the place."""
        if name not in self.studies:
            raise StudyNotFound(
                f"there is no study {name!r} in {place}: create it first, or look at the names in studies()"
            )
        return self.studies[name]

    def apply(self, texts: list[str]) -> None:
        """Take in the texts of some entries."""
        with _no_garbage() if len(texts) > _BATCH else nullcontext():
            for i in range(0, len(texts), _BATCH):
                for entry in many_from_json(texts[i : i + _BATCH]):
                    self.apply_entry(entry)

    def apply_entry(self, entry: Entry) -> None:
        """Take in one entry. Raises `KeyError` where its study was never made."""
        op, name = entry["op"], entry["study"]
        if op == "trial":
            self.studies[name].apply_trial(entry)
        elif op == "study":
            self._apply_study(entry)
        elif op == "lease":
            self.studies[name].leases[entry["number"]] = entry["lease_ends"]
        else:
            self.studies.pop(name, None)
        self.time = max(self.time, entry.get("time", 0.0))

    def _apply_study(self, entry: Entry) -> None:
        record, revision = _study_from_json(entry["record"]), entry["revision"]
        study = self.studies.get(record.name)
        if study is None:
            study = self.studies[record.name] = StudyState(record, revision)
        study.record, study.revision = record, max(study.revision, revision)
        for trial in entry.get("trials", ()):
            study.put(_trial_from_json(trial), revision)

    def entries(self) -> Iterable[Entry]:
        """The fewest entries that say the same."""
        for study in self.studies.values():
            yield from study.entries()


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Collect no garbage while much is made that stays: looking through it again and again doubles the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def new_study_entry(record: StudyRecord, trials: Sequence[TrialRecord] = ()) -> Entry:
    """The entry that makes a study."""
    if not trials:
        return _study_entry(record, 0)
    return {**_study_entry(record, 1), "trials": [_trial_to_json(trial) for trial in trials]}


def lease_entry(name: str, number: int, ends: float) -> Entry:
    """The entry of a lease that was renewed and nothing else."""
    return {"op": "lease", "study": name, "number": number, "lease_ends": ends}


def delete_entry(name: str) -> Entry:
    """The entry that removes a study."""
    return {"op": "delete", "study": name}


def _study_entry(record: StudyRecord, revision: int) -> Entry:
    data = {
        "name": record.name,
        "directions": record.directions,
        "seed": record.seed,
        "space": record.space,
        "parameters": record.parameters,
        "attrs": record.attrs,
        "created": record.created,
    }
    return {"op": "study", "study": record.name, "revision": revision, "record": data}


def _study_from_json(data: dict[str, Any]) -> StudyRecord:
    return StudyRecord(**{**data, "directions": tuple(data["directions"])})


def _trial_entry(name: str, record: TrialRecord, revision: int, **more: Any) -> Entry:
    given = {key: value for key, value in more.items() if value is not None}
    return {"op": "trial", "study": name, "revision": revision, "trial": _trial_to_json(record), **given}


def _trial_to_json(record: TrialRecord) -> list[Any]:
    return [
        record.number,
        int(record.state),
        record.params,
        record.values,
        record.constraints,
        record.reports,
        record.attrs,
        record.note,
        record.error,
        record.created,
        record.started,
        record.finished,
        record.owner,
        record.token,
        record.retries,
    ]


def _trial_from_json(data: list[Any]) -> TrialRecord:
    number, state, params, values, constraints, reports, *rest = data
    return TrialRecord(
        number,
        _STATES[state],
        params,
        None if values is None else tuple(values),
        tuple(constraints),
        tuple([(step, value) for step, value in reports]),
        *rest,
    )
