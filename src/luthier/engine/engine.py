"""Engine: where samplers, schedulers and stores meet; what Study shows and Trial talks to.

The way of a trial: `ask` queues again what others abandoned (`Recovery`), takes in what they did (`Mirror`), lets the
sampler propose parameters for the next number (`Proposals`), and hands the proposal to the store, which starts the
trial in one transaction; if another process took the number, parameters are suggested again for the number that came.
`report` goes to the history at once and to the store within a second, or with the next write. `tell` is one
transaction.

Where other processes see the store, a trial is held by a lease, which a thread renews for as long as this
process lives; trials whose lease has run out are taken from their owners.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from ..errors import LeaseLost, TrialNotRunning
from ..history import History
from ..samplers import Sampler
from ..schedulers import Scheduler
from ..space import Domain, Space
from ..stores import Proposal, Result, Store, StudyRecord
from ..stores.changes import told
from ..stores.no_gc import no_garbage_collection
from ..trial import Trial, TrialRecord, TrialState
from ..trial.results import check_json, result_of
from ..types import Configuration, Label
from .local import Local
from .mirror import NOTHING
from .proposals import Proposals
from .recovery import MAX_RETRIES, Recovery
from .session import LocalSession, attempt

LEASE_SECONDS = 120.0
"""Until a trial of a silent process is taken from it: twice as long as a store waits for a lock, so that neither a
busy database nor a minute of native code that holds the interpreter costs a training. What dead processes of this
machine left, a run queues again as it begins; only others wait so long."""

_SHORT_SECONDS = 1.0  # of a trial, from which on its result is told at once


class Engine:
    """A study at work in this process: a `PairingBackend`. Safe for threads: one lock covers everything.

    Args:
        store: where the study lives.
        study: its record there.
        sampler: proposes.
        scheduler: prunes; None for never.
        space: the declared space with its objects (a record holds labels alone); None if there is none.
        lease: seconds until a trial of this process may be taken from it when it renews no more. A store in
            memory needs none: its trials die with their process.
        owner: who runs its trials; this process by default.

    Raises:
        ValueError: the lease is not a positive number.
        SpaceError: the sampler cannot search the declared space.
    """

    is_far = False

    def __init__(
        self,
        store: Store,
        study: StudyRecord,
        sampler: Sampler,
        scheduler: Scheduler | None,
        space: Space | None,
        lease: float = LEASE_SECONDS,
        owner: str | None = None,
    ) -> None:
        if not 0 < lease < math.inf:
            raise ValueError(f"lease_seconds={lease}: give a positive number of seconds")
        if space is not None and hasattr(sampler, "check_space"):
            sampler.check_space(space)
        self.store = store
        self.name = study.name
        self.scheduler = scheduler
        self.lease = lease if store.shared else None
        """Seconds for which an `ask` holds its trial; None for ever."""
        self._local = Local(store, study, sampler, space, self.lease, owner)
        self.session = LocalSession(self._local, scheduler)
        """What running trials talk to."""
        self._proposals = Proposals(self._local)
        self._recovery = Recovery(self._local)
        with no_garbage_collection():  # there may be much
            self.sync()

    def close(self) -> None:
        """Stop renewing: trials that still run here may be taken once their leases have run out."""
        self._local.running.close()

    # -- what is known

    @property
    def sampler(self) -> Sampler:
        """What proposes parameters."""
        return self._local.suggestions.sampler

    @property
    def declared(self) -> Space | None:
        """The declared space, with its objects; None where the objective defines it."""
        return self._local.mirror.declared

    @property
    def space(self) -> Space:
        """The search space: as declared, or the parameters that the objective has asked for so far."""
        return self._local.mirror.space

    @property
    def history(self) -> History:
        """All trials in columns, as they were known last."""
        return self._local.mirror.history

    def counts(self) -> dict[TrialState, int]:
        """Return how many trials are in each state, as they were known last."""
        return self.history.counts()

    def best(self) -> TrialRecord | None:
        """Return the best trial so far; None for none, or where there are several objectives."""
        return self.history.best()

    def standing(self) -> tuple[int, bool]:
        """Return how many trials are finished, and whether the study outlives this process."""
        return int(self.history.is_finished.sum()), self.store.shared

    def sync(self) -> None:
        """Take in every trial that changed in the store since the last time."""
        with self._local.lock:
            self._local.mirror.sync()

    def record(self, number: int) -> TrialRecord:
        """Return the trial of that number. Raises `TrialNotFound`."""
        return self._local.mirror.record(number)

    def trial(self, number: int) -> Trial | None:
        """Return the trial of that number, if it runs in this process."""
        return self._local.running.trial(number)

    def domains_of(self, names: Collection[str] | None) -> Mapping[str, Domain]:
        """Return the domains that an objective has shown, here or elsewhere; of some names, or None for all."""
        return self._local.mirror.domains_of(names)

    # -- ask

    def ask(
        self,
        fixed: Mapping[str, Any] | None = None,
        client: str | None = None,
        *,
        max_retries: int = MAX_RETRIES,
    ) -> Trial:
        """Start a trial: a queued one if there is one, else a new one. What others abandoned is queued before.

        Args:
            fixed: values to use: the trial is then a new one, and queued trials go on waiting.
            client: a unique id of this call, where the trial runs elsewhere: the same id gets the same
                trial again, and this process neither renews its lease nor keeps its reports.
            max_retries: how often an abandoned trial is queued again before it fails.
        """
        with self._local.lock:
            self._recovery.requeue_expired(max_retries)
            self._local.mirror.sync()
            given = self.stored(fixed) if fixed else {}
            return self._begun(*self._proposals.ask(given, client), given, client, max_retries=max_retries)

    def _begun(
        self,
        record: TrialRecord,
        proposal: Proposal | None,
        expected: int,
        given: Mapping[str, Label] = NOTHING,
        client: str | None = None,
        *,
        max_retries: int,
    ) -> Trial:
        """The trial that the store started; its parameters are completed where the proposal was for another number.

        Args:
            record: what the store started.
            proposal: what it was asked with.
            expected: the number that the proposal was worked out for.
            given: values that the trial shall have.
            client, max_retries: as in `ask`.
        """
        unsaved, fixed = None, frozenset(given)
        if proposal is None or record.number > expected or proposal.number not in (None, record.number):
            if not given and record.retries == 0:
                fixed = frozenset(record.params)
            try:
                record, unsaved = self._proposals.complete(record, given=given, here=client is None)
            except LeaseLost:  # suggesting took longer than the lease
                return self.ask(given, client, max_retries=max_retries)
            except Exception as error:  # nothing runs it: it must not stay RUNNING
                self.give_up(record.number, record.token, str(error))
                raise
        mirror = self._local.mirror
        if record.number > len(mirror.history):  # others were faster
            mirror.sync()
        mirror.put([record])
        trial = Trial(record.number, record.token, self.session, record.params, mirror.domains, mirror.declared, fixed)
        if client is None:
            self._local.running.add(trial, unsaved)
        return trial

    def stored(self, params: Mapping[str, Any]) -> Configuration:
        """Return values for some parameters as they are stored. Raises `SpaceError` if no configuration has them."""
        with self._local.lock:
            return self._proposals.stored(params)

    def enqueue(self, params: Mapping[str, Any], attrs: Mapping[str, Any], client: str | None = None) -> TrialRecord:
        """Queue a trial with some parameters fixed; the same `client` (an id of this call) gets the same again."""
        with self._local.lock:
            stored = self.stored(params)
            for key, value in attrs.items():
                check_json(key, value)
            return self.store.enqueue(self.name, stored, attrs, client or self._local.fresh_id())

    def add(self, checked: Callable[[], Sequence[TrialRecord]], client: str | None = None) -> list[TrialRecord]:
        """Add trials from elsewhere, all of them or none, and return them as they are stored.

        Args:
            checked: returns them as they are to be stored, beside what the study knows then.
            client: as in `enqueue`.
        """
        with self._local.lock:
            self._local.mirror.sync()
            records = checked()
            if not records:
                return []
            added = self.store.add(self.name, records, client or self._local.fresh_id())
            self._local.mirror.sync()
            return added

    # -- tell

    def tell(self, number: int, token: str | None, result: Result, params: Configuration | None = None) -> TrialRecord:
        """Finish a trial; durable when it returns.

        Raises:
            TrialNotFound, TrialNotRunning, ConflictingTell, LeaseLost: as `Store.tell`.
        """
        with self._local.lock:
            params, reports = self._local.running.unsaved(number, token, params)
            try:
                record = self.store.tell(self.name, number, token, result, params=params, reports=reports)
            except (LeaseLost, TrialNotRunning):
                self._local.running.forget(number, token)
                raise
            self._local.running.forget(number, token)
            if number > len(self.history):
                self._local.mirror.sync()
            else:
                self._local.mirror.put([record])
            return record

    def tell_and_ask(
        self,
        number: int,
        token: str,
        result: Result,
        params: Configuration | None = None,
        *,
        max_retries: int = MAX_RETRIES,
    ) -> tuple[TrialRecord, Trial]:
        """Finish a trial and start another whose suggestion sees it, in one transaction: half the price of two.

        The result is durable when it returns; until then a suggestion may pass, so what took long is better told alone.

        Raises:
            TrialNotFound, TrialNotRunning, ConflictingTell, LeaseLost: as `Store.tell`; then nothing was asked for.
            SearchSpaceExhausted: as the sampler; then nothing was told.
        """
        with self._local.lock:
            self._recovery.requeue_expired(max_retries)
            self._local.mirror.sync()
            old = attempt(self._local, number, token)
            params, reports = self._local.running.unsaved(number, token, params)
            objectives = len(self.history.directions)
            self._local.mirror.put([told(old, token, result, objectives=objectives, now=time.time(), params=params)])
            try:
                expected, proposal = len(self.history), self._proposals.next(NOTHING)
                record, asked = self.store.tell_and_ask(
                    self.name,
                    number,
                    token,
                    result,
                    self._local.owner,
                    self._local.fresh_id(),
                    self.lease,
                    proposal,
                    params=params,
                    reports=reports,
                )
            except BaseException:
                self._local.mirror.put([old])  # until the store says otherwise
                raise
            self._local.running.forget(number, token)
            self._local.mirror.put([record])
            return record, self._begun(asked, proposal, expected, max_retries=max_retries)

    def result_of(
        self,
        number: int,
        values: Any,
        state: TrialState | None = None,
        constraints: Iterable[float] = (),
        error: str | None = None,
    ) -> Result:
        """Return what a trial is told; see `trial.results.result_of`."""
        reports = self.record(number).reports if state is TrialState.PRUNED and values is None else ()
        objectives = len(self.history.directions)
        return result_of(number, values, state, constraints, error, objectives=objectives, reports=reports)

    def tells_and_asks(self, trial: Trial) -> bool:
        """Return whether `tell_and_ask` pays: a commit is nothing beside what took longer, which is told at once."""
        return self.lease is not None and self._local.running.ran_for(trial) < _SHORT_SECONDS

    # -- trials whose worker is gone

    def begin(self) -> None:
        """Queue again what processes of this machine left behind that have ended."""
        with self._local.lock:
            self._recovery.requeue_dead()

    def recover(self, max_retries: int = MAX_RETRIES) -> None:
        """Queue again every trial whose lease has run out, or fail it after `max_retries`; take in what others did."""
        with self._local.lock:
            self._recovery.requeue_expired(max_retries)
            self._local.mirror.sync()

    def give_back(self, number: int, token: str) -> bool:
        """Queue a running trial again, because its worker died or was interrupted; False if it is another's."""
        with self._local.lock:
            return self._recovery.give_back(number, token)

    def give_up(self, number: int, token: str, error: str) -> bool:
        """Finish a running trial whose worker died too often; False if it is another's."""
        with self._local.lock:
            return self._recovery.give_up(number, token, error)
