"""Engine: where samplers, schedulers and stores meet; what Study shows and Trial talks to.

The way of a trial: `ask` takes in what others did (`sync`), lets the sampler propose parameters for the
next number, and hands the proposal to the store, which starts the trial in one transaction; if another
process took the number, parameters are suggested again for the number that came. `report` goes to the
history at once and to the store within a second, or with the next write. `tell` is one transaction.

Where other processes see the store, a trial is held by a lease, which a thread renews for as long as this
process lives; trials whose lease has run out are taken from their owners.
"""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from types import MappingProxyType
from typing import Any

import numpy as np

from ..errors import (
    LeaseLost,
    TrialNotFound,
    TrialNotRunning,
)
from ..history import History
from ..samplers import Sampler
from ..schedulers import Decision, Scheduler
from ..space import Domain, Space, domain_from_json, domain_to_json
from ..space.growing import GrowingSpace, stored_without_space
from ..space.partial import without_inactive
from ..stores import Proposal, Result, Store, StudyRecord
from ..stores.changes import told
from ..stores.no_gc import no_garbage_collection
from ..trial import Trial, TrialRecord, TrialState
from ..trial.results import check_json
from ..types import Configuration, Label
from .owner import owner_id
from .running import SAVE_SECONDS, RunningTrials
from .suggestions import Suggestions

LEASE_SECONDS = 120.0
"""Until a trial of a silent process is taken from it: twice as long as a store waits for a lock, so that neither a
busy database nor a minute of native code that holds the interpreter costs a training. A process of this machine
that died is seen at once all the same; only the trials of a dead machine wait so long."""


EMPTY: Mapping[str, Any] = MappingProxyType({})


class Engine:
    """A study at work in this process. Safe for threads: one lock covers everything.

    Args:
        store: where the study lives.
        study: its record there.
        sampler: proposes.
        scheduler: prunes; None for never.
        space: the declared space with its objects (a record holds labels alone); None if there is none.
        lease: seconds until a trial of this process may be taken from it when it renews no more. A store in
            memory needs none: its trials die with their process.

    Raises:
        ValueError: the lease is not a positive number.
        SpaceError: the sampler cannot search the declared space.
    """

    def __init__(
        self,
        store: Store,
        study: StudyRecord,
        sampler: Sampler,
        scheduler: Scheduler | None,
        space: Space | None,
        lease: float = LEASE_SECONDS,
    ) -> None:
        if not 0 < lease < math.inf:
            raise ValueError(f"lease_seconds={lease}: give a positive number of seconds")
        if space is not None and hasattr(sampler, "check_space"):
            sampler.check_space(space)
        self.store = store
        self.name = study.name
        self.scheduler = scheduler
        self.declared = space
        self._growing = GrowingSpace({name: domain_from_json(x) for name, x in study.parameters.items()})
        self.history = History(self.space, study.directions)  # type: ignore[arg-type]
        self._suggestions = Suggestions(sampler, study.seed)
        self._revision = 0
        self._lease = lease if store.shared else None
        self.held = RunningTrials(store, study.name, self._lease)
        self._become_this_process()
        _engines.add(self)
        with no_garbage_collection():  # there may be much
            self.sync()

    def _become_this_process(self) -> None:
        """What is a process's own; in a forked child, the parent goes on holding what was running."""
        self.lock = threading.RLock()
        self._client = os.urandom(16).hex()
        self._calls = count()
        self.owner = owner_id()
        self.held.become_this_process()

    def close(self) -> None:
        """Stop renewing: trials that still run here may be taken once their leases have run out."""
        self.held.close()

    @property
    def sampler(self) -> Sampler:
        """What proposes parameters."""
        return self._suggestions.sampler

    @property
    def lease(self) -> float | None:
        """Seconds for which an `ask` holds its trial; None for ever."""
        return self._lease

    @property
    def space(self) -> Space:
        """The search space: as declared, or the parameters that the objective has asked for so far."""
        return self.declared if self.declared is not None else self._growing.space

    # -- what others did

    def sync(self) -> None:
        """Take in every trial that changed in the store since the last time."""
        with self.lock:
            revision, records = self.store.changes(self.name, self._revision)
            if records:
                self._take(records)
            self._revision = revision  # not before: what could not be taken in is read again

    @contextmanager
    def _synced_up_to(self, number: int) -> Iterator[None]:
        """Within, the history is what a suggestion for this trial is to see, whatever other processes asked for since.

        A new trial sees those before it. One that waited in the queue still waits. The rest is taken in afterwards.
        """
        revision, records = self.store.changes(self.name, self._revision)
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
                if record.state is TrialState.RUNNING and self.held.runs(record):
                    continue  # this process knows more of it than the store does
                fresh.append(record)
        if not fresh:
            return
        if self.declared is None and any(record.params.keys() - self._growing.domains for record in fresh):
            self._meet_stored()
        self._put(fresh)

    def _meet_stored(self, own: Mapping[str, Domain] = EMPTY) -> None:
        """Take notice of the parameters that the store has, in its order: the same in every process."""
        for name, data in self.store.study(self.name).parameters.items():
            if name in own:
                self._growing.meet(name, own[name])
            elif name not in self._growing.domains:
                self._growing.meet(name, domain_from_json(data))

    def _put(self, records: list[TrialRecord]) -> None:
        self.history.put(records)
        if self.declared is None:
            complete = [r for r in records if r.state is TrialState.COMPLETE]
            if len(complete) > 1:
                complete.sort(key=lambda r: (r.finished or 0.0, r.number))
            self._growing.learn([r.params for r in complete])
            self.history = self.history.under(self._growing.space)

    # -- ask

    def ask(self, fixed: Mapping[str, Any] | None = None, client: str | None = None) -> Trial:
        """Start a trial: a queued one if there is one, else a new one.

        Args:
            fixed: values to use: the trial is then a new one, and queued trials go on waiting.
            client: a unique id of this call, where the trial runs elsewhere: the same id gets the same
                trial again, and this process neither renews its lease nor keeps its reports.
        """
        with self.lock:
            self.sync()
            given = self.stored(fixed) if fixed else {}
            expected, proposal = len(self.history), self._proposal(given)
            record = self.store.ask(self.name, self.owner, client or self._call(), self._lease, proposal)
            return self._begun(record, proposal, expected, given, client)

    def _proposal(self, given: Mapping[str, Label]) -> Proposal | None:
        """Parameters for the next trial; None where one waits that is to be taken."""
        number = len(self.history)
        if given:
            return Proposal(None, self._suggest(number, given))
        return None if self.history.has_waiting else Proposal(number, self._suggest(number, given))

    def _begun(
        self,
        record: TrialRecord,
        proposal: Proposal | None,
        expected: int,
        given: Mapping[str, Label] = EMPTY,
        client: str | None = None,
    ) -> Trial:
        """The trial that the store started; its parameters are completed where the proposal was for another number.

        Args:
            record: what the store started.
            proposal: what it was asked with.
            expected: the number that the proposal was worked out for.
            given: values that the trial shall have.
            client: as in `ask`.
        """
        unsaved, fixed = None, frozenset(given)
        if proposal is None or record.number > expected or proposal.number not in (None, record.number):
            if not given and record.retries == 0:
                fixed = frozenset(record.params)
            try:
                record, unsaved = self._complete(record, given=given, here=client is None)
            except LeaseLost:  # suggesting took longer than the lease
                return self.ask(given, client)
            except Exception as error:  # nothing runs it: it must not stay RUNNING
                self.give_up(record.number, record.token, str(error))
                raise
        if record.number > len(self.history):  # others were faster
            self.sync()
        self._put([record])
        trial = Trial(
            record.number,
            record.token,
            self,
            record.params,
            self._growing.domains,
            self.declared,
            fixed,
        )
        if client is not None:
            return trial
        self.held.add(trial, unsaved)
        return trial

    def _call(self) -> str:
        return f"{self._client}-{next(self._calls)}"

    def _complete(
        self, record: TrialRecord, *, given: Mapping[str, Label] = EMPTY, here: bool
    ) -> tuple[TrialRecord, Configuration | None]:
        """A started trial's record with the parameters of its number, and those if they are to be stored yet.

        Where several processes ask at once, most numbers go to another than they were proposed for, and a transaction
        for each would slow all of them: so where no suggestion depends on them the heartbeat stores what is not told by
        then. A dead worker's trial may lack none.

        Args:
            record: of the trial, as the store has it.
            given: values that it shall have, where what the store has was suggested for another number.
            here: whether this process runs it.
        """
        began = time.monotonic()
        space = self.space
        known = dict(given or record.params)
        row = space.encode([space.known(known)])
        if not (space.active(row) & np.isnan(row)).any():
            return record, None
        with self._synced_up_to(record.number):
            params = self._suggest(record.number, known)
        if self._lease is not None and not self._suggestions.by_number:
            self.sync()  # what others came to meanwhile, from results that this process had not seen
            if self._suggestions.is_taken(self.history, record.number, params):
                params = self._suggest(record.number, known)
        quick = time.monotonic() - began < SAVE_SECONDS
        later = here and not given and self._suggestions.by_number and self.held.may_wait and quick
        if not later:
            self.store.write(self.name, record.number, record.token, params=params, lease=self._lease)
        return record.with_(params=params), params if later else None

    def _suggest(self, number: int, fixed: Mapping[str, Label]) -> Configuration:
        # where the objective defines the space, what it asks for is stored with the result: it may be lacking for long
        is_elsewhere = None if self._lease is None or self.declared is None else self._is_elsewhere
        return self._suggestions.configuration(self.history, number, fixed, is_elsewhere)

    def _is_elsewhere(self, record: TrialRecord) -> bool:
        return not self.held.runs(record)

    def enqueue(self, params: Mapping[str, Any], attrs: Mapping[str, Any], client: str | None = None) -> TrialRecord:
        """Queue a trial with some parameters fixed; the same `client` (an id of this call) gets the same again."""
        with self.lock:
            stored = self.stored(params)
            for key, value in attrs.items():
                check_json(key, value)
            return self.store.enqueue(self.name, stored, attrs, client or self._call())

    def stored(self, params: Mapping[str, Any]) -> Configuration:
        """Return values for some parameters as they are stored, without those that are inactive beside the others.

        Raises:
            SpaceError: no configuration has them.
        """
        if self.declared is None:
            return stored_without_space(params, self._growing.domains)
        stored = self.space.check_partial(params)
        self._suggestions.check(self.declared, len(self.history), stored)
        return without_inactive(self.declared, stored)

    # -- the session of a trial

    def suggest_new(self, number: int, token: str, name: str, domain: Domain) -> Label:
        """Return a value for a parameter that the objective asks for and nothing was suggested for."""
        with self.lock:
            record = self._attempt(number, token)
            if self._growing.is_new(name, domain):  # what fails leaves everything as it was
                self.store.add_parameters(self.name, {name: domain_to_json(domain)})
                self._meet_stored({name: domain})
                self.history = self.history.under(self._growing.space)
            if not self._suggestions.are_shared:
                return self._suggestions.value(self.history, number, name, domain)
            self.sync()
            label = self._suggestions.value(self.history, number, name, domain)
            if record.state is TrialState.RUNNING and name not in record.params:
                record = record.with_(params={**record.params, name: label})
                self.store.write(self.name, number, token, params=record.params, lease=self._lease)
                self.history.put([record])
            return label

    def report(self, number: int, token: str, step: int, value: float) -> None:
        """Take an intermediate value; it reaches the store within about a second, or with the next write."""
        with self.lock:
            record = self._owned(number, token)
            if any(step == known for known, _ in record.reports):
                return
            reports = (*record.reports, (step, value))
            if record.reports and step < record.reports[-1][0]:
                reports = tuple(sorted(reports))
            self.history.put([record.with_(reports=reports)])
            self.held.report(record, step, value)

    def should_prune(self, number: int, token: str) -> bool:
        """Return whether the scheduler would stop the trial now."""
        if self.scheduler is None:
            return False
        with self.lock:
            self.sync()
            self._owned(number, token)
            return self.scheduler.decide(self.history, number) is Decision.STOP

    def set_trial_attrs(self, number: int, token: str | None, attrs: Mapping[str, Any]) -> None:
        """Attach attributes to a trial; with a token, only if it is that of the trial's last attempt."""
        for key, value in attrs.items():
            check_json(key, value)
        with self.lock:
            if token is not None:
                self.sync()
                self._attempt(number, token)
            self.store.set_trial_attrs(self.name, number, attrs)
            if number < len(self.history):
                record = self.history.records[number]
                self.history.put([record.with_(attrs={**record.attrs, **attrs})])

    def _attempt(self, number: int, token: str) -> TrialRecord:
        """The trial, if that is the token of its last attempt."""
        record = self.record(number)
        if record.token != token:
            raise LeaseLost(
                f"trial {number} was taken from its worker, whose lease had run out, and is {record.state.name} now: "
                "discard its result and ask for another trial"
            )
        return record

    def _owned(self, number: int, token: str) -> TrialRecord:
        """The attempt of that token, if it is the trial's last and runs here."""
        record = self._attempt(number, token)
        if not self.held.runs(record):
            raise TrialNotRunning(
                f"trial {number} is {record.state.name} and is not running in this process: ask for a trial first"
            )
        return record

    # -- tell

    def tell(self, number: int, token: str | None, result: Result, params: Configuration | None = None) -> TrialRecord:
        """Finish a trial; durable when it returns.

        Raises:
            TrialNotFound, TrialNotRunning, ConflictingTell, LeaseLost: as `Store.tell`.
        """
        with self.lock:
            params, reports = self.held.unsaved(number, token, params)
            try:
                record = self.store.tell(self.name, number, token, result, params=params, reports=reports)
            except (LeaseLost, TrialNotRunning):
                self.held.forget(number, token)
                raise
            self.held.forget(number, token)
            if number > len(self.history):
                self.sync()
            else:
                self._put([record])
            return record

    def tell_and_ask(
        self, number: int, token: str, result: Result, params: Configuration | None = None
    ) -> tuple[TrialRecord, Trial]:
        """Finish a trial and start another whose suggestion sees it, in one transaction: half the price of two.

        The result is durable when it returns; until then a suggestion may pass, so what took long is better told alone.

        Raises:
            TrialNotFound, TrialNotRunning, ConflictingTell, LeaseLost: as `Store.tell`; then nothing was asked for.
            SearchSpaceExhausted: as the sampler; then nothing was told.
        """
        with self.lock:
            self.sync()
            old, (params, reports) = self._attempt(number, token), self.held.unsaved(number, token, params)
            objectives = len(self.history.directions)
            self._put([told(old, token, result, objectives=objectives, now=time.time(), params=params)])
            try:
                expected, proposal = len(self.history), self._proposal({})
                record, asked = self.store.tell_and_ask(
                    self.name,
                    number,
                    token,
                    result,
                    self.owner,
                    self._call(),
                    self._lease,
                    proposal,
                    params=params,
                    reports=reports,
                )
            except BaseException:
                self._put([old])  # until the store says otherwise
                raise
            self.held.forget(number, token)
            self._put([record])
            return record, self._begun(asked, proposal, expected)

    # -- trials whose worker is gone

    def give_back(self, number: int, token: str) -> bool:
        """Queue a running trial again, because its worker died or was interrupted."""
        with self.lock:
            self.held.save_params(number, token)
            self.held.forget(number, token)
            done = self.store.requeue(self.name, number, token)
            self.sync()
            return done

    def give_up(self, number: int, token: str, error: str) -> bool:
        """Finish a running trial whose worker died too often."""
        with self.lock:
            self.held.forget(number, token)
            done = self.store.fail(self.name, number, token, error)
            self.sync()
            return done

    def record(self, number: int) -> TrialRecord:
        """Return the trial of that number. Raises `TrialNotFound`."""
        if not 0 <= number < len(self.history):
            self.sync()
        if not 0 <= number < len(self.history):
            raise TrialNotFound(f"study {self.name!r} has no trial {number}: it has {len(self.history)} trials")
        return self.history.records[number]


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for engine in list(_engines):
        engine._become_this_process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
