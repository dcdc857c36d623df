"""SchedulerContract: what every scheduler must do, as a suite that any can be run through. Needs pytest.

```python
from luthier.testing.schedulers import SchedulerContract

class TestMine(SchedulerContract):
    def make(self):
        return MyPruner()
```

pytest then asks your scheduler in every kind of history that a study can bring about. Warnings count as failures.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import pytest

from ..history import History
from ..schedulers import Decision, Scheduler
from ..space import Float, Space
from ..trial import TrialRecord, TrialState
from ..types import Direction
from .histories import HISTORIES, SPACES, STATE_HISTORIES

_NAN, _INF = math.nan, math.inf
_STEPS = 12

Curve = Sequence[float] | dict[int, float]

REPORTS: dict[str, Callable[[np.random.Generator], dict[int, float]]] = {
    "every step": lambda rng: dict(enumerate(rng.normal(size=int(rng.integers(1, _STEPS))).tolist())),
    "one report": lambda rng: {int(rng.integers(_STEPS)): float(rng.normal())},
    "steps of their own": lambda rng: {int(s): float(rng.normal()) for s in rng.integers(0, 10**6, size=5)},
    "NaN among them": lambda rng: {s: float(rng.choice([_NAN, rng.normal()])) for s in range(_STEPS)},
    "NaN alone": lambda rng: dict.fromkeys(range(int(rng.integers(1, 5))), _NAN),
    "infinite": lambda rng: {s: float(rng.choice([_INF, -_INF])) for s in range(int(rng.integers(1, _STEPS)))},
    "all kinds": lambda rng: {
        int(s): float(rng.choice([_NAN, _INF, -_INF, 1e308, -1e308, 0.0, 5e-324, rng.normal()]))
        for s in rng.permutation(_STEPS)[: int(rng.integers(0, _STEPS))]
    },
    "equal": lambda rng: dict.fromkeys(range(int(rng.integers(1, _STEPS))), 0.5),
}
"""What trials report, by name: step to value."""


def history_of(*curves: Curve, direction: Direction = "minimize", running: int = 1) -> History:
    """Trials with these learning curves, a list with a report per step from 0; the last `running` ones still run."""
    history = History(Space({"x": Float(0, 1)}), [direction])
    for number, curve in enumerate(curves):
        reports = _sorted(curve)
        runs = number >= len(curves) - running
        values = None if runs or not reports or not np.isfinite(reports[-1][1]) else (reports[-1][1],)
        state = TrialState.RUNNING if runs else TrialState.FAIL if values is None else TrialState.COMPLETE
        history.put([TrialRecord(number, state, {"x": 0.5}, values, reports=reports)])
    return history


def _sorted(curve: Curve) -> tuple[tuple[int, float], ...]:
    return tuple(sorted(curve.items() if isinstance(curve, dict) else enumerate(curve)))


def _with_reports(history: History, kind: str, seed: int = 0) -> History:
    """The same trials with reports, and five more that run."""
    rng, found = np.random.default_rng(seed), History(history.space, history.directions)
    for record in history.records:
        waits = record.state is TrialState.WAITING
        found.put([record.with_(reports=() if waits else _sorted(REPORTS[kind](rng)))])
    for _ in range(5):
        found.put([TrialRecord(len(found), TrialState.RUNNING, {}, reports=_sorted(REPORTS[kind](rng)))])
    return found


def _running(history: History) -> list[int]:
    return [r.number for r in history.records if r.state is TrialState.RUNNING]


def _loaded(history: History) -> History:
    found = History(history.space, history.directions)
    found.put(history.records)
    return found


class SchedulerContract:
    """Tests a scheduler: subclass it in a test file and say how to make the scheduler.

    >>> from luthier.schedulers import MedianPruner
    >>> from luthier.testing.schedulers import SchedulerContract
    >>> class TestMine(SchedulerContract):
    ...     def make(self):
    ...         return MedianPruner()

    Attributes:
        stops_a_plateau: whether it stops trials because they do not change.
        stops_any_value: whether it stops trials for what they report, whatever others do.
    """

    stops_a_plateau: ClassVar[bool] = False
    stops_any_value: ClassVar[bool] = False

    def make(self) -> Scheduler:
        """A new scheduler with ordinary settings; one whose arguments are values treats x and -x alike."""
        raise TypeError("a subclass must define which scheduler to make")

    def ask(self, history: History, number: int, scheduler: Scheduler | None = None) -> Decision:
        """What a scheduler decides, without warnings and leaving the history as it was."""
        before = list(history.records)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = (scheduler or self.make()).decide(history, number)
        assert isinstance(found, Decision)
        assert history.records == before, "a scheduler reads only"
        return found

    def ask_all(self, history: History) -> list[Decision]:
        """The decisions over all running trials, the same ones from a new scheduler and from a loaded history."""
        scheduler = self.make()
        found = [self.ask(history, n, scheduler) for n in _running(history)]
        assert found == [self.ask(history, n, scheduler) for n in _running(history)], "the second answer differs"
        assert found == [self.ask(history, n) for n in _running(history)], "a new scheduler decides differently"
        loaded = _loaded(history)
        assert found == [self.ask(loaded, n) for n in _running(loaded)], "a history that was loaded decides differently"
        return found

    def test_is_a_scheduler(self) -> None:
        """It has the one method."""
        assert isinstance(self.make(), Scheduler)

    def test_without_reports_goes_on(self) -> None:
        """A trial that has reported nothing is let go on, alone and among others."""
        assert self.ask(history_of([]), 0) is Decision.CONTINUE
        assert self.ask(history_of(*[[1.0, 0.5]] * 8, []), 8) is Decision.CONTINUE
        assert self.ask(history_of(*[[]] * 9), 8) is Decision.CONTINUE

    # -- whatever the history

    @pytest.mark.parametrize("kind", REPORTS)
    @pytest.mark.parametrize("history", HISTORIES)
    def test_any_history(self, history: str, kind: str) -> None:
        """Complete, pruned, failed, running and waiting trials, whatever they reported."""
        self.ask_all(_with_reports(HISTORIES[history](SPACES["mixed"]), kind))

    @pytest.mark.parametrize("history", STATE_HISTORIES)
    def test_hardly_any_trial_is_complete(self, history: str) -> None:
        """With the reports of those that were pruned."""
        for direction in ("minimize", "maximize"):
            known = STATE_HISTORIES[history](SPACES["two points"], (direction,))
            self.ask_all(known)
            self.ask_all(_with_reports(known, "all kinds"))

    @pytest.mark.parametrize("kind", REPORTS)
    def test_the_order_in_which_reports_came_does_not_matter(self, kind: str) -> None:
        """A study that was loaded again decides as the one that ran: no store keeps who was first."""
        rng = np.random.default_rng(0)
        curves = [_sorted(REPORTS[kind](rng)) for _ in range(12)]
        history = history_of(*([[]] * 12), running=12)
        arrivals = [n for n, curve in enumerate(curves) for _ in curve]
        for n in rng.permutation(arrivals).tolist():
            known = history.records[n].reports
            history.put([history.records[n].with_(reports=curves[n][: len(known) + 1])])
            assert self.ask(history, n) is self.ask(_loaded(history), n)
        for n in (0, 3, 4, 8):  # the columns keep the order in which all came
            history.put([history.records[n].with_(state=TrialState.COMPLETE, values=(0.5,))])
        self.ask_all(history)

    def test_a_report_that_comes_late_takes_its_place(self) -> None:
        """Reports are in the order of steps."""
        curves = [[1.0 + i / 10 - s / 100 for s in range(9)] for i in range(10)]
        late = history_of(*curves, {0: 1.0, 4: 0.9})
        late.put([late.records[10].with_(reports=((0, 1.0), (2, 5.0), (4, 0.9)))])
        at_once = history_of(*curves, {0: 1.0, 2: 5.0, 4: 0.9})
        assert self.ask(late, 10) is self.ask(at_once, 10)

    # -- what it must stop, and what it must not

    @pytest.mark.parametrize("kind", REPORTS)
    def test_the_two_directions_mirror_each_other(self, kind: str) -> None:
        """Maximising -y is minimising y."""
        rng = np.random.default_rng(1)
        curves = [REPORTS[kind](rng) for _ in range(16)]
        turned = [{step: -value for step, value in curve.items()} for curve in curves]
        one = history_of(*curves, running=6)
        other = history_of(*turned, direction="maximize", running=6)
        assert self.ask_all(one) == self.ask_all(other)

    @pytest.mark.parametrize("value", [0.0, 1.0, -1e-300, 3.25])
    def test_a_constant_objective_is_not_stopped(self, value: float) -> None:
        """Trials that all report the same are equal: none is worse than the others."""
        if self.stops_a_plateau:
            return
        for n in range(1, 9):
            history = history_of(*[[value] * 9] * 8, *[[value] * n] * 3, running=3)
            assert self.ask_all(history) == [Decision.CONTINUE] * 3

    def test_the_best_goes_on(self) -> None:
        """A trial that leads at every step is not stopped."""
        curves = [[1.0 + i / 10 - s / 100 for s in range(9)] for i in range(10)]
        for steps in range(1, 9):
            best = [0.1 - s / 100 for s in range(steps)]
            assert self.ask(history_of(*curves, best), 10) is Decision.CONTINUE
            turned = [[-v for v in c] for c in curves]
            history = history_of(*turned, [-v for v in best], direction="maximize")
            assert self.ask(history, 10) is Decision.CONTINUE

    def test_the_best_goes_on_among_trials_that_diverged(self) -> None:
        """NaN and infinite reports of others are as bad as it gets."""
        if self.stops_any_value:
            return
        for bad in ([_NAN] * 9, [1.0, _NAN, 0.9] * 3, [_INF] * 9, [1e308] * 9):
            for steps in range(1, 9):
                best = [0.1 - s / 100 for s in range(steps)]
                assert self.ask(history_of(*[bad] * 10, best), 10) is Decision.CONTINUE

    def test_nan_is_survived(self) -> None:
        """NaN among the reports, anywhere, raises nothing."""
        history = history_of(*[[1.0, _NAN, 0.5]] * 8, [_NAN, _NAN], [_NAN, 0.1, _NAN], running=2)
        self.ask_all(history)
