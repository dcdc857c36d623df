"""SchedulerContract: what every scheduler must do, as a suite that any can be run through.

```python
from luthier.testing.schedulers import SchedulerContract

class TestMine(SchedulerContract):
    def make(self):
        return MyPruner()
```
"""

from __future__ import annotations

import numpy as np

from ..history import History
from ..schedulers import Decision, Scheduler
from ..space import Float, Space
from ..trial import TrialRecord, TrialState
from ..types import Direction


def history_of(*curves: list[float], direction: Direction = "minimize", running: int = 1) -> History:
    """Trials with these learning curves, a report per step from 0; the last `running` ones still run."""
    history = History(Space({"x": Float(0, 1)}), [direction])
    for number, curve in enumerate(curves):
        runs = number >= len(curves) - running
        values = None if runs or not curve or not np.isfinite(curve[-1]) else (curve[-1],)
        state = TrialState.RUNNING if runs else TrialState.FAIL if values is None else TrialState.COMPLETE
        reports = tuple(enumerate(curve))
        history.put([TrialRecord(number, state, {"x": 0.5}, values, reports=reports)])
    return history


class SchedulerContract:
    """Subclass it and say how to make the scheduler."""

    def make(self) -> Scheduler:
        """A new scheduler with ordinary settings."""
        raise TypeError("a subclass says which scheduler to make")

    def test_is_a_scheduler(self) -> None:
        """It has the one method."""
        assert isinstance(self.make(), Scheduler)

    def test_without_reports_goes_on(self) -> None:
        """A trial that said nothing yet is let go on, alone and among others."""
        assert self.make().decide(history_of([]), 0) is Decision.CONTINUE
        assert self.make().decide(history_of(*[[1.0, 0.5]] * 8, []), 8) is Decision.CONTINUE

    def test_is_pure(self) -> None:
        """Asked twice, and asked of another instance, it says the same and changes nothing."""
        rng = np.random.default_rng(0)
        curves = [list(rng.random(9)) for _ in range(20)]
        for direction in ("minimize", "maximize"):
            history = history_of(*curves, direction=direction, running=5)
            one, two = self.make(), self.make()
            first = [one.decide(history, n) for n in range(15, 20)]
            assert first == [one.decide(history, n) for n in range(15, 20)]
            assert first == [two.decide(history, n) for n in range(15, 20)]

    def test_the_best_goes_on(self) -> None:
        """A trial that leads at every step is not stopped."""
        curves = [[1.0 + i / 10 - s / 100 for s in range(9)] for i in range(10)]
        for steps in range(1, 9):
            best = [0.1 - s / 100 for s in range(steps)]
            assert self.make().decide(history_of(*curves, best), 10) is Decision.CONTINUE
            turned = [[-v for v in c] for c in curves]
            history = history_of(*turned, [-v for v in best], direction="maximize")
            assert self.make().decide(history, 10) is Decision.CONTINUE

    def test_nan_is_survived(self) -> None:
        """NaN among the reports, anywhere, raises nothing."""
        nan = float("nan")
        history = history_of(*[[1.0, nan, 0.5]] * 8, [nan, nan], [nan, 0.1, nan], running=2)
        for number in (8, 9):
            assert isinstance(self.make().decide(history, number), Decision)
