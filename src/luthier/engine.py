"""Engine: where samplers, schedulers and stores meet; what Study shows and Trial talks to.

The way of a trial: `ask` takes in what others did (`sync`), lets the sampler propose parameters for the
next number, and hands the proposal to the store, which starts the trial in one transaction; had somebody
else taken the number, parameters are suggested again for the number that came. `report` goes to the
history at once and to the store within a second, or with the next write. `tell` is one transaction.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from .errors import LeaseLost, LuthierError, SearchSpaceExhausted, SpaceError, TrialNotFound, TrialNotRunning
from .history import History
from .live import Trial, check_json
from .owners import owner_id, owner_is_dead
from .samplers import Sampler
from .schedulers import Decision, Scheduler
from .space import Domain, Space, domain_from_json, domain_to_json
from .space.domains import label_of
from .space.growing import GrowingSpace
from .stores import Proposal, Result, Store, StudyRecord
from .streams import Streams
from .trial import Configuration, Label, TrialRecord, TrialState

_FLUSH_SECONDS = 1.0


@dataclass
class _Running:
    """What the engine keeps of a trial that it asked for."""

    trial: Trial
    unsaved: list[tuple[int, float]] = field(default_factory=list)
    saved_at: float = 0.0


class Engine:
    """A study at work in this process. Safe for threads: one lock covers everything.

    Args:
        store: where the study lives.
        study: its record there.
        sampler: proposes.
        scheduler: prunes; None for never.
        space: the declared space with its objects (a record holds labels alone); None if there is none.
    """

    def __init__(
        self, store: Store, study: StudyRecord, sampler: Sampler, scheduler: Scheduler | None, space: Space | None
    ) -> None:
        self.store = store
        self.name = study.name
        self.sampler = sampler
        self.scheduler = scheduler
        self.lock = threading.RLock()
        self.declared = space
        self._growing = GrowingSpace({name: domain_from_json(x) for name, x in study.parameters.items()})
        self.history = History(self.space, study.directions)  # type: ignore[arg-type]
        self._streams = Streams(study.seed)
        self._revision = 0
        self._running: dict[int, _Running] = {}
        self._client = os.urandom(16).hex()
        self._calls = count()
        self.owner = owner_id()
        self.sync()

    @property
    def space(self) -> Space:
        """What is searched: as declared, or as far as the objective has shown it."""
        return self.declared if self.declared is not None else self._growing.space

    # -- what others did

    def sync(self) -> None:
        """Take in every trial that changed in the store since the last time."""
        with self.lock:
            self._revision, records = self.store.changes(self.name, self._revision)
            if records:
                self._take(records)

    def _take(self, records: list[TrialRecord]) -> None:
        if self.declared is None:
            known = self._growing.domains
            if any(name not in known for record in records for name in record.params):
                for name, data in self.store.study(self.name).parameters.items():
                    if name not in known:
                        self._growing.meet(name, domain_from_json(data))
        fresh = []
        for record in records:
            i = record.number
            old = self.history.records[i] if i < len(self.history) else None
            if old is None or (old is not record and not old.state.is_finished):
                running = self._running.get(i)
                if running is not None and record.state is TrialState.RUNNING and running.trial.token == record.token:
                    continue  # this process knows more of it than the store does
                fresh.append(record)
        self._put(fresh)

    def _put(self, records: list[TrialRecord]) -> None:
        if not records:
            return
        self.history.put(records)
        if self.declared is None:
            self._growing.learn([r.params for r in records if r.state is TrialState.COMPLETE])
            self.history = self.history.under(self._growing.space)

    # -- ask

    def ask(self, fixed: Mapping[str, Any] | None = None) -> Trial:
        """Start a trial: a queued one if there is one, else a new one."""
        with self.lock:
            self.sync()
            if fixed:
                self.enqueue(fixed, {})
                self.sync()
            number = len(self.history)
            proposal = None if self.history.has_waiting else Proposal(number, self._suggest(number, {}))
            record = self.store.ask(self.name, self.owner, self._call(), proposal=proposal)
            fixed_names: frozenset[str] = frozenset()
            if proposal is None or record.number != proposal.number:
                if record.retries == 0:
                    fixed_names = frozenset(record.params)
                try:
                    record = self._complete(record)
                except LuthierError as error:  # nobody runs it: it must not stay RUNNING
                    self.give_up(record.number, record.token, str(error))
                    raise
            if record.number > len(self.history):  # others were faster
                self.sync()
            self._put([record])
            trial = Trial(
                record.number,
                record.token,
                self,
                dict(record.params),
                self._growing.domains,
                self.declared,
                fixed_names,
            )
            self._running[record.number] = _Running(trial, saved_at=time.monotonic())
            return trial

    def _call(self) -> str:
        return f"{self._client}-{next(self._calls)}"

    def _complete(self, record: TrialRecord) -> TrialRecord:
        """A queued trial's record with the parameters that it lacks; a dead worker's trial may lack none."""
        space = self.space
        row = space.encode([{k: v for k, v in record.params.items() if k in space}])
        if not (space.active(row) & np.isnan(row)).any():
            return record
        self.sync()
        params = self._suggest(record.number, record.params)
        self.store.write(self.name, record.number, record.token, params=params)
        return record.with_(params=params)

    def _suggest(self, number: int, fixed: Mapping[str, Label]) -> Configuration:
        space = self.space
        if len(space) == 0:
            return dict(fixed)
        rng = self._streams.of_trial(number)
        (suggested,) = self.sampler.suggest(space, self.history, rng, 1)
        if not fixed:
            return suggested
        known = {name: value for name, value in fixed.items() if name in space}
        completed = space.complete(known, suggested, rng)
        return {**completed, **{name: value for name, value in fixed.items() if name not in space}}

    def enqueue(self, params: Mapping[str, Any], attrs: Mapping[str, Any]) -> TrialRecord:
        """Queue a trial with some parameters fixed."""
        with self.lock:
            stored = self.space.check_partial(params) if self.declared is not None else _stored_without_domain(params)
            if self.declared is not None:  # raises if nothing has these
                self.declared.complete(stored, {}, self._streams.of_trial(len(self.history), "enqueue"))
            for key, value in attrs.items():
                check_json(key, value)
            return self.store.enqueue(self.name, stored, attrs, self._call())

    # -- the session of a trial

    def suggest_new(self, number: int, name: str, domain: Domain) -> Label:
        """A value for a parameter that the objective asks for and nothing was suggested for."""
        with self.lock:
            if self._growing.meet(name, domain):
                self.store.add_parameters(self.name, {name: domain_to_json(domain)})
                self.history = self.history.under(self._growing.space)
            alone = Space({name: domain})
            rng = self._streams.of_trial(number, name)
            history = self.history.under(alone)
            if history.X.size == 0 or bool((history.X != history.X).all()):
                return alone.decode(alone.sample(rng, 1))[0][name]
            try:
                return self.sampler.suggest(alone, history, rng, 1)[0][name]
            except SearchSpaceExhausted:  # of this one parameter, not of the space
                return alone.decode(alone.sample(rng, 1))[0][name]

    def report(self, number: int, step: int, value: float) -> None:
        """Take an intermediate value; it reaches the store within about a second, or with the next write."""
        with self.lock:
            running = self._owned(number)
            record = self.history.records[number]
            if any(step == known for known, _ in record.reports):
                return
            reports = (*record.reports, (step, value))
            if record.reports and step < record.reports[-1][0]:
                reports = tuple(sorted(reports))
            self.history.put([record.with_(reports=reports)])
            running.unsaved.append((step, value))
            if time.monotonic() - running.saved_at >= _FLUSH_SECONDS:
                self.store.write(self.name, number, running.trial.token, reports=running.unsaved)
                running.unsaved, running.saved_at = [], time.monotonic()

    def should_prune(self, number: int) -> bool:
        """Whether the scheduler would stop the trial now."""
        if self.scheduler is None:
            return False
        with self.lock:
            self._owned(number)
            self.sync()
            return self.scheduler.decide(self.history, number) is Decision.STOP

    def set_trial_attrs(self, number: int, attrs: Mapping[str, Any]) -> None:
        """Attach attributes to a trial."""
        for key, value in attrs.items():
            check_json(key, value)
        with self.lock:
            self.store.set_trial_attrs(self.name, number, attrs)
            if number < len(self.history):
                record = self.history.records[number]
                self.history.put([record.with_(attrs={**record.attrs, **attrs})])

    def _owned(self, number: int) -> _Running:
        running = self._running.get(number)
        if running is None:
            record = self.record(number)
            raise TrialNotRunning(f"trial {number} is {record.state.name} and not run by this process: ask for one")
        return running

    # -- tell

    def tell(self, number: int, token: str | None, result: Result, params: Configuration | None = None) -> TrialRecord:
        """Finish a trial; durable when it returns.

        Raises:
            TrialNotFound, TrialNotRunning, ConflictingTell, LeaseLost: as `Store.tell`.
        """
        with self.lock:
            running = self._running.get(number)
            unsaved = running.unsaved if running is not None else ()
            try:
                record = self.store.tell(self.name, number, token, result, params=params, reports=unsaved)
            except (LeaseLost, TrialNotRunning):
                self._running.pop(number, None)
                raise
            self._running.pop(number, None)
            if number > len(self.history):
                self.sync()
            else:
                self._put([record])
            return record

    # -- trials whose worker is gone

    def give_back(self, number: int, token: str) -> bool:
        """Queue a running trial again, because its worker died or was interrupted."""
        with self.lock:
            self._running.pop(number, None)
            done = self.store.requeue(self.name, number, token)
            self.sync()
            return done

    def give_up(self, number: int, token: str, error: str) -> bool:
        """Finish a running trial whose worker died too often."""
        with self.lock:
            self._running.pop(number, None)
            done = self.store.fail(self.name, number, token, error)
            self.sync()
            return done

    def give_back_dead(self) -> list[int]:
        """Queue again every running trial of a process of this machine that is no longer there."""
        with self.lock:
            self.sync()
            dead = [
                r
                for r in self.history.records
                if r.state is TrialState.RUNNING and r.number not in self._running and owner_is_dead(r.owner)
            ]
            return [r.number for r in dead if self.give_back(r.number, r.token)]

    def running_trial(self, number: int) -> Trial | None:
        """The trial of that number if this process asked for it and has not told it."""
        running = self._running.get(number)
        return None if running is None else running.trial

    def record(self, number: int) -> TrialRecord:
        """The trial of that number. Raises `TrialNotFound`."""
        if not 0 <= number < len(self.history):
            self.sync()
        if not 0 <= number < len(self.history):
            raise TrialNotFound(f"study {self.name!r} has no trial {number}: it has {len(self.history)} trials")
        return self.history.records[number]


def _stored_without_domain(params: Mapping[str, Any]) -> Configuration:
    try:
        return {name: label_of(value) for name, value in params.items()}
    except SpaceError as error:
        raise SpaceError(f"enqueued parameters {dict(params)}: {error}") from error
