"""The progress bar of `optimize`: trials done, running, pruned, failed, the best value, and how long it takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, cast

from ..terminal import Shown
from ..trial import FINISHED, TrialState


def clock_text(seconds: float) -> str:
    """Return seconds as hours, minutes and seconds.

    >>> from luthier.engine.progress import clock_text
    >>> clock_text(3725.2)
    '1:02:05'
    """
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


class Pace:
    """How fast things are done, and how long the rest takes.

    Args:
        now: the time in seconds, from any origin.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = self._last = now()
        self._first: int | None = None  # done before it began
        self._done = self._running = 0

    def saw(self, done: int, running: int = 0) -> None:
        """Take notice of how many are done, and how many run."""
        if self._first is None:
            self._first = self._done = done
        if done > self._done:
            self._done, self._last = done, self._now()
        self._running = running

    def left(self, total: float | None) -> float | None:
        """Return the seconds until this many are done; None before the first of them is done, and at the end.

        One takes as long as those before it did on average, and at least as long as nothing has been done now. Of the
        first that run at a time, the others are taken to be about done when the first is.
        """
        done = self._done - (self._first or 0)
        if total is None or done == 0 or self._done >= total:
            return None
        waited = self._now() - self._last
        each = max((self._last - self._began) / max(done, self._running), waited)
        return each * (total - self._done) - waited


class Progress:
    """A bar that is told the counts; made by `progress_bar`."""

    def __init__(self, bar: Any, task: Any, pace: Pace) -> None:
        self._bar = bar
        self._task = task
        self._pace = pace

    def show(self, counts: Mapping[TrialState, int], best: float | None) -> None:
        """Show how many trials are in each state, and the best value so far."""
        done = sum(counts[state] for state in FINISHED)
        parts = [f"{counts[TrialState.RUNNING]} running"]
        parts += [f"{counts[s]} {s.name.lower()}" for s in (TrialState.PRUNED, TrialState.FAIL) if counts[s]]
        if best is not None:
            parts.append(f"best {best:.5g}")
        self._pace.saw(done, counts[TrialState.RUNNING])
        self._bar.update(self._task, completed=done, status=", ".join(parts))


@contextmanager
def progress_bar(total: int | None) -> Iterator[Progress]:
    """A progress bar on the terminal; where there is none, only its last state is printed."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    pace = Pace()

    class TimeLeft(ProgressColumn):
        """Rich's own shows -:--:-- before the second trial and after every long one."""

        def render(self, task: Task) -> Text:
            left = pace.left(task.total)
            return Text("" if left is None else f"about {clock_text(left)} left")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TextColumn("·"),
        TimeElapsedColumn(),
        TimeLeft(),
    )
    terminal = None if sys.stderr is None else cast("IO[str]", Shown(sys.stderr))  # rich's own exits when it is gone
    with Bar(*columns, console=Console(file=terminal, stderr=True)) as bar:
        yield Progress(bar, bar.add_task("trials", total=total, status=""), pace)
