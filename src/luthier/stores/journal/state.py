"""What a journal contains: entries, each the outcome of one change, and the studies that they add up to.

An entry holds what came out of a change, not what was asked for, so replaying needs no rules. Every entry is a JSON
object with `op`, `study` (its name) and, except for "delete" and "lease", the study's `revision`:

    study   record, first?, trials?                      made (with trials), or its attributes or parameters changed
    trial   trial, asked_by?, enqueued_by?, lease_ends?  made or changed
    trials  entries                                      several of these, in one change
    lease   number, lease_ends                           renewed, which does not change the study
    delete                                               removed

`first` is the revision that the study began with, 0 where it is missing. Entries that a program wrote have a `time`
too, the store's clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any, TypeAlias

from ...errors import StorageError
from ...trial import TrialRecord, TrialState
from ..codec import many_from_json
from ..no_gc import no_garbage_collection
from ..protocol import StudyRecord
from ..state import Change, StoreState, StudyState

Entry: TypeAlias = dict[str, Any]

_STATES = tuple(TrialState)
_BATCH = 1000  # texts parsed at once: as fast as all at once, and it spares memory


class JournalState(StoreState):
    """All studies of a journal, as of the last entry that was applied."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0  # the latest stamp

    def apply(self, texts: list[str]) -> None:
        """Take in the texts of some entries."""
        with no_garbage_collection() if len(texts) > _BATCH else nullcontext():
            for i in range(0, len(texts), _BATCH):
                for entry in many_from_json(texts[i : i + _BATCH]):
                    self.apply_entry(entry)

    def apply_entry(self, entry: Entry) -> None:
        """Take in one entry.

        Raises:
            KeyError: its study was never made.
            StorageError: it is of a kind that this version of Luthier does not support.
        """
        op, name = entry["op"], entry["study"]
        if op == "trial":
            record = _trial_from_json(entry["trial"])
            change = Change(record, entry.get("asked_by"), entry.get("enqueued_by"), entry.get("lease_ends"))
            self.studies[name].put(change, entry["revision"])
        elif op == "trials":
            for one in entry["entries"]:
                self.apply_entry(one)
        elif op == "study":
            self._apply_study(entry)
        elif op == "lease":
            self.studies[name].leases[entry["number"]] = entry["lease_ends"]
        elif op == "delete":
            self.studies.pop(name, None)
        else:
            raise StorageError(f"a record has the unknown kind {op!r}: upgrade Luthier")
        self.time = max(self.time, entry.get("time", 0.0))

    def _apply_study(self, entry: Entry) -> None:
        record = _study_from_json(entry["record"])
        if record.name in self.studies:
            self.studies[record.name].put_record(record, entry["revision"])
            return
        self.add(record, [_trial_from_json(trial) for trial in entry.get("trials", ())], entry.get("first", 0))
        self.studies[record.name].put_record(record, entry["revision"])

    def entries(self) -> Iterator[Entry]:
        """Return the fewest entries that say the same."""
        for study in self.studies.values():
            yield from _entries(study)


def _entries(study: StudyState) -> Iterator[Entry]:
    yield study_entry(study.record, study.first, study.revision)
    asked_by = {number: client for client, (number, _) in study.asked.items() if study.claimed(client) is not None}
    enqueued_by = {number: client for client, number in study.enqueued.items()}
    for number, revision in study.changed.items():
        change = Change(study.trials[number], asked_by.get(number), enqueued_by.get(number), study.leases.get(number))
        yield trial_entry(study.record.name, change, revision)


def new_study_entry(record: StudyRecord, first: int, trials: Sequence[TrialRecord] = ()) -> Entry:
    """Return the entry that makes a study."""
    if not trials:
        return study_entry(record, first, first)
    return {**study_entry(record, first, first + 1), "trials": [_trial_to_json(trial) for trial in trials]}


def study_entry(record: StudyRecord, first: int, revision: int) -> Entry:
    """Return the entry of a change of a study itself."""
    data = {
        "name": record.name,
        "directions": record.directions,
        "seed": record.seed,
        "space": record.space,
        "parameters": record.parameters,
        "attrs": record.attrs,
        "created": record.created,
    }
    return {"op": "study", "study": record.name, "first": first, "revision": revision, "record": data}


def trial_entry(name: str, change: Change, revision: int) -> Entry:
    """Return the entry of a change of a trial."""
    record, *more = change
    given = {key: value for key, value in zip(Change._fields[1:], more, strict=True) if value is not None}
    return {"op": "trial", "study": name, "revision": revision, "trial": _trial_to_json(record), **given}


def trials_entry(name: str, changes: Sequence[Change], revision: int) -> Entry:
    """Return the entry of a change of several trials."""
    entries = [trial_entry(name, change, revision) for change in changes]
    return (
        entries[0] if len(entries) == 1 else {"op": "trials", "study": name, "revision": revision, "entries": entries}
    )


def lease_entry(name: str, number: int, ends: float) -> Entry:
    """Return the entry of a lease that was renewed and nothing else."""
    return {"op": "lease", "study": name, "number": number, "lease_ends": ends}


def delete_entry(name: str) -> Entry:
    """Return the entry that removes a study."""
    return {"op": "delete", "study": name}


def _study_from_json(data: dict[str, Any]) -> StudyRecord:
    return StudyRecord(**{**data, "directions": tuple(data["directions"])})


def _trial_to_json(record: TrialRecord) -> list[Any]:
    return [
        record.number,
        int(record.state),
        record.params,
        record.values,
        record.constraints,
        record.reports,
        record.attrs,
        {},  # the place of a note, which no record has yet
        record.error,
        record.created,
        record.started,
        record.finished,
        record.owner,
        record.token,
        record.retries,
    ]


def _trial_from_json(data: list[Any]) -> TrialRecord:
    number, state, params, values, constraints, reports, attrs, _, *rest = data
    return TrialRecord(
        number,
        _STATES[state],
        params,
        None if values is None else tuple(values),
        tuple(constraints),
        tuple([(step, value) for step, value in reports]),
        attrs,
        *rest,
    )
