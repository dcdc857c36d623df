"""The calls of a store that has its state in memory, once for all such stores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from ..errors import StudyExists
from ..trial import TrialRecord, TrialState
from ..types import Label
from . import changes as change
from .codec import as_json
from .protocol import Proposal, Result, StudyRecord
from .state import Change, StoreState, StudyState


class StateStore(ABC):
    """Decides what each call does, under a lock; a subclass has the lock, and keeps the changes."""

    _place: object
    """Where it is, for messages."""
    _new_token: Callable[[], str] = staticmethod(change.new_token)

    @abstractmethod
    def _reading(self) -> AbstractContextManager[StoreState]:
        """The present state, which no other thread or process changes meanwhile."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[StoreState]:
        """The present state, which no other thread or process reads or changes meanwhile."""

    @abstractmethod
    def _add(self, record: StudyRecord, trials: Sequence[TrialRecord]) -> None:
        """Keep a new study."""

    @abstractmethod
    def _remove(self, name: str) -> None:
        """Remove a study."""

    @abstractmethod
    def _put_record(self, study: StudyState, record: StudyRecord) -> None:
        """Keep a change of a study itself."""

    @abstractmethod
    def _put(self, study: StudyState, *new: Change) -> None:
        """Keep changes of trials: all, or none."""

    @abstractmethod
    def _put_soon(self, study: StudyState, new: Change) -> None:
        """Keep a change of a trial that may be lost with the machine's power until the next one is kept."""

    @abstractmethod
    def _renew(self, study: StudyState, number: int, ends: float) -> None:
        """Keep the new end of a lease, as soon as that."""

    @abstractmethod
    def now(self) -> float:
        """Return the store's clock, in seconds since the epoch."""

    # -- studies

    def create_study(self, study: StudyRecord) -> None:
        """Add a study. Raises `StudyExists`."""
        with self._writing() as state:
            self._check_new(state, study.name)
            self._add(replace(study, created=self.now()), ())

    def load(self, study: StudyRecord, records: Sequence[TrialRecord]) -> None:
        """Add a study with trials from elsewhere, all of it or nothing; see `Store.load`."""
        trials = change.loaded(records, len(study.directions))
        with self._writing() as state:
            self._check_new(state, study.name)
            self._add(study, trials)

    def study(self, name: str) -> StudyRecord:
        """Return the study of that name. Raises `StudyNotFound`."""
        with self._reading() as state:
            return state.study(name, self._place).record

    def studies(self) -> list[StudyRecord]:
        """Return all studies, oldest first."""
        with self._reading() as state:
            return [study.record for study in state.studies.values()]

    def delete_study(self, name: str) -> None:
        """Remove a study with its trials. Raises `StudyNotFound`."""
        with self._writing() as state:
            state.study(name, self._place)
            self._remove(name)

    def set_study_attrs(self, name: str, attrs: Mapping[str, Any]) -> None:
        """Set some of a study's attributes; the others stay."""
        attrs = as_json(attrs)
        with self._writing() as state:
            study = state.study(name, self._place)
            self._put_record(study, replace(study.record, attrs={**study.record.attrs, **attrs}))

    def add_parameters(self, name: str, parameters: Mapping[str, Mapping[str, Any]]) -> None:
        """Set the JSON of some domains of a study that defines its space as it runs; the others stay."""
        parameters = as_json(parameters)
        with self._writing() as state:
            study = state.study(name, self._place)
            self._put_record(study, replace(study.record, parameters={**study.record.parameters, **parameters}))

    # -- trials

    def changes(self, name: str, since: int) -> tuple[int, list[TrialRecord]]:
        """Return what changed after revision `since`, in time of the number of changes."""
        with self._reading() as state:
            study = state.study(name, self._place)
            return study.revision, study.changes(since)

    def enqueue(self, name: str, params: Mapping[str, Label], attrs: Mapping[str, Any], client: str) -> TrialRecord:
        """Add a WAITING trial; see `Store.enqueue`."""
        attrs = as_json(attrs)
        with self._writing() as state:
            study = state.study(name, self._place)
            number = study.enqueued.get(client)
            if number is None:
                number = len(study.trials)
                new = TrialRecord(number, TrialState.WAITING, dict(params), attrs=attrs, created=self.now())
                self._put(study, Change(new, enqueued_by=client))
            return study.trials[number]

    def add(self, name: str, records: Sequence[TrialRecord], client: str) -> list[TrialRecord]:
        """Add trials from elsewhere, all of them or none; see `Store.add`."""
        records = [replace(x, params=dict(x.params), attrs=as_json(x.attrs), error=as_json(x.error)) for x in records]
        with self._writing() as state:
            study = state.study(name, self._place)
            numbers: list[int] = []
            while (known := study.enqueued.get(change.added_client(client, len(numbers)))) is not None:
                numbers.append(known)
            if not numbers:
                new = change.added(records, len(study.trials), len(study.record.directions), self.now())
                numbers = [x.number for x in new]
                if new:
                    changes = [Change(x, enqueued_by=change.added_client(client, i)) for i, x in enumerate(new)]
                    self._put(study, *changes)
            return [study.trials[number] for number in numbers]

    def ask(
        self, name: str, owner: str, client: str, lease: float | None = None, proposal: Proposal | None = None
    ) -> TrialRecord:
        """Start a trial and own it; see `Store.ask`."""
        with self._writing() as state:
            study = state.study(name, self._place)
            if (claimed := study.claimed(client)) is not None:
                return claimed
            new = self._started(study, owner, client, lease, proposal)
            self._put(study, new)
            return study.trials[new.record.number]

    def _started(
        self, study: StudyState, owner: str, client: str, lease: float | None, proposal: Proposal | None
    ) -> Change:
        now, token = self.now(), self._new_token()
        waiting = None if change.leaves_the_queue(proposal) else study.oldest_waiting()
        if waiting is None:
            new = change.new_running(len(study.trials), proposal, owner, token, now)
        else:
            new = change.started(waiting, owner, token, now)
        return Change(new, client, None, None if lease is None else now + lease)

    def write(
        self,
        name: str,
        number: int,
        token: str,
        *,
        params: Mapping[str, Label] | None = None,
        reports: Sequence[tuple[int, float]] = (),
        attrs: Mapping[str, Any] | None = None,
        lease: float | None = None,
    ) -> None:
        """Change a RUNNING trial; see `Store.write`."""
        attrs = attrs and as_json(attrs)
        with self._writing() as state:
            study = state.study(name, self._place)
            old = study.trial(number)
            new = change.written(old, token, params=params, reports=reports, attrs=attrs)
            ends = None if lease is None else self.now() + lease
            if new is not old:
                self._put_soon(study, Change(new, lease_ends=ends))
            elif ends is not None:
                self._renew(study, number, ends)

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
    ) -> TrialRecord:
        """Finish a RUNNING trial; see `Store.tell`."""
        attrs = attrs and as_json(attrs)

        def told(study: StudyState, old: TrialRecord) -> TrialRecord:
            return change.told(
                old,
                token,
                result,
                objectives=len(study.record.directions),
                now=self.now(),
                params=params,
                reports=reports,
                attrs=attrs,
            )

        return self._change(name, number, told)[0]

    def tell_and_ask(
        self,
        name: str,
        number: int,
        token: str,
        result: Result,
        owner: str,
        client: str,
        lease: float | None = None,
        proposal: Proposal | None = None,
        *,
        params: Mapping[str, Label] | None = None,
        reports: Sequence[tuple[int, float]] = (),
    ) -> tuple[TrialRecord, TrialRecord]:
        """Finish a RUNNING trial and start another; see `Store.tell_and_ask`."""
        with self._writing() as state:
            study = state.study(name, self._place)
            old = study.trial(number)
            objectives = len(study.record.directions)
            new = change.told(old, token, result, objectives=objectives, now=self.now(), params=params, reports=reports)
            claimed = study.claimed(client)
            asked = self._started(study, owner, client, lease, proposal) if claimed is None else Change(claimed)
            if changes := [Change(new)] * (new is not old) + [asked] * (claimed is None):
                self._put(study, *changes)
            return study.trials[number], study.trials[asked.record.number]

    def set_trial_attrs(self, name: str, number: int, attrs: Mapping[str, Any]) -> None:
        """Merge attributes into a trial in whatever state. Raises `TrialNotFound`."""
        attrs = as_json(attrs)
        self._change(name, number, lambda _, old: replace(old, attrs={**old.attrs, **attrs}))

    def expired(self, name: str) -> list[TrialRecord]:
        """Return RUNNING trials whose lease has run out, by number."""
        with self._reading() as state:
            return state.study(name, self._place).expired(self.now())

    def requeue(self, name: str, number: int, token: str) -> bool:
        """Put a dead owner's trial back to WAITING; see `Store.requeue`."""
        return self._change(name, number, lambda _, old: change.requeued(old, token))[1]

    def fail(self, name: str, number: int, token: str, error: str) -> bool:
        """Finish a dead owner's trial as FAIL; False if another process was first."""
        return self._change(name, number, lambda _, old: change.failed(old, token, error, self.now()))[1]

    def _change(
        self, name: str, number: int, changed: Callable[[StudyState, TrialRecord], TrialRecord]
    ) -> tuple[TrialRecord, bool]:
        """The record after a change, and whether that made another of it."""
        with self._writing() as state:
            study = state.study(name, self._place)
            old = study.trial(number)
            new = changed(study, old)
            if new is old:
                return old, False
            self._put(study, Change(new))
            return study.trials[number], True

    def _check_new(self, state: StoreState, name: str) -> None:
        if name in state.studies:
            raise StudyExists(f"{self._place} already has a study {name!r}: load it, or choose another name")
