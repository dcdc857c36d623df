"""Narrator: what the nine steps tell while they go; whoever listens decides how it looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:  # the command line starts without them
    from ..analysis import Importance
    from ..confirm import Candidate, Check, Confirmation, Plan
    from ..space import Space
    from ..tasks import Task
    from ..trial import TrialRecord


@dataclass(frozen=True)
class SearchProgress:
    """How far the search is, or the baseline.

    Attributes:
        what: that is counted: "trials", or "baseline".
        records: all trials so far.
        trials: how many there will be.
        jobs: trainings at a time.
        most: seconds until it ends at the latest; None for no limit.
    """

    what: str
    records: Sequence[TrialRecord]
    trials: int
    jobs: int
    most: float | None = None


@dataclass(frozen=True)
class RerunProgress:
    """How far the re-runs are.

    Attributes:
        done, total: trainings.
        racing, entries: configurations that can still win, and all.
        left: seconds until the end; None at the end.
    """

    done: int
    total: int
    racing: int
    entries: int
    left: float | None


Progress: TypeAlias = SearchProgress | RerunProgress


class Narrator:
    """Is told what the nine steps do, and shows nothing of it; a subclass may.

    >>> from luthier.workflow import Narrator
    >>> class Titles(Narrator):
    ...     def step(self, number, total, title):
    ...         print(f"{number} of {total}: {title}")
    >>> Titles().step(1, 9, "Problem and goal")
    1 of 9: Problem and goal

    Methods are called one at a time, in the order of what happens; one that raises ends the run, which then goes on
    where it was with resume=True.
    """

    def option(self, name: str, value: Any = None) -> str:
        """Return how the user writes an argument of `tune`, for messages that tell what to do."""
        return name if value is None else f"{name}={value!r}"

    def step(self, number: int, total: int, title: str) -> None:
        """Begin the next step."""

    def fact(self, name: str, text: str) -> None:
        """Tell something in words."""

    def line(self, text: str, *, warning: bool = False) -> None:
        """Tell something in a sentence."""

    def baseline(self, task: Task, record: TrialRecord) -> None:
        """The defaults were trained, now or before."""

    def forecast(self, search: float, reruns: float, left: float | None) -> None:
        """What is to come takes about this many seconds.

        Args:
            search: of it, for the search.
            reruns: at most, for the re-runs.
            left: seconds after which it ends, with what it has found by then; None where there is time enough.
        """

    def ranges(self, space: Space) -> None:
        """This is what is searched."""

    def searched(
        self, task: Task, records: Sequence[TrialRecord], best: TrialRecord, wanted: int | None = None
    ) -> None:
        """The search has ended.

        Args:
            task: that is tuned.
            records: all trials.
            best: the best of them.
            wanted: how many there should have been, where the time was over before; else None.
        """

    def importance(self, found: Importance) -> None:
        """These parameters matter."""

    def reruns(self, plan: Plan, trainings: int, seconds: float) -> None:
        """The most promising trials run again: at most this many trainings, which take about this long."""

    def choice(self, task: Task, confirmation: Confirmation, best: Candidate, cheapest: Candidate) -> None:
        """The re-runs decided."""

    def verdict(self, task: Task, check: Check) -> None:
        """The sealed test set was opened, now or before."""

    def watching(self, task: Task, look: Callable[[], Progress]) -> AbstractContextManager[object]:  # noqa: ARG002
        """Return a context in which something takes long.

        Args:
            task: that is tuned.
            look: returns how far it is, whenever it is called, in any thread.
        """
        return nullcontext()
