"""What each call makes of a trial's record: pure functions that every store applies inside its lock or transaction.

A function that changes nothing returns the very record that it was given.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import (
    ConflictingTell,
    LeaseLost,
    ObjectiveError,
    StaleProposal,
    StorageError,
    StudyNotFound,
    TrialNotRunning,
)
from ..trial import TrialRecord, TrialState, check_transition
from ..types import Label
from .codec import to_json
from .protocol import Proposal, Result

_RUNNING, _WAITING = TrialState.RUNNING, TrialState.WAITING


def new_token() -> str:
    """Return a fencing token that is unique."""
    return os.urandom(8).hex()


def new_first_revision() -> int:
    """The revision that a study begins with: far from those of any other, so that `check_since` can tell them apart."""
    return int.from_bytes(os.urandom(4)) << 32


def check_since(name: str, since: int, first: int, revision: int) -> None:
    """Raise `StudyNotFound` where a reader's revision is not of the study that has the name now."""
    if since > 0 and not first <= since <= revision:
        raise StudyNotFound(f"the study {name!r} was deleted, and another with that name was created: load it again")


def new_running(number: int, proposal: Proposal | None, owner: str, token: str, now: float) -> TrialRecord:
    """Return a trial that starts as it is made, with the proposal's parameters if they are for its number.

    Raises:
        StaleProposal: the proposal is for another number only.
    """
    if proposal is not None and proposal.only and proposal.number not in (number, None):
        raise StaleProposal(f"the next trial is {number}: parameters were proposed for trial {proposal.number} only")
    params = dict(proposal.params) if proposal is not None and proposal.number in (number, None) else {}
    return TrialRecord(number=number, state=_RUNNING, params=params, created=now, started=now, owner=owner, token=token)


def leaves_the_queue(proposal: Proposal | None) -> bool:
    """Return whether a trial that is asked for with this proposal is a new one, even if others wait."""
    return proposal is not None and proposal.number is None


def started(record: TrialRecord, owner: str, token: str, now: float) -> TrialRecord:
    """Return a WAITING trial that is taken by an owner."""
    check_transition(record.number, record.state, _RUNNING)
    return replace(record, state=_RUNNING, owner=owner, token=token, started=now)


def written(
    record: TrialRecord,
    token: str,
    *,
    params: Mapping[str, Label] | None,
    reports: Sequence[tuple[int, float]],
    attrs: Mapping[str, Any] | None,
) -> TrialRecord:
    """Return a RUNNING trial with what its owner wrote."""
    _check_token(record, token)
    if record.state is not _RUNNING:
        raise TrialNotRunning(f"trial {record.number} is {record.state.name}: it can no longer be changed")
    fields: dict[str, Any] = {}
    if params is not None:
        fields["params"] = dict(params)
    if (merged := _with_reports(record.reports, reports)) is not record.reports:
        fields["reports"] = merged
    if attrs:
        fields["attrs"] = {**record.attrs, **attrs}
    return replace(record, **fields) if fields else record


def told(
    record: TrialRecord,
    token: str | None,
    result: Result,
    *,
    objectives: int,
    now: float,
    params: Mapping[str, Label] | None = None,
    reports: Sequence[tuple[int, float]] = (),
    attrs: Mapping[str, Any] | None = None,
) -> TrialRecord:
    """Return a trial finished by its result; the record itself if the same was told before under this token."""
    values = _checked_values(record.number, result, objectives)
    constraints = tuple(map(float, result.constraints)) if result.constraints else ()
    if token is not None:
        _check_token(record, token)
    if record.state is not _RUNNING:
        if token is None or not record.state.is_finished:
            hint = "it was told already" if record.state.is_finished else "ask for it first"
            raise TrialNotRunning(f"trial {record.number} is {record.state.name} and cannot take a result: {hint}")
        before = (record.state, record.values, record.constraints, record.error)
        after = (result.state, values, constraints, result.error)
        if before == after or to_json(before) == to_json(after):  # NaN is itself as text alone
            return record
        raise ConflictingTell(
            f"trial {record.number} was told {_shown(*before[:2])} and cannot be told {_shown(*after[:2])}: "
            "a result is final; ask for another trial"
        )
    check_transition(record.number, record.state, result.state)
    return TrialRecord(  # not replace(): it costs twice as much, and every trial comes by here
        number=record.number,
        state=result.state,
        params=record.params if params is None else dict(params),
        values=values,
        constraints=constraints,
        reports=_with_reports(record.reports, reports),
        attrs={**record.attrs, **attrs} if attrs else record.attrs,
        error=result.error,
        created=record.created,
        started=record.started,
        finished=now,
        owner=record.owner,
        token=record.token,
        retries=record.retries,
    )


def requeued(record: TrialRecord, token: str) -> TrialRecord:
    """Return a dead owner's trial back in the queue; the record itself if the token no longer holds it."""
    if record.state is not _RUNNING or record.token != token:
        return record
    check_transition(record.number, record.state, _WAITING)
    retries = record.retries + 1
    return replace(record, state=_WAITING, reports=(), owner="", token="", started=None, retries=retries)


def failed(record: TrialRecord, token: str, error: str, now: float) -> TrialRecord:
    """Return a dead owner's trial finished as FAIL; the record itself if the token no longer holds it.

    The token goes too, so that an owner that was only late gets `LeaseLost`.
    """
    if record.state is not _RUNNING or record.token != token:
        return record
    check_transition(record.number, record.state, TrialState.FAIL)
    return replace(record, state=TrialState.FAIL, error=error, finished=now, token="")


def loaded(records: Sequence[TrialRecord], objectives: int) -> list[TrialRecord]:
    """Return the records of a study from elsewhere as a store takes them in; see `Store.load`."""
    for i, record in enumerate(records):
        if record.number != i:
            raise StorageError(f"trial {record.number} is in the place of trial {i}: the study is incomplete")
        if record.state.is_finished:
            _checked_values(i, Result(record.state, record.values), objectives)
    return [requeued(record, record.token) for record in records]


def added(records: Sequence[TrialRecord], first: int, objectives: int, now: float) -> list[TrialRecord]:
    """Return trials from elsewhere as a store takes them in with the numbers from `first` on; see `Store.add`."""
    new = []
    for number, record in enumerate(records, first):
        if record.state is _RUNNING:
            raise TrialNotRunning(f"trial {record.number} is RUNNING elsewhere: add it when it is finished")
        if record.state.is_finished:
            _checked_values(number, Result(record.state, record.values), objectives)
        finished = (record.finished or now) if record.state.is_finished else None
        started = None if finished is None else min(record.started or finished, finished)
        created = min(record.created or now, started or now)
        new.append(
            replace(record, number=number, created=created, started=started, finished=finished, owner="", token="")
        )
    return new


def added_client(client: str, i: int) -> str:
    """Return the id under which the i-th trial of an `add` is kept, so that the same call can be answered again."""
    return f"{client}/{i}"


def _check_token(record: TrialRecord, token: str) -> None:
    if token == record.token:
        return
    if record.state is _WAITING and record.retries == 0:
        raise TrialNotRunning(f"trial {record.number} is WAITING: ask for it first")
    raise LeaseLost(
        f"trial {record.number} was taken from this owner, whose lease had run out, and is {record.state.name} now: "
        "discard its result and ask for another trial"
    )


def _with_reports(
    old: tuple[tuple[int, float], ...], new: Sequence[tuple[int, float]]
) -> tuple[tuple[int, float], ...]:
    if not new:
        return old
    if len(new) == 1 and (not old or new[0][0] > old[-1][0]):  # the usual case: the next step
        return (*old, (int(new[0][0]), float(new[0][1])))
    by_step = dict(old)
    for step, value in new:
        by_step.setdefault(int(step), float(value))
    return old if len(by_step) == len(old) else tuple(sorted(by_step.items()))


def _checked_values(number: int, result: Result, objectives: int) -> tuple[float, ...] | None:
    state, values = result.state, result.values
    if not state.is_finished:
        raise ObjectiveError(f"trial {number} was told {state.name}: a result is COMPLETE, PRUNED or FAIL")
    if state is TrialState.FAIL:
        if values is not None:
            raise ObjectiveError(f"trial {number} was told FAIL with values {values}: a failed trial has none")
        return None
    if values is None:
        if state is TrialState.PRUNED:
            return None
        raise ObjectiveError(f"trial {number} was told COMPLETE without values: give one per objective, or tell FAIL")
    if len(values) != objectives:
        raise ObjectiveError(f"trial {number} was told {len(values)} values: the study has {objectives} objectives")
    if state is TrialState.COMPLETE and not all(map(math.isfinite, values)):
        raise ObjectiveError(
            f"trial {number} was told {_shown(state, values)}: values must be finite. "
            "Tell FAIL if there is no result, or return a large finite number in place of infinity"
        )
    return tuple(map(float, values))


def _shown(state: TrialState, values: tuple[float, ...] | None) -> str:
    return state.name if values is None else f"{state.name} {', '.join(map(str, values))}"
