"""SuccessiveHalvingPruner: asynchronous successive halving, the stopping variant."""

from __future__ import annotations

import math

import numpy as np

from ..history import History
from ..types import Floats
from .protocol import Decision


class SuccessiveHalvingPruner:
    """Lets only the best 1/reduction_factor of the trials go on at each rung, without waiting for others.

    >>> import luthier as lt
    >>> from luthier.schedulers import SuccessiveHalvingPruner
    >>> study = lt.create_study(pruner=SuccessiveHalvingPruner(min_resource=1, reduction_factor=2))
    >>> stops = []
    >>> for loss in (0.5, 0.9, 0.1):
    ...     trial = study.ask()
    ...     trial.report(loss, step=1)
    ...     stops.append(trial.should_prune())
    >>> stops
    [False, True, False]

    Li et al. 2020, "A system for massively parallel hyperparameter tuning" (ASHA, arXiv 1810.05934). Rung k
    is reached with the first report at or after step min_resource · reduction_factor^(k + s), s being
    min_early_stopping_rate. There the trial goes on if it is among the best 1/reduction_factor of those that have
    reached the rung, itself included; while they are fewer than reduction_factor, only the best goes on. A trial that
    went on is not judged by that rung at later steps, so ask after each report. Trials must report at the same steps.

    Args:
        min_resource: step of the first rung.
        reduction_factor: how many times fewer trials reach the next rung.
        min_early_stopping_rate: how many of the first rungs are left out.

    Raises:
        ValueError: an argument outside its range.
    """

    def __init__(self, min_resource: int = 1, reduction_factor: int = 4, min_early_stopping_rate: int = 0) -> None:
        if min_resource < 1:
            raise ValueError(f"min_resource={min_resource} must be at least 1")
        if reduction_factor < 2:
            raise ValueError(f"reduction_factor={reduction_factor} must be at least 2")
        if min_early_stopping_rate < 0:
            raise ValueError(f"min_early_stopping_rate={min_early_stopping_rate} must not be negative")
        self.min_resource = min_resource
        self.reduction_factor = reduction_factor
        self.min_early_stopping_rate = min_early_stopping_rate

    def decide(self, history: History, number: int) -> Decision:
        """STOP or CONTINUE; by the rungs that the trial's latest report is the first to reach.

        Rungs that it passed earlier are not looked at again: those that have come since may be better, but asynchronous
        halving never takes back that a trial goes on. A study that was loaded again decides as the one that ran, since
        which trial was first at a rung, which no store keeps, does not matter.
        """
        steps = [step for step, _ in history.records[number].reports]
        if not steps or not self._is_rung_between(steps[-2] if len(steps) > 1 else None, steps[-1]):
            return Decision.CONTINUE
        column = history.at_step(steps[-1])
        values = column.values * history.signs[0]
        mine = float(values[column.numbers == number][0])
        return Decision.CONTINUE if self._is_kept(mine, values) else Decision.STOP

    def _is_rung_between(self, before: int | None, step: int) -> bool:
        """Whether a rung lies after the report before, if there is one, and at or before this step."""
        rung: int = self.min_resource * self.reduction_factor**self.min_early_stopping_rate
        while before is not None and rung <= before:
            rung *= self.reduction_factor
        return rung <= step

    def _is_kept(self, mine: float, values: Floats) -> bool:
        kept = max(1, len(values) // self.reduction_factor)
        return not math.isnan(mine) and int(np.count_nonzero(values < mine)) < kept  # NaN is less than nothing
