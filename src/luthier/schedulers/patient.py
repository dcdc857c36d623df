"""PatientPruner: gives a trial time to recover before it is stopped."""

from __future__ import annotations

import math

from ..history import History
from .protocol import Decision, Scheduler
from .steps import best_report


class PatientPruner:
    """Stops a trial only when its reports have not improved for a while, and the wrapped pruner agrees.

    >>> import luthier as lt
    >>> from luthier.schedulers import PatientPruner
    >>> study = lt.create_study(pruner=PatientPruner(None, patience=3, min_delta=0.01))
    >>> trial = study.ask()
    >>> stops = []
    >>> for step, loss in enumerate([0.9, 0.5, 0.5, 0.499, 0.5, 0.498, 0.5]):
    ...     trial.report(loss, step)
    ...     stops.append(trial.should_prune())
    >>> stops
    [False, False, False, False, False, True, True]

    The best of the last patience + 1 reports is compared with the best before them. NaN improves on nothing.

    Args:
        wrapped: the pruner that decides once patience is over; None to stop then at once.
        patience: how many reports in a row may bring no improvement.
        min_delta: a gain below this is not an improvement; 0 for any.

    Raises:
        ValueError: a negative argument.
    """

    def __init__(self, wrapped: Scheduler | None, patience: int, min_delta: float = 0.0) -> None:
        if not isinstance(patience, int) or patience < 0:
            raise ValueError(f"patience={patience!r} must be a whole number of reports, 0 or more")
        if not min_delta >= 0:
            raise ValueError(f"min_delta={min_delta} must not be negative")
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
        improves = since < before and before - since >= self.min_delta
        if improves or (math.isnan(before) and not math.isnan(since)):
            return Decision.CONTINUE
        return Decision.STOP if self.wrapped is None else self.wrapped.decide(history, number)
