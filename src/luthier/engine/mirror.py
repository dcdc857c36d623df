"""Mirror: a study as this process knows it: its trials in columns and its space, kept up with the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from ..errors import TrialNotFound
from ..history import History
from ..space import Domain, Space, domain_from_json
from ..space.growing import GrowingSpace
from ..stores import Store, StudyRecord
from ..trial import TrialRecord, TrialState

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Mirror:
    """The history and the space of a study. Under the engine's lock.

    Args:
        store: where the study lives.
        study: its record there.
        declared: the declared space with its objects; None where the objective defines it.
        runs_here: whether this process runs an attempt, of which it then knows more than the store does.
    """

    def __init__(
        self, store: Store, study: StudyRecord, declared: Space | None, runs_here: Callable[[TrialRecord], bool]
    ) -> None:
        self.declared = declared
        self._store = store
        self._name = study.name
        self._runs_here = runs_here
        self._growing = GrowingSpace({name: domain_from_json(x) for name, x in study.parameters.items()})
        self._revision = 0
        self.history = History(self.space, study.directions)  # type: ignore[arg-type]

    @property
    def space(self) -> Space:
        """The search space: as declared, or the parameters that the objective has asked for so far."""
        return self.declared if self.declared is not None else self._growing.space

    @property
    def domains(self) -> Mapping[str, Domain]:
        """What the objective has shown so far, where it defines the space; never changed, but replaced."""
        return self._growing.domains

    def record(self, number: int) -> TrialRecord:
        """Return the trial of that number. Raises `TrialNotFound`."""
        if not 0 <= number < len(self.history):
            self.sync()
        if not 0 <= number < len(self.history):
            raise TrialNotFound(f"study {self._name!r} has no trial {number}: it has {len(self.history)} trials")
        return self.history.records[number]

    # -- trials

    def sync(self) -> None:
        """Take in every trial that changed in the store since the last time."""
        revision, records = self._store.changes(self._name, self._revision)
        if records:
            self._take(records)
        self._revision = revision  # not before: what could not be taken in is read again

    @contextmanager
    def synced_up_to(self, number: int) -> Iterator[None]:
        """Within, the history is what a suggestion for this trial is to see, whatever other processes asked for since.

        A new trial sees those before it. One that waited in the queue still waits. The rest is taken in afterwards.
        """
        revision, records = self._store.changes(self._name, self._revision)
        waited = number < len(self.history)
        later = [r for r in records if (r.number == number if waited else r.number >= number)]
        self._take([r for r in records if (r.number != number if waited else r.number < number)])
        try:
            yield
        finally:
            self._take(later)
            self._revision = revision

    def _take(self, records: list[TrialRecord]) -> None:
        known, fresh = self.history.records, []
        for record in records:
            i = record.number
            old = known[i] if i < len(known) else None
            if old is None or (old is not record and not old.state.is_finished):
                if record.state is TrialState.RUNNING and self._runs_here(record):
                    continue
                fresh.append(record)
        if not fresh:
            return
        if self.declared is None and any(record.params.keys() - self._growing.domains for record in fresh):
            self._meet_stored()
        self.put(fresh)

    def put(self, records: list[TrialRecord]) -> None:
        """Take in trials as they are now."""
        self.history.put(records)
        if self.declared is not None:
            return
        complete = [r for r in records if r.state is TrialState.COMPLETE]
        if len(complete) > 1:
            complete.sort(key=lambda r: (r.finished or 0.0, r.number))
        if complete:
            self._growing.learn([r.params for r in complete])
        self.history = self.history.under(self._growing.space)

    # -- parameters that an objective defines as it runs

    def is_new(self, name: str, domain: Domain) -> bool:
        """Return whether the store is to be told of a domain. Raises `SpaceError` where it cannot be."""
        return self._growing.is_new(name, domain)

    def meet(self, name: str, domain: Domain) -> None:
        """Take in a domain that was stored just now, with what others stored."""
        self._meet_stored({name: domain})
        self.history = self.history.under(self._growing.space)

    def _meet_stored(self, own: Mapping[str, Domain] = NOTHING) -> None:
        """Take notice of the parameters that the store has, in its order: the same in every process."""
        for name, data in self._store.study(self._name).parameters.items():
            if name in own:
                self._growing.meet(name, own[name])
            elif name not in self._growing.domains:
                self._growing.meet(name, domain_from_json(data))

    def domains_of(self, names: Collection[str] | None) -> Mapping[str, Domain]:
        """Return the domains that an objective has shown, here or in another process.

        Args:
            names: those that are asked about; the store is not read where they are known here. None for all.
        """
        here = self.space.parameters
        if names is not None and all(name in here for name in names):
            return here
        there = self._store.study(self._name).parameters
        return {**{name: domain_from_json(data) for name, data in there.items()}, **here}
