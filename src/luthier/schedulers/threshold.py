"""ThresholdPruner: stops trials whose reports leave a band."""

from __future__ import annotations

import math

from ..history import History
from .protocol import Decision
from .steps import is_first_in_interval


class ThresholdPruner:
    """Stops a trial whose report is NaN, below `lower` or above `upper`.

    >>> import luthier as lt
    >>> from luthier.schedulers import ThresholdPruner
    >>> trial = lt.create_study(pruner=ThresholdPruner(upper=10)).ask()
    >>> stops = []
    >>> for step, loss in enumerate([2.0, 11.0]):
    ...     trial.report(loss, step)
    ...     stops.append(trial.should_prune())
    >>> stops
    [False, True]

    Args:
        lower: the least value that is let pass; None for any.
        upper: the greatest value that is let pass; None for any.
        n_warmup_steps: nothing is stopped before this step.
        interval_steps: look only every this many steps, counted from the warm-up.

    Raises:
        ValueError: neither bound is given, lower > upper, or an argument outside its range.
    """

    def __init__(
        self,
        lower: float | None = None,
        upper: float | None = None,
        n_warmup_steps: int = 0,
        interval_steps: int = 1,
    ) -> None:
        if lower is None and upper is None:
            raise ValueError("give lower, upper, or both")
        self.lower = -math.inf if lower is None else float(lower)
        self.upper = math.inf if upper is None else float(upper)
        if not self.lower <= self.upper:
            raise ValueError(f"lower={lower} must not be greater than upper={upper}")
        if n_warmup_steps < 0 or interval_steps < 1:
            raise ValueError("n_warmup_steps must not be negative, interval_steps at least 1")
        self.n_warmup_steps = n_warmup_steps
        self.interval_steps = interval_steps

    def decide(self, history: History, number: int) -> Decision:
        """STOP or CONTINUE."""
        reports = history.records[number].reports
        if not is_first_in_interval(reports, self.n_warmup_steps, self.interval_steps):
            return Decision.CONTINUE
        inside = self.lower <= reports[-1][1] <= self.upper  # False for NaN
        return Decision.CONTINUE if inside else Decision.STOP
