"""PatientPruner: gives a trial time to recover before another pruner may stop it."""

from __future__ import annotations

import math

from ..history import History
from .protocol import Decision, Scheduler
from .steps import best_report


class PatientPruner:
    """Stops a trial only when its reports have not improved for a while, and the wrapped pruner agrees.

    Args:
        wrapped: the pruner that decides once patience is over; None to stop then at once.
        patience: how many reports in a row may bring no improvement.
        min_delta: less than this is no improvement.

    Raises:
        ValueError: a negative argument.
    """

    def __init__(self, wrapped: Scheduler | None, patience: int, min_delta: float = 0.0) -> None:
        if patience < 0 or min_delta < 0:
            raise ValueError("patience and min_delta must not be negative")
        self.wrapped = wrapped
        self.patience = patience
        self.min_delta = min_delta

    def decide(self, history: History, number: int) -> Decision:
        """STOP or CONTINUE."""
        reports = history.records[number].reports
        if len(reports) <= self.patience + 1:
            return Decision.CONTINUE
        sign = float(history.signs[0])
        before = best_report(reports[: -self.patience - 1], sign)
        since = best_report(reports[-self.patience - 1 :], sign)
        if not math.isnan(since) and not before + self.min_delta < since:
            return Decision.CONTINUE
        return Decision.STOP if self.wrapped is None else self.wrapped.decide(history, number)
