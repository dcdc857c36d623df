"""Studies in a journal: every call locks the file, reads what others added, decides, appends one entry."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import StudyExists
from ...trial import Label, TrialRecord, TrialState
from .. import changes as change
from ..codec import as_json, to_json
from ..protocol import Proposal, Result, StudyRecord
from .file import JournalFile
from .state import Entry, JournalState, StudyState, delete_entry, lease_entry, new_study_entry

_SCHEME = "journal:///"


class JournalStore:
    """Studies in one append-only file, for all machines that share its file system. The promises are `protocol`'s.

    Safe for threads and processes; a forked process may go on with its parent's store. The file system must have
    fcntl locks that hold between machines (NFS 4, Lustre with `flock`, GPFS, CephFS). All is on the disk when a
    call returns, but for `write` (reports, renewed leases), which the next call of another kind takes along.

    Lease time is the clock of whichever machine makes a call, but never earlier than the latest time in the
    journal. So time never runs backwards; where one machine's clock is ahead, the others' stands still until
    they catch up, and leases last up to that much longer. Keep clocks in step (NTP), and leases well above what
    they differ by.

    Args:
        url_or_path: "study.journal", or "journal:///study.journal"; the file is made if it is not there.
        timeout: seconds to wait for other processes' locks, which they hold for milliseconds, before
            `StorageBusy`; a minute outlasts a slow disk.

    Raises:
        StorageError: it cannot be opened, is damaged, or is not Luthier's.
        SchemaTooNew: a newer Luthier wrote it.
        StorageBusy: others held it locked for `timeout` seconds.
    """

    def __init__(self, url_or_path: str | Path, *, timeout: float = 60.0) -> None:
        self._path = Path(str(url_or_path).removeprefix(_SCHEME))
        self._file = JournalFile(self._path, timeout)
        self._state = JournalState()
        self._id = ""
        try:
            with self._reading():
                pass
        except BaseException:
            self._file.close()
            raise

    @property
    def url(self) -> str:
        """What opens the same store in another process."""
        return f"{_SCHEME}{self._path}"

    # -- studies

    def create_study(self, study: StudyRecord) -> None:
        """Add a study. Raises `StudyExists`."""
        with self._writing() as (state, now):
            self._check_new(state, study.name)
            self._append(new_study_entry(replace(study, created=now)))

    def load(self, study: StudyRecord, records: Sequence[TrialRecord]) -> None:
        """Add a study with trials from elsewhere; see `Store.load`. One entry: all of it, or nothing."""
        trials = change.loaded(records, len(study.directions))
        with self._writing() as (state, _):
            self._check_new(state, study.name)
            self._append(new_study_entry(study, trials))

    def study(self, name: str) -> StudyRecord:
        """The study of that name. Raises `StudyNotFound`."""
        with self._reading() as state:
            return state.study(name, self._path).record

    def studies(self) -> list[StudyRecord]:
        """All studies, oldest first."""
        with self._reading() as state:
            return [study.record for study in state.studies.values()]

    def delete_study(self, name: str) -> None:
        """Remove a study with its trials; its room is free again after `compact`. Raises `StudyNotFound`."""
        with self._writing() as (state, _):
            state.study(name, self._path)
            self._append(delete_entry(name))

    def set_study_attrs(self, name: str, attrs: Mapping[str, Any]) -> None:
        """Set some of a study's attributes; the others stay."""
        attrs = as_json(attrs)
        with self._writing() as (state, _):
            study = state.study(name, self._path)
            self._append(study.study_entry(replace(study.record, attrs={**study.record.attrs, **attrs})))

    def add_parameters(self, name: str, parameters: Mapping[str, Mapping[str, Any]]) -> None:
        """Set the JSON of some domains of a study that defines its space as it runs; the others stay."""
        parameters = as_json(parameters)
        with self._writing() as (state, _):
            study = state.study(name, self._path)
            merged = {**study.record.parameters, **parameters}
            self._append(study.study_entry(replace(study.record, parameters=merged)))

    # -- trials

    def changes(self, name: str, since: int) -> tuple[int, list[TrialRecord]]:
        """What changed after revision `since`, in time of the number of changes."""
        with self._reading() as state:
            study = state.study(name, self._path)
            return study.revision, study.changes(since)

    def enqueue(self, name: str, params: Mapping[str, Label], attrs: Mapping[str, Any], client: str) -> TrialRecord:
        """Add a WAITING trial; see `Store.enqueue`. It is on the disk when this returns."""
        attrs = as_json(attrs)
        with self._writing() as (state, now):
            study = state.study(name, self._path)
            if (number := study.enqueued.get(client)) is not None:
                return study.trials[number]
            number = len(study.trials)
            new = TrialRecord(number, TrialState.WAITING, dict(params), attrs=attrs, created=now)
            return self._put(study, new, enqueued_by=client)

    def ask(
        self, name: str, owner: str, client: str, lease: float | None = None, proposal: Proposal | None = None
    ) -> TrialRecord:
        """Start a trial and own it; see `Store.ask`."""
        token = secrets.token_hex(8)
        with self._writing() as (state, now):
            study = state.study(name, self._path)
            if (claimed := study.claimed(client)) is not None:
                return claimed
            waiting = study.oldest_waiting()
            if waiting is None:
                new = change.new_running(len(study.trials), proposal, owner, token, now)
            else:
                new = change.started(waiting, owner, token, now)
            return self._put(study, new, asked_by=client, lease_ends=None if lease is None else now + lease)

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
        """Change a RUNNING trial; see `Store.write`. Others see it at once; the disk has it with the next `tell`."""
        attrs, note = attrs and as_json(attrs), note and as_json(note)
        with self._writing() as (state, now):
            study = state.study(name, self._path)
            old = study.trial(number)
            new = change.written(old, token, params=params, reports=reports, attrs=attrs, note=note)
            ends = None if lease is None else now + lease
            if new is not old:
                self._append(study.trial_entry(new, lease_ends=ends), durable=False)
            elif ends is not None:
                self._append(lease_entry(name, number, ends), durable=False)

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
        """Finish a RUNNING trial; see `Store.tell`. It is on the disk when this returns."""
        attrs, note = attrs and as_json(attrs), note and as_json(note)
        with self._writing() as (state, now):
            study = state.study(name, self._path)
            old = study.trial(number)
            new = change.told(
                old,
                token,
                result,
                objectives=len(study.record.directions),
                now=now,
                params=params,
                reports=reports,
                attrs=attrs,
                note=note,
            )
            return old if new is old else self._put(study, new)

    def set_trial_attrs(self, name: str, number: int, attrs: Mapping[str, Any]) -> None:
        """Merge attributes into a trial in whatever state. Raises `TrialNotFound`."""
        attrs = as_json(attrs)
        with self._writing() as (state, _):
            study = state.study(name, self._path)
            old = study.trial(number)
            self._put(study, replace(old, attrs={**old.attrs, **attrs}))

    def expired(self, name: str) -> list[TrialRecord]:
        """RUNNING trials whose lease has run out, by number."""
        with self._reading() as state:
            study, now = state.study(name, self._path), self.now()
            return [study.trials[number] for number, end in sorted(study.leases.items()) if end <= now]

    def requeue(self, name: str, number: int, token: str) -> bool:
        """Put a dead owner's trial back to WAITING; see `Store.requeue`."""
        return self._take_away(name, number, lambda old, _: change.requeued(old, token))

    def fail(self, name: str, number: int, token: str, error: str) -> bool:
        """Finish a dead owner's trial as FAIL; False if somebody else was first."""
        return self._take_away(name, number, lambda old, now: change.failed(old, token, error, now))

    def _take_away(self, name: str, number: int, changed: Callable[[TrialRecord, float], TrialRecord]) -> bool:
        with self._writing() as (state, now):
            study = state.study(name, self._path)
            old = study.trial(number)
            new = changed(old, now)
            if new is old:
                return False
            self._put(study, new)
            return True

    # -- the rest

    def now(self) -> float:
        """This machine's clock, or the latest time in the journal where that is later; seconds since the epoch."""
        return max(time.time(), self._state.time)

    def compact(self) -> None:
        """Write the file anew with the present state alone; other processes go on with the new file by themselves.

        Raises:
            StorageError: it cannot be written, and the file is as it was.
        """
        with self._writing() as (state, now):
            self._file.replace(to_json({**entry, "time": now}) for entry in state.entries())

    def close(self) -> None:
        """Close the file; the store is not used afterwards."""
        self._file.close()

    def _check_new(self, state: JournalState, name: str) -> None:
        if name in state.studies:
            raise StudyExists(f"{self._path} has a study {name!r} already: load it, or choose another name")

    @contextmanager
    def _reading(self) -> Iterator[JournalState]:
        with self._file.locked(exclusive=False) as file_id:
            yield self._refreshed(file_id)

    @contextmanager
    def _writing(self) -> Iterator[tuple[JournalState, float]]:
        """The present state, and the time at which the call happens."""
        with self._file.locked(exclusive=True) as file_id:
            yield self._refreshed(file_id), self.now()

    def _refreshed(self, file_id: str) -> JournalState:
        if file_id != self._id:
            self._state = JournalState()
            self._id = file_id
        self._read_on()
        return self._state

    def _read_on(self) -> None:
        try:
            for texts in self._file.news():
                self._state.apply(texts)
        except BaseException:  # Ctrl-C may have come between two entries: what was read is no whole state
            self._file.rewind()
            self._id = ""
            raise

    def _append(self, entry: Entry, *, durable: bool = True) -> None:
        """Append an entry, and read it back as every other process does."""
        self._file.append(to_json({**entry, "time": self.now()}), durable=durable)
        self._read_on()

    def _put(self, study: StudyState, new: TrialRecord, **more: Any) -> TrialRecord:
        self._append(study.trial_entry(new, **more))
        return study.trials[new.number]
