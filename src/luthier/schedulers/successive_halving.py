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
    reached the rung, itself included; while they are fewer than reduction_factor, only the best goes on. Where it
    did not ask just then, it is judged when it asks next. Trials must report at the same steps.

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
        """STOP or CONTINUE; every rung that the trial has reached is looked at.

        No store keeps which trial was first at a rung, and a study that was loaded again has to decide as the one that
        ran. So those of greater numbers count only where the trial is no further than the rung: later, they may have
        reached it after this one.
        """
        steps = [step for step, _ in history.records[number].reports]
        rung = self.min_resource * self.reduction_factor**self.min_early_stopping_rate
        while steps and rung <= steps[-1]:
            reached = next(step for step in steps if step >= rung)
            column = history.at_step(reached)
            values = column.values * history.signs[0]
            mine = float(values[column.numbers == number][0])
            stop = not self._is_kept(mine, values)
            if stop and reached != steps[-1]:
                stop = not self._is_kept(mine, values[column.numbers <= number])
            if stop:
                return Decision.STOP
            rung *= self.reduction_factor
        return Decision.CONTINUE

    def _is_kept(self, mine: float, values: Floats) -> bool:
        kept = max(1, len(values) // self.reduction_factor)
        return not math.isnan(mine) and int(np.count_nonzero(values < mine)) < kept  # NaN is less than nothing
