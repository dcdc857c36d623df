"""What a store is: where studies and trials live, and what it promises.

1. A result whose `tell` returned is never lost.
2. Trial numbers are unique and without gaps.
3. A trial has one owner, held by a lease with a fencing token; a late owner gets `LeaseLost`.
4. `tell` is idempotent per token; a conflicting one raises `ConflictingTell`.
5. Taking a dead worker's trial away and queueing it again is one transaction.
6. Lease time is the store's clock.
7. NaN fails the trial; ±inf is refused (`Study.tell` and the store both look).
8. A busy store retries until a deadline, and errors keep their cause.
9. An older program refuses a newer schema; migrations back up first.
10. `ask` takes a client id, so that a lost reply can be asked again.
11. Two workers never pop the same queued trial.

All values are JSON with a schema version; nothing is pickled. Every method is one short transaction
and safe to call from several threads and, except for the memory store, from several processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from ..trial import TrialRecord
from ..trial.results import Result as Result
from ..types import Configuration, Label


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """Holds a study as it stands in a store.

    >>> import luthier as lt
    >>> from luthier.stores import open_store
    >>> store = open_store()
    >>> study = lt.create_study(storage=store, study_name="mine", direction="maximize", seed=7)
    >>> (record,) = store.studies()
    >>> record.name, record.directions, record.seed
    ('mine', ('maximize',), 7)

    Attributes:
        name: unique in the store.
        directions: "minimize" or "maximize" for each objective.
        seed: what all randomness of the study comes from.
        space: JSON of the declared space; None where the objective defines it as it runs.
        parameters: JSON of each domain that an objective defined as it ran, by name, latest range.
        attrs: whatever the user attached; JSON.
        created: seconds since the epoch by the store's clock.
    """

    name: str
    directions: tuple[str, ...]
    seed: int
    space: Mapping[str, Any] | None = None
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    created: float = 0.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """Holds the parameters that were suggested for the trial of one number; void if that number goes to another.

    >>> from luthier.stores import MemoryStore, Proposal, StudyRecord
    >>> store = MemoryStore()
    >>> store.create_study(StudyRecord("mine", ("minimize",), seed=0))
    >>> trial = store.ask("mine", "me", "call-1", proposal=Proposal(0, {"x": 0.5}))
    >>> trial.number, dict(trial.params)
    (0, {'x': 0.5})

    With number None they are wanted in any case: a new trial gets them, and those that wait go on waiting. With
    `only`, no trial is started but one that waits, or the new one of that number: where parameters may run out, a trial
    that got another number could not be given any.
    """

    number: int | None
    params: Configuration
    only: bool = False


@runtime_checkable
class Store(Protocol):
    """Keeps studies and trials; see the module's docstring for what every store promises.

    >>> from luthier.stores import MemoryStore, Store, StudyRecord
    >>> store: Store = MemoryStore()
    >>> store.create_study(StudyRecord("mine", ("minimize",), seed=0))
    >>> trial = store.enqueue("mine", {"x": 0.5}, {}, "call-1")
    >>> store.ask("mine", "me", "call-2").number == trial.number
    True
    """

    @property
    def shared(self) -> bool:
        """Whether other processes may work on the same studies, so that trials are held by leases."""
        ...

    def create_study(self, study: StudyRecord) -> None:
        """Add a study. Raises `StudyExists`."""
        ...

    def load(self, study: StudyRecord, records: Sequence[TrialRecord]) -> None:
        """Add a study with trials from elsewhere, in one transaction: all of it, or nothing.

        Records stay as they are; a RUNNING one becomes WAITING as by `requeue`, as its owner works elsewhere.
        The study keeps when it was `created`.

        Raises:
            StudyExists: there is a study of that name.
            StorageError: the numbers are not 0, 1, 2 and so on.
            ObjectiveError: a finished record whose values `tell` would refuse.
        """
        ...

    def study(self, name: str) -> StudyRecord:
        """Return the study of that name. Raises `StudyNotFound`."""
        ...

    def studies(self) -> list[StudyRecord]:
        """Return all studies, oldest first."""
        ...

    def delete_study(self, name: str) -> None:
        """Remove a study with its trials. Raises `StudyNotFound`."""
        ...

    def set_study_attrs(self, name: str, attrs: Mapping[str, Any]) -> None:
        """Set some of a study's attributes; the others stay."""
        ...

    def add_parameters(self, name: str, parameters: Mapping[str, Mapping[str, Any]]) -> None:
        """Set the JSON of some domains of a study that defines its space as it runs; the others stay."""
        ...

    def changes(self, name: str, since: int) -> tuple[int, list[TrialRecord]]:
        """Return what changed after revision `since` (0 for all): the present revision, and the trials, by number.

        A change of the study itself (its attributes, its parameters) counts in the revision too.

        Raises:
            StudyNotFound: there is no study of that name, or `since` is of a deleted one of that name.
        """
        ...

    def enqueue(self, name: str, params: Mapping[str, Label], attrs: Mapping[str, Any], client: str) -> TrialRecord:
        """Add a WAITING trial. The same `client` (a unique id of this call) gets the same trial again."""
        ...

    def add(self, name: str, records: Sequence[TrialRecord], client: str) -> list[TrialRecord]:
        """Add finished and WAITING trials from elsewhere, in one transaction: all of them, or none.

        They get the next numbers, whatever theirs are, and keep everything else; times that they lack are now.
        The same `client` (a unique id of this call) gets the same trials again, whatever records come with it.

        Raises:
            TrialNotRunning: a RUNNING record, whose owner works elsewhere.
            ObjectiveError: a finished record whose values `tell` would refuse.
        """
        ...

    def ask(
        self, name: str, owner: str, client: str, lease: float | None = None, proposal: Proposal | None = None
    ) -> TrialRecord:
        """Start a trial and own it.

        The oldest WAITING trial is taken, unless the proposal names no number; else a new one is made with the
        next number, and with the proposal's parameters if it names that number or none, with none if it names
        another.

        Args:
            name: the study.
            owner: who will run it.
            client: a unique id of this call; the same id gets the same trial again.
            lease: seconds until the trial may be taken from its owner; None for never.
            proposal: parameters for the number that is expected to be next.

        Returns:
            the RUNNING record with a new `token`. One with empty params was not proposed for: give it
            parameters with `write`.

        Raises:
            StaleProposal: the proposal is for its number `only`, and the next number is another; nothing was started.
        """
        ...

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
        """Change a RUNNING trial: replace its params, append reports, merge attrs, renew its lease.

        A report of an existing step is dropped: a training that resumed reports it again.

        Raises:
            TrialNotFound: there is no such trial.
            TrialNotRunning: it is WAITING or finished.
            LeaseLost: the token is not the present one.
        """
        ...

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
        """Finish a RUNNING trial; durable when it returns.

        Args:
            name: the study.
            number: the trial.
            token: the token of `ask`; None to finish it regardless of its owner.
            result: its final state and values.
            params, reports, attrs: as in `write`, in the same transaction.

        Returns:
            the finished record.

        Raises:
            TrialNotFound: there is no such trial.
            TrialNotRunning: it is WAITING, or finished and `token` is None.
            ConflictingTell: it was finished under this token with another result.
            LeaseLost: the token is not the present one.
            ObjectiveError: a COMPLETE result without finite values, a FAIL with values, or a number of values
                that is not the number of objectives.
        """
        ...

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
        """Finish a RUNNING trial as `tell` and start another as `ask`, in one transaction: both, or neither.

        Returns:
            the finished record, and the one that runs.

        Raises:
            as `tell` and `ask`: then nothing was told, and nothing was asked for.
        """
        ...

    def set_trial_attrs(self, name: str, number: int, attrs: Mapping[str, Any]) -> None:
        """Merge attributes into a trial in whatever state. Raises `TrialNotFound`."""
        ...

    def expired(self, name: str) -> list[TrialRecord]:
        """Return RUNNING trials whose lease has run out by the store's clock, by number: for `requeue` or `fail`.

        A late owner keeps its trial until one of these takes it away.
        """
        ...

    def requeue(self, name: str, number: int, token: str) -> bool:
        """Put a RUNNING trial whose owner is dead back to WAITING, with its params, one more `retries`.

        Its reports are dropped: it starts again. Returns False, and does nothing, if the token is no longer
        current or the trial is not RUNNING: another process was first.
        """
        ...

    def fail(self, name: str, number: int, token: str, error: str) -> bool:
        """Finish a RUNNING trial whose owner is dead as FAIL; False if another process was first."""
        ...

    def now(self) -> float:
        """Return the store's clock, in seconds since the epoch."""
        ...

    def close(self) -> None:
        """Give up connections and files; the store is not used afterwards."""
        ...
