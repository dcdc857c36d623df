"""The progress bar of `optimize`: trials done, running, pruned, failed, the best value, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .trial import TrialState


class Progress:
    """A bar that is told the counts; made by `progress_bar`."""

    def __init__(self, bar: Any, task: Any) -> None:
        self._bar = bar
        self._task = task

    def show(self, counts: Sequence[int], best: float | None) -> None:
        """Show how many trials are in each state, by number of the state, and the best value so far."""
        done = sum(counts[state] for state in TrialState if state.is_finished)
        parts = [f"{counts[TrialState.RUNNING]} running"]
        parts += [f"{counts[s]} {s.name.lower()}" for s in (TrialState.PRUNED, TrialState.FAIL) if counts[s]]
        if best is not None:
            parts.append(f"best {best:.5g}")
        self._bar.update(self._task, completed=done, status=", ".join(parts))

    def advance(self, n: int) -> None:
        """Count n more as done."""
        self._bar.advance(self._task, n)


@contextmanager
def progress_bar(total: int | None, what: str = "trials") -> Iterator[Progress]:
    """A progress bar on the terminal; where there is none, only its last state is printed."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TextColumn("·"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        yield Progress(bar, bar.add_task(what, total=total, status=""))
