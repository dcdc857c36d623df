"""PercentilePruner and MedianPruner: stop a trial that is worse than most finished ones were at the same step."""

from __future__ import annotations

import math

import numpy as np

from ..history import History
from ..types import Floats
from .protocol import Decision
from .steps import best_report, is_first_in_interval


class PercentilePruner:
    """Stops a trial whose best report so far is worse than a percentile of the complete trials at this step.

    >>> import luthier as lt
    >>> from luthier.schedulers import PercentilePruner
    >>> study = lt.create_study(pruner=PercentilePruner(25, n_startup_trials=4))
    >>> for loss in (0.1, 0.2, 0.3, 0.4):
    ...     trial = study.ask()
    ...     trial.report(loss, step=0)
    ...     record = study.tell(trial, loss)
    >>> trial = study.ask()
    >>> trial.report(0.25, step=0)
    >>> trial.should_prune()  # not among the best quarter
    True

    Args:
        percentile: which share of trials is kept, in percent: 25 keeps the best quarter.
        n_startup_trials: nothing is stopped until this many trials are complete.
        n_warmup_steps: nothing is stopped before this step.
        interval_steps: look only every this many steps, counted from the warm-up.
        n_min_trials: nothing is stopped at a step that fewer complete trials reported at.

    Raises:
        ValueError: an argument outside its range.
    """

    def __init__(
        self,
        percentile: float,
        n_startup_trials: int = 5,
        n_warmup_steps: int = 0,
        interval_steps: int = 1,
        n_min_trials: int = 1,
    ) -> None:
        if not 0 <= percentile <= 100:
            raise ValueError(f"percentile={percentile} must lie in [0, 100]")
        if n_startup_trials < 0 or n_warmup_steps < 0:
            raise ValueError("n_startup_trials and n_warmup_steps must not be negative")
        if interval_steps < 1 or n_min_trials < 1:
            raise ValueError("interval_steps and n_min_trials must be at least 1")
        self.percentile = percentile
        self.n_startup_trials = n_startup_trials
        self.n_warmup_steps = n_warmup_steps
        self.interval_steps = interval_steps
        self.n_min_trials = n_min_trials

    def decide(self, history: History, number: int) -> Decision:
        """STOP or CONTINUE."""
        complete = history.is_complete
        reports = history.records[number].reports
        if np.count_nonzero(complete) < max(1, self.n_startup_trials):
            return Decision.CONTINUE
        if not is_first_in_interval(reports, self.n_warmup_steps, self.interval_steps):
            return Decision.CONTINUE
        best = best_report(reports, history.signs[0])
        if np.isnan(best):
            return Decision.STOP
        column = history.at_step(reports[-1][0])
        others = column.values[complete[column.numbers]] * history.signs[0]
        others = others[~np.isnan(others)]
        if len(others) < self.n_min_trials:
            return Decision.CONTINUE
        return Decision.STOP if best > _percentile(others, self.percentile) else Decision.CONTINUE


def _percentile(values: Floats, percent: float) -> float:
    """As NumPy's, also of huge and of infinite values, whose differences are not numbers.

    Between two values of which one is infinite lies the worse one: a cut-off that stops no more than it must.
    """
    if np.abs(values).max() < 1e300:
        return float(np.percentile(values, percent))
    ordered = np.sort(values)
    place = (len(ordered) - 1) * percent / 100
    low, high, part = ordered[math.floor(place)], ordered[math.ceil(place)], place - math.floor(place)
    if low == high or part == 0:
        return float(low)
    return float(low * (1 - part) + high * part) if np.isfinite(low) and np.isfinite(high) else float(high)


class MedianPruner(PercentilePruner):
    """Stops a trial whose best report so far is worse than the median of the complete trials at this step.

    >>> import luthier as lt
    >>> from luthier.schedulers import MedianPruner
    >>> def objective(trial):
    ...     loss = trial.suggest_float("loss", 0, 1)
    ...     for epoch in range(3):
    ...         trial.report(loss, epoch)
    ...         if trial.should_prune():
    ...             raise lt.TrialPruned
    ...     return loss
    >>> study = lt.create_study(pruner=MedianPruner(n_startup_trials=3, n_warmup_steps=1), sampler="random", seed=0)
    >>> study.optimize(objective, n_trials=12)
    >>> {len(trial.reports) for trial in study.trials if trial.state == lt.TrialState.PRUNED}
    {2}

    Golovin et al. 2017, "Google Vizier", section 3.2.2. Arguments as for `PercentilePruner`.
    """

    def __init__(
        self, n_startup_trials: int = 5, n_warmup_steps: int = 0, interval_steps: int = 1, n_min_trials: int = 1
    ) -> None:
        super().__init__(50.0, n_startup_trials, n_warmup_steps, interval_steps, n_min_trials)
