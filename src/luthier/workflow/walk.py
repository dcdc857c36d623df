"""What the nine steps of a run share."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field

from ..cli.console import Speaker
from ..executors import Executor
from ..history import History
from ..schedulers import Decision, Scheduler
from ..study import Study
from .budget import Clock
from .folder import RunFolder
from .keep import KeepingTask
from .settings import ImageSettings

METRIC = "validation accuracy"
BOUNDS = (0.0, 1.0)  # of an accuracy


class TimeIsUp(BaseException):
    """The time of the run was over before the baseline's training; it goes on from its checkpoint when resumed."""


class UntilDeadline:
    """A scheduler that asks another one, and stops every trial at its next report once the time is over.

    Args:
        inner: decides as long as there is time; None lets every trial run.
    """

    def __init__(self, inner: Scheduler | None) -> None:
        self._inner = inner
        self.deadline: float | None = None  # of `time.monotonic`
        self.gives_up = False  # for the baseline, which is of no use when it is stopped early

    def decide(self, history: History, number: int) -> Decision:
        """Stop after the deadline, and ask the inner scheduler before."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            if self.gives_up:
                raise TimeIsUp
            return Decision.STOP
        return Decision.CONTINUE if self._inner is None else self._inner.decide(history, number)


@dataclass
class Walk:
    """A run on its way.

    Attributes:
        say: reports what happens.
        folder: of the run.
        settings: what was asked.
        task: data, space and training.
        study: the search.
        scheduler: the study's.
        clock: the time used and left.
        jobs: trainings at a time.
        executor: where the search runs, in place of processes.
    """

    say: Speaker
    folder: RunFolder
    settings: ImageSettings
    task: KeepingTask
    study: Study
    scheduler: UntilDeadline
    clock: Clock
    jobs: int
    executor: Executor | None = field(default=None)

    _noting: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _noted: float = field(default=-math.inf, repr=False)

    def note_cost(self, every: float = 0.0) -> None:
        """Keep the time used so far, for when the run goes on; any thread may.

        Args:
            every: do nothing where less than this many seconds passed since the last time.
        """
        with self._noting:
            spent = self.clock.spent
            if spent - self._noted < every:
                return
            self.folder.save("cost", {"seconds": spent})
            self._noted = spent

    def note_cost_rarely(self) -> None:
        """Keep the time used while nothing ends, so that a kill loses little of it: for the bar, once a second."""
        self.note_cost(every=10.0)
