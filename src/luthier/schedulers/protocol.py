"""What a scheduler is: one pure function from what is known to whether a trial goes on."""

from __future__ import annotations

import enum
from typing import Protocol, runtime_checkable

from ..history import History


class Decision(enum.Enum):
    """Says what becomes of a running trial.

    >>> from luthier.schedulers import Decision
    >>> [decision.name for decision in Decision]
    ['CONTINUE', 'STOP']
    """

    CONTINUE = "continue"
    STOP = "stop"


@runtime_checkable
class Scheduler(Protocol):
    """Decides over running trials by what they reported. One that only stops is called a pruner.

    >>> import luthier as lt
    >>> from luthier.schedulers import Decision
    >>> class Impatient:
    ...     def decide(self, history, number):
    ...         return Decision.STOP if len(history.records[number].reports) > 1 else Decision.CONTINUE
    >>> trial = lt.create_study(pruner=Impatient()).ask()
    >>> for step in range(2):
    ...     trial.report(0.5, step)
    ...     print(trial.should_prune())
    False
    True
    """

    def decide(self, history: History, number: int) -> Decision:
        """Return what becomes of trial `number`, right after its latest report.

        A pure function of its arguments. Called under the study's lock.

        Args:
            history: all trials so far; `history.records[number].reports` holds this trial's reports,
                `history.at_step(step)` what all trials reported at a step, in the study's direction
                (`history.directions[0]`). A report may be NaN: that is as bad as it gets.
            number: the trial.
        """
        ...
