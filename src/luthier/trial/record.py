"""What is known of one trial, and the one table of the state changes that are allowed."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from ..errors import TrialNotRunning
from ..notebook import short, table
from ..types import Label


class TrialState(enum.IntEnum):
    """Says where a trial is in its life; the numbers are what stores hold.

    >>> import luthier as lt
    >>> lt.TrialState.PRUNED.is_finished, lt.TrialState.RUNNING.is_active
    (True, True)
    >>> print(lt.TrialState.COMPLETE)
    COMPLETE

    The numbers have no order: a state is asked for what it is.
    """

    WAITING = 0
    RUNNING = 1
    COMPLETE = 2
    PRUNED = 3
    FAIL = 4

    @property
    def is_finished(self) -> bool:
        """Whether nothing can change any more."""
        return self in FINISHED

    @property
    def is_active(self) -> bool:
        """Whether a process runs the trial."""
        return self in ACTIVE

    def __str__(self) -> str:
        return self.name

    def __format__(self, spec: str) -> str:
        return format(self.name, spec)


FINISHED = frozenset({TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL})
"""The states in which nothing can change any more."""
ACTIVE = frozenset({TrialState.RUNNING})
"""The states in which a process runs the trial."""


TRANSITIONS: Mapping[TrialState, frozenset[TrialState]] = MappingProxyType(
    {
        TrialState.WAITING: frozenset({TrialState.RUNNING, TrialState.FAIL}),
        TrialState.RUNNING: frozenset({TrialState.WAITING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}),
        TrialState.COMPLETE: frozenset(),
        TrialState.PRUNED: frozenset(),
        TrialState.FAIL: frozenset(),
    }
)
"""The one table of allowed changes. RUNNING to WAITING is a dead worker's trial that is queued again."""


def check_transition(number: int, old: TrialState, new: TrialState) -> None:
    """Raise `TrialNotRunning` unless trial `number` may go from `old` to `new`."""
    if new not in TRANSITIONS[old]:
        hint = "it was told already" if old.is_finished else "ask for it first"
        raise TrialNotRunning(f"trial {number} is {old.name} and cannot become {new.name}: {hint}")


@dataclass(frozen=True, slots=True, init=False)
class TrialRecord:
    """Holds one trial as it stands in a store: a value that never changes.

    >>> import luthier as lt
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)})
    >>> record = study.tell(study.ask(fixed={"x": 0.5}), 0.25)
    >>> record.number, record.state.name, dict(record.params), record.values
    (0, 'COMPLETE', {'x': 0.5}, (0.25,))

    Attributes:
        number: position in the study, from 0, without gaps.
        state: where it is in its life.
        params: stored values of the active parameters, by name.
        values: one per objective; None until the trial is told (a pruned trial may have its last report).
        constraints: feasible where every entry is at most 0.
        reports: (step, value) pairs in the order of steps, each step once.
        attrs: whatever the user attached; JSON.
        error: the traceback of a failed objective.
        created, started, finished: seconds since the epoch by the store's clock.
        owner: who runs it.
        token: the fencing token of its present lease; empty before the first.
        retries: how often it was queued again after its worker died.
    """

    number: int
    state: TrialState
    params: Mapping[str, Label] = field(default_factory=dict)
    values: tuple[float, ...] | None = None
    constraints: tuple[float, ...] = ()
    reports: tuple[tuple[int, float], ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    owner: str = ""
    token: str = ""
    retries: int = 0

    def __init__(
        self,
        number: int,
        state: TrialState,
        params: Mapping[str, Label] | None = None,
        values: tuple[float, ...] | None = None,
        constraints: tuple[float, ...] = (),
        reports: tuple[tuple[int, float], ...] = (),
        attrs: Mapping[str, Any] | None = None,
        error: str | None = None,
        created: float = 0.0,
        started: float | None = None,
        finished: float | None = None,
        owner: str = "",
        token: str = "",
        retries: int = 0,
    ) -> None:
        # by the slots' descriptors: what a frozen dataclass does takes twice as long, 1 µs, and every trial makes two
        _set_number(self, number)
        _set_state(self, state)
        _set_params(self, {} if params is None else params)
        _set_values(self, values)
        _set_constraints(self, constraints)
        _set_reports(self, reports)
        _set_attrs(self, {} if attrs is None else attrs)
        _set_error(self, error)
        _set_created(self, created)
        _set_started(self, started)
        _set_finished(self, finished)
        _set_owner(self, owner)
        _set_token(self, token)
        _set_retries(self, retries)

    @property
    def value(self) -> float | None:
        """The value of the only objective; None where there is none yet.

        Raises:
            ValueError: the study has several objectives.
        """
        if self.values is None:
            return None
        if len(self.values) != 1:
            raise ValueError(f"trial {self.number} has {len(self.values)} values: use .values")
        return self.values[0]

    @property
    def is_feasible(self) -> bool:
        """Whether every constraint is at most 0, so that none is NaN."""
        return all(c <= 0 for c in self.constraints)

    @property
    def seconds(self) -> float | None:
        """How long the trial ran; None unless it is finished."""
        if self.started is None or self.finished is None:
            return None
        return self.finished - self.started

    def __repr__(self) -> str:
        values = "" if self.values is None else f", {', '.join(f'{x:.6g}' for x in self.values)}"
        return f"TrialRecord({self.number}, {self.state.name}{values}, {dict(self.params)!r})"

    def _repr_html_(self) -> str:
        rows: list[tuple[object, object]] = [("values", ", ".join(map(short, self.values)))] if self.values else []
        rows += [*self.params.items(), *((f"attribute {key}", value) for key, value in self.attrs.items())]
        rows += [("seconds", self.seconds)] if self.seconds is not None else []
        rows += [("error", self.error.strip().splitlines()[-1])] if self.error and self.error.strip() else []
        return table(f"trial {self.number}: {self.state.name}", (), rows)

    def with_(self, **changes: Any) -> TrialRecord:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


_SLOTS = vars(TrialRecord)
_set_number = _SLOTS["number"].__set__
_set_state = _SLOTS["state"].__set__
_set_params = _SLOTS["params"].__set__
_set_values = _SLOTS["values"].__set__
_set_constraints = _SLOTS["constraints"].__set__
_set_reports = _SLOTS["reports"].__set__
_set_attrs = _SLOTS["attrs"].__set__
_set_error = _SLOTS["error"].__set__
_set_created = _SLOTS["created"].__set__
_set_started = _SLOTS["started"].__set__
_set_finished = _SLOTS["finished"].__set__
_set_owner = _SLOTS["owner"].__set__
_set_token = _SLOTS["token"].__set__
_set_retries = _SLOTS["retries"].__set__
