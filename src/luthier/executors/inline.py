"""InlineExecutor: one trial after the other, in this process and thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..trial import Trial
from .protocol import TrialSource, evaluate


class InlineExecutor:
    """Runs trials here, one after the other.

    >>> import luthier as lt
    >>> from luthier.executors import InlineExecutor
    >>> study = lt.create_study(seed=0)
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2, executor=InlineExecutor())
    >>> len(study.trials)
    2
    """

    def run(self, objective: Callable[[Trial], Any], source: TrialSource) -> None:
        """Run them all; on Ctrl-C the one that runs is queued again."""
        trial = source.next()
        while trial is not None:
            try:
                outcome = evaluate(objective, trial)
            except BaseException:  # Ctrl-C or an exit: the trial did not end
                source.interrupted(trial)
                raise
            trial = source.tell_and_ask(trial, outcome)
