"""What the nine steps of a run share."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..errors import LuthierError
from ..executors import Executor
from ..history import History
from ..schedulers import Decision, Scheduler
from ..study import Study
from ..tasks import Task
from ..trial import TrialRecord
from .baseline import baseline_of
from .budget import Clock
from .folder import RunFolder
from .keep import Keeping
from .narrator import Narrator
from .settings import Settings

TITLES = (
    "Problem and goal",
    "Data preparation",
    "Baseline",
    "Ranges",
    "Method",
    "Search",
    "Analysis",
    "Choice",
    "Check on the sealed test set",
)
_NOTED_EVERY = 10.0  # seconds

_log = logging.getLogger("luthier")


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


class Account:
    """Tells a narrator what happens, and keeps for the report what belongs there.

    Args:
        narrator: who is told.
    """

    def __init__(self, narrator: Narrator) -> None:
        self.narrator = narrator
        self.kept: list[tuple[str, dict[str, str]]] = []

    def begin(self, title: str) -> None:
        """Begin the next step."""
        self.kept.append((title, {}))
        self.narrator.step(TITLES.index(title) + 1, len(TITLES), title)

    def state(self, name: str, text: object, keep: bool = True) -> None:
        """Tell a fact of this step; `keep` it for the report."""
        if keep:
            self.kept[-1][1][name] = str(text)
        self.narrator.fact(name, str(text))


@dataclass
class Walk:
    """A run on its way.

    Attributes:
        account: tells and keeps what happens.
        folder: of the run.
        settings: what was asked.
        task: data, space and training.
        study: the search.
        scheduler: the study's.
        clock: the time used and left.
        jobs: trainings at a time.
        executor: where the search runs, in place of processes.
    """

    account: Account
    folder: RunFolder
    settings: Settings
    task: Task
    study: Study
    scheduler: UntilDeadline
    clock: Clock
    jobs: int
    executor: Executor | None = None

    _noting: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _noted: float = field(default=-math.inf, repr=False)

    @property
    def narrator(self) -> Narrator:
        """Who is told what happens."""
        return self.account.narrator

    @property
    def metric(self) -> str:
        """What the search's values are."""
        return f"validation {self.task.metric}"

    @property
    def objective(self) -> Keeping:
        """What the search optimizes: the task's objective, which leaves its models and checkpoints in the folder."""
        folder = self.folder
        return Keeping(self.task, folder.candidates.resolve(), folder.checkpoints.resolve())

    @property
    def baseline(self) -> TrialRecord:
        """The trial of the defaults."""
        found = baseline_of(self.study.trials)
        if found is None:
            raise LuthierError(f"the study in {self.folder.path} has no baseline: start over in another folder")
        return found

    def number(self, number: int | None) -> int | None:
        """Return the number of a trial, or None for the baseline's, as in re-runs."""
        return None if number == self.baseline.number else number

    def record(self, number: int | None) -> TrialRecord:
        """Return the trial of that number, or of the baseline for None."""
        return self.baseline if number is None else self.study.trials[number]

    def restored(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return stored parameters as the task takes them."""
        return self.study.space.restore(dict(params))

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

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Keep the time used while nothing ends, so that a kill loses little of it."""
        ended = threading.Event()

        def note() -> None:
            while not ended.wait(1.0):
                try:
                    self.note_cost(_NOTED_EVERY)
                except OSError as error:  # what ends the run where the run itself meets it
                    _log.debug("the time used cannot be kept: %s", error)

        thread = threading.Thread(target=note, name="luthier-clock", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.note_cost()
