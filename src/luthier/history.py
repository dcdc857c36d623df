"""History: what samplers and schedulers see of a study, in columns that are appended to in place.

Row i is trial number i. Nothing here loops over trials when a suggestion is made: what changed since the
columns were last looked at is written into them then, and a trial is encoded again only when the space
changes. A sampler that looks at nothing costs nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import SpaceError
from .space import Space
from .trial import FINISHED, TrialRecord, TrialState
from .types import Direction, Floats, Ints, Label, Mask, Reports, Rows

_KEPT_CHANGES = 2**16
_STATES = 128  # numbers that a state may have: an int8


class _Column:
    """A NumPy array whose first axis grows, doubling its room."""

    def __init__(self, width: tuple[int, ...], dtype: Any, fill: float) -> None:
        self._fill = fill
        self._data: NDArray[Any] = np.full((16, *width), fill, dtype=dtype)

    def view(self, n: int) -> NDArray[Any]:
        if n > len(self._data):
            room = np.full((max(n, 2 * len(self._data)), *self._data.shape[1:]), self._fill, dtype=self._data.dtype)
            room[: len(self._data)] = self._data
            self._data = room
        return self._data[:n]


class StepColumn:
    """What was reported at one step: numbers (k,) and values (k,), in the order of arrival."""

    def __init__(self) -> None:
        self._numbers = _Column((), np.int64, -1)
        self._values = _Column((), np.float64, np.nan)
        self._n = 0

    def append(self, number: int, value: float) -> None:
        """Add one report."""
        self._n += 1
        self._numbers.view(self._n)[-1] = number
        self._values.view(self._n)[-1] = value

    @property
    def numbers(self) -> Ints:
        """(k,) trials that reported at this step."""
        return self._numbers.view(self._n)

    @property
    def values(self) -> Floats:
        """(k,) what they reported, in the study's direction (as the objective gave it)."""
        return self._values.view(self._n)


class History:
    """Trials of a study as columns. Not safe for threads: the study holds its lock.

    Args:
        space: the space under which parameters are encoded.
        directions: one of "minimize" and "maximize" for each objective.
    """

    def __init__(self, space: Space, directions: Sequence[Direction] = ("minimize",)) -> None:
        self.space = space
        self.directions: tuple[Direction, ...] = tuple(directions)
        self.signs: Floats = np.array([1.0 if x == "minimize" else -1.0 for x in self.directions])  # (m,)
        self.records: list[TrialRecord] = []
        self.version = 0  # grows with every change: what a sampler may key its cache with
        self._changes: deque[tuple[int, int]] = deque(maxlen=_KEPT_CHANGES)
        self._X = _Column((len(space),), np.float64, np.nan)
        self._states = _Column((), np.int8, TrialState.WAITING)
        self._values = _Column((len(self.directions),), np.float64, np.nan)
        self._constraints = _Column((0,), np.float64, np.nan)
        self._feasible = _Column((), np.bool_, True)
        self._finished = _Column((), np.float64, -np.inf)
        self._last_step = _Column((), np.int64, -1)
        self._last_value = _Column((), np.float64, np.nan)
        self._steps: dict[int, StepColumn] = {}
        self._stale: dict[int, TrialRecord | None] = {}  # rows behind `records`, with what they show
        self._waiting = 0
        self.asked: int | None = None  # the trial that a suggestion is for, where the study sets it

    def __len__(self) -> int:
        return len(self.records)

    # -- what is in it

    @property
    def X(self) -> Floats:
        """(n, d) encoded parameters; NaN where inactive or unknown; see `Space` for the coordinates."""
        return self._fresh(self._X)

    @property
    def states(self) -> NDArray[np.int8]:
        """(n,) values of TrialState."""
        return self._fresh(self._states)

    @property
    def values(self) -> Floats:
        """(n, m) what trials were told; NaN where nothing was."""
        return self._fresh(self._values)

    @property
    def losses(self) -> Floats:
        """(n, m) values turned so that less is better."""
        return self.values * self.signs

    @property
    def constraints(self) -> Floats:
        """(n, c) constraint values; feasible at <= 0; NaN where none was given."""
        self._refresh()  # which may make room for more of them
        return self._fresh(self._constraints)

    @property
    def feasible(self) -> Mask:
        """(n,) whether every constraint is at most 0, so that none is NaN."""
        return self._fresh(self._feasible)

    @property
    def last_step(self) -> Ints:
        """(n,) the last step reported; -1 for none."""
        return self._fresh(self._last_step)

    @property
    def last_value(self) -> Floats:
        """(n,) the last value reported; NaN for none."""
        return self._fresh(self._last_value)

    @property
    def steps(self) -> list[int]:
        """All steps that were ever reported, in order."""
        self._refresh()
        return sorted(self._steps)

    def is_state(self, *states: TrialState) -> Mask:
        """(n,) which trials are in one of the states."""
        known = self.states
        mask: Mask = np.zeros(len(known), dtype=np.bool_)
        for state in states:
            mask |= known == int(state)  # an enum would be compared as int64: nine times as slow
        return mask

    @property
    def is_running(self) -> Mask:
        """(n,) trials that are being evaluated."""
        return np.equal(self.states, int(TrialState.RUNNING))

    @property
    def is_complete(self) -> Mask:
        """(n,) trials that were told a result."""
        return np.equal(self.states, int(TrialState.COMPLETE))

    @property
    def is_finished(self) -> Mask:
        """(n,) trials in which nothing can change any more."""
        return self.is_state(*FINISHED)

    @property
    def finish_order(self) -> Rows:
        """(f,) rows of finished trials in the order in which they finished: by time, then by number.

        A trial without a time comes before those that have one.
        """
        rows = np.flatnonzero(self.is_finished)
        return rows[np.argsort(self._fresh(self._finished)[rows], kind="stable")]

    def counts(self) -> dict[TrialState, int]:
        """Return how many trials are in each state."""
        found = np.bincount(self.states, minlength=_STATES).tolist()
        return {state: found[state] for state in TrialState}

    def best(self) -> TrialRecord | None:
        """Return the complete, feasible trial with the best value, the earliest of equals.

        None where there is none yet, or where there are several objectives.
        """
        rows = np.flatnonzero(self.is_complete & self.feasible)
        if len(self.directions) != 1 or not len(rows):
            return None
        return self.records[int(rows[np.argmin(self.losses[rows, 0])])]

    def at_step(self, step: int) -> StepColumn:
        """Return all that was reported at one step, in O(1)."""
        self._refresh()
        return self._steps.get(step) or StepColumn()

    @property
    def has_waiting(self) -> bool:
        """Whether any trial waits to be started."""
        return self._waiting > 0

    def next_numbers(self, n: int) -> list[int]:
        """Return the numbers of the n trials that suggestions are for.

        First the one that was asked for, if the study has set it, then rows that wait, then new ones.
        """
        numbers = [] if self.asked is None else [self.asked]
        if self._waiting:
            waiting: list[int] = np.flatnonzero(self.is_state(TrialState.WAITING)).tolist()
            numbers += [number for number in waiting if number != self.asked]
        first = max(len(self.records), -1 if self.asked is None else self.asked + 1)
        return (numbers + list(range(first, first + n)))[:n]

    # -- how it grows

    def put(self, records: Iterable[TrialRecord]) -> None:
        """Add new trials or put their newer records in place of the old.

        Raises:
            ValueError: a number would leave a gap.
        """
        self.version += 1
        for record in records:
            i = record.number
            if i > len(self.records):
                raise ValueError(f"trial {i} came before trial {len(self.records)}")
            if i == len(self.records):
                self.records.append(record)
                self._stale[i] = None
            else:
                old = self.records[i]
                self._waiting -= old.state is TrialState.WAITING
                self._stale.setdefault(i, old)
                self.records[i] = record
            self._waiting += record.state is TrialState.WAITING
            self._changes.append((self.version, i))

    def changed_since(self, version: int) -> list[int] | None:
        """Rows that came or changed after that version, some perhaps several times; None if it is too long ago."""
        if len(self._changes) == _KEPT_CHANGES and self._changes[0][0] > version:
            return None
        rows = []
        for at, row in reversed(self._changes):
            if at <= version:
                break
            rows.append(row)
        return rows

    def _fresh(self, column: _Column) -> NDArray[Any]:
        if self._stale:
            self._refresh()
        return column.view(len(self.records))

    def _refresh(self) -> None:
        """Write what changed since the last look into the columns."""
        stale, self._stale = self._stale, {}
        encode = []
        for i, old in stale.items():
            record = self.records[i]
            if old is None or record.params != old.params:
                encode.append(i)
            self._write(i, record, old)
        if encode:
            self._X.view(len(self.records))[encode] = _encoded(self.space, [self.records[i].params for i in encode])

    def _write(self, i: int, record: TrialRecord, old: TrialRecord | None) -> None:
        n = len(self.records)
        self._states.view(n)[i] = record.state
        self._finished.view(n)[i] = -np.inf if record.finished is None else record.finished
        if record.values is not None:
            self._values.view(n)[i] = record.values
        elif old is not None and old.values is not None:
            self._values.view(n)[i] = np.nan
        if record.constraints or (old is not None and old.constraints):
            self._constraint_room(len(record.constraints))
            self._constraints.view(n)[i] = np.nan
            self._constraints.view(n)[i, : len(record.constraints)] = record.constraints
            self._feasible.view(n)[i] = record.is_feasible
        before = old.reports if old is not None else ()
        if record.reports is not before:
            known = len(before)
            if not _is_prefix(before, record.reports):
                self._forget_reports(i, before)
                known = 0
            for step, value in record.reports[known:]:
                self._steps.setdefault(step, StepColumn()).append(i, value)
            last = record.reports[-1] if record.reports else (-1, np.nan)
            self._last_step.view(n)[i], self._last_value.view(n)[i] = last

    def _forget_reports(self, i: int, reports: Reports) -> None:
        for step, _ in reports:
            column, kept = self._steps.pop(step), StepColumn()
            for number, value in zip(column.numbers.tolist(), column.values.tolist(), strict=True):
                if number != i:
                    kept.append(number, value)
            self._steps[step] = kept

    def _constraint_room(self, c: int) -> None:
        width = self._constraints.view(0).shape[1]
        if c > width:
            n = len(self.records)
            wider = _Column((c,), np.float64, np.nan)
            wider.view(n)[:, :width] = self._constraints.view(n)
            self._constraints = wider

    def under(self, space: Space) -> History:
        """Return the same trials encoded under another space; itself if the space is the same."""
        if space is self.space or space == self.space:
            return self
        other = History(space, self.directions)
        other.put(self.records)
        return other


def _encoded(space: Space, params: list[Mapping[str, Label]]) -> Floats:
    """(n, d) encoded parameters; NaN where a value is not in the domain, as one that was queued or added may be
    before an objective has shown its domain.
    """
    try:
        return space.encode(params)
    except (SpaceError, TypeError, ValueError, OverflowError):
        return space.encode([space.known(one) for one in params])


def _is_prefix(short: Reports, long: Reports) -> bool:
    return len(short) <= len(long) and (not short or short[-1] == long[len(short) - 1])
