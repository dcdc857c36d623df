"""SuccessiveHalvingPruner: asynchronous successive halving, the stopping variant."""

from __future__ import annotations

import numpy as np

from ..history import History
from .protocol import Decision


class SuccessiveHalvingPruner:
    """Lets only the best 1/reduction_factor of the trials go on at each rung, without waiting for others.

    Li et al. 2020, "A system for massively parallel hyperparameter tuning" (ASHA, arXiv 1810.05934). Rung k
    is reached with the first report at or after step min_resource · reduction_factor^(k + s), s being
    min_early_stopping_rate. There the trial goes on if it is among the best 1/reduction_factor of those
    that reached the rung before it, itself included; while they are fewer than reduction_factor, only the
    best goes on. Trials must report at the same steps.

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
        """STOP or CONTINUE; every rung that the trial has reached is looked at, as it stood when it did."""
        steps = [step for step, _ in history.records[number].reports]
        rung = self.min_resource * self.reduction_factor**self.min_early_stopping_rate
        while steps and rung <= steps[-1]:
            reached = next(step for step in steps if step >= rung)
            if not self._goes_on(history, number, reached):
                return Decision.STOP
            rung *= self.reduction_factor
        return Decision.CONTINUE

    def _goes_on(self, history: History, number: int, step: int) -> bool:
        column = history.at_step(step)
        place = int(np.flatnonzero(column.numbers == number)[0])
        values = column.values[: place + 1] * history.signs[0]  # those who came before, and itself
        mine = values[-1]
        if np.isnan(mine):
            return False
        kept = max(1, len(values) // self.reduction_factor)
        return bool((values < mine).sum() < kept)  # a comparison with NaN is False: it beats nobody
