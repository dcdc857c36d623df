"""The progress bar of a stage: what is done, the epochs of what runs, and how long it takes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from rich.cells import cell_len, set_cell_size
from rich.live import Live
from rich.text import Text

from ..engine.progress import clock_text
from ..trial import TrialState
from ..types import Direction
from ..workflow.budget import remaining
from ..workflow.narrator import Progress, RerunProgress, SearchProgress
from .console import error_console

_BAR = 24  # cells


@dataclass(frozen=True)
class Shown:
    """What a bar shows.

    Attributes:
        what: that is counted, such as "trials".
        done, total: how many.
        status: the rest in words.
        left: seconds until the end; None at the end, and before anything is known.
    """

    what: str
    done: int
    total: int
    status: str
    left: float | None


def bar_lines(shown: Shown, elapsed: float, width: int) -> list[str]:
    """Return the bar as lines that fit into a terminal of this width.

    >>> from luthier.cli.bar import Shown, bar_lines
    >>> bar_lines(Shown("trials", 2, 8, "best 0.79", 61.0), 30.0, 80)
    ['trials ━━━━━━────────────────── 2/8  0:00:30, about 0:01:01 left  best 0.79']
    """
    filled = _BAR * shown.done // max(shown.total, 1)
    picture = "━" * filled + "─" * (_BAR - filled)
    times = clock_text(elapsed) + (f", about {clock_text(shown.left)} left" if shown.left is not None else "")
    counts = f"{shown.done}/{shown.total}"
    one = f"{shown.what} {picture} {counts}  {times}  {shown.status}".rstrip()
    if cell_len(one) <= width:
        return [one]
    first = f"{shown.what} {picture} {counts}  {times}"
    if cell_len(first) > width:
        first = f"{shown.what} {counts}  {times}"
    return [_cut(line, width) for line in (first, f"  {shown.status}") if line.strip()]


def within_time(shown: Shown, most: float) -> Shown:
    """Return the same, of a stage that ends after `most` more seconds at the latest.

    >>> from luthier.cli.bar import Shown, within_time
    >>> within_time(Shown("trials", 2, 8, "", left=61.0), most=20.0).left
    20.0
    """
    if shown.left is None or most <= 0:
        return replace(shown, left=None)
    return replace(shown, left=min(shown.left, most))


def progress_shown(progress: Progress, now: float, step: str, max_steps: int, direction: Direction) -> Shown:
    """Return what the bar of a search or of re-runs shows.

    Args:
        progress: how far it is.
        now: seconds since 1970.
        step, max_steps: what a training reports after, such as "epoch", and how many there are.
        direction: of the values.
    """
    if isinstance(progress, RerunProgress):
        status = f"{progress.racing} of {progress.entries} in the race"
        return Shown("re-runs", progress.done, progress.total, status, progress.left)
    shown = _search_shown(progress, now, step, max_steps, direction)
    return shown if progress.most is None else within_time(shown, progress.most)


def _search_shown(progress: SearchProgress, now: float, step: str, max_steps: int, direction: Direction) -> Shown:
    finished = [r for r in progress.records if r.state.is_finished]
    running = [r for r in progress.records if r.state is TrialState.RUNNING]
    done = [r.reports[-1][0] if r.reports else 0 for r in running]
    parts = []
    if running:
        steps = f": {step} {', '.join(map(str, done))} of {max_steps}" if max_steps > 1 else ""
        parts.append(f"{len(running)} running{steps}")
    for state, word in ((TrialState.PRUNED, "pruned"), (TrialState.FAIL, "failed")):
        if count := sum(r.state is state for r in finished):
            parts.append(f"{count} {word}")
    values = [r.values[0] for r in finished if r.state is TrialState.COMPLETE and r.values]
    if values:
        parts.append(f"best {max(values) if direction == 'maximize' else min(values):.4g}")
    left = remaining(
        [r.seconds for r in finished if r.seconds is not None],
        [(max(0.0, now - (r.started or now)), d) for r, d in zip(running, done, strict=True)],
        progress.trials,
        max_steps,
        max(progress.jobs, len(running)),  # a cluster may run more than was asked for
    )
    untold = len(finished) >= progress.trials or not (finished or any(done))  # before the first step, nothing is known
    return Shown(progress.what, len(finished), progress.trials, ", ".join(parts), None if untold else left)


@contextmanager
def live_bar(look: Callable[[], Shown]) -> Iterator[None]:
    """Draw a bar on stderr until the block ends; where there is no terminal, only its last state is printed.

    Args:
        look: asked for what to show, about once a second, in a thread of its own.
    """
    console, begun = error_console(), time.monotonic()
    latest = look()

    def drawn() -> Text:
        return Text("\n".join(bar_lines(latest, time.monotonic() - begun, console.width)), no_wrap=True)

    def refresh() -> None:
        nonlocal latest
        try:
            latest = look()
        except Exception as error:  # what keeps a bar from looking ends the run where the run meets it itself
            logging.getLogger("luthier").debug("the bar cannot be redrawn: %s", error)

    def follow() -> None:
        while not ended.wait(1.0):
            refresh()

    ended = threading.Event()
    # drawing must not ask the study: what holds its lock may wait for the terminal
    follower = threading.Thread(target=follow, name="luthier-bar", daemon=True)
    with ExitStack() as after, Live(get_renderable=drawn, console=console, refresh_per_second=4):
        if not console.is_terminal:
            after.callback(console.print)  # where there is no terminal, rich ends the bar without a new line
        follower.start()
        try:
            yield
        finally:
            ended.set()
            follower.join()
            refresh()


def _cut(line: str, width: int) -> str:
    return line if cell_len(line) <= width else set_cell_size(line, max(width - 1, 1)) + "…"
