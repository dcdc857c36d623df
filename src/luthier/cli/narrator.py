"""ConsoleNarrator: the nine steps as they are read in a terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from rich.markup import escape

from ..analysis import Importance
from ..confirm import Candidate, Check, Confirmation, Interval, Plan
from ..confirm.intervals import Bounds
from ..space import Space
from ..tasks import Task
from ..text import duration, short
from ..trial import TrialRecord, TrialState
from ..workflow import Narrator
from ..workflow.narrator import Progress
from .bar import live_bar, progress_shown
from .console import Speaker, describe, plain_table

_OPTIONS = {"folder": "out"}  # arguments of `tune` that the command line calls otherwise


class ConsoleNarrator(Narrator):
    """Tells the nine steps on a console.

    Args:
        say: prints.
    """

    def __init__(self, say: Speaker) -> None:
        self._say = say

    def option(self, name: str, value: Any = None) -> str:
        """Return an option as it is typed."""
        flag = f"--{_OPTIONS.get(name, name).replace('_', '-')}"
        return flag if value is None or value is True else f"{flag} {value}"

    def step(self, number: int, total: int, title: str) -> None:
        """Print a title."""
        self._say.step(number, total, title)

    def fact(self, name: str, text: str) -> None:
        """Print a fact."""
        self._say.fact(name, text)

    def line(self, text: str, *, warning: bool = False) -> None:
        """Print a sentence."""
        self._say.line(text, style="yellow" if warning else "")

    def baseline(self, task: Task, record: TrialRecord) -> None:
        """Print the baseline's value and cost."""
        params = ", ".join(f"{name} {short(value)}" for name, value in record.params.items())
        self._say.fact("configuration", f"the defaults: {params}")
        self._say.fact(f"validation {task.metric}", score(record.value or 0.0, task.bounds))
        counted = f"{len(record.reports)} {task.step}s, " if task.max_steps > 1 else ""
        self._say.fact("cost", f"{counted}{duration(record.seconds or 0)}")

    def forecast(self, search: float, reruns: float, left: float | None) -> None:
        """Print how long it will take."""
        total, search, reruns = round(search + reruns), round(search), round(reruns)
        text = f"about {duration(total)}: search {duration(search)}, re-runs at most {duration(reruns)}"
        if left is not None:
            text += f"; it will end after {duration(left)} with what it has found by then"
        self._say.fact("estimate", f"{text}. Larger models take longer, smaller ones less")

    def ranges(self, space: Space) -> None:
        """Print a table."""
        table = plain_table("parameter", "range", "default")
        defaults = space.defaults()
        for name, domain in space.parameters.items():
            table.add_row(escape(name), escape(describe(domain)), escape(short(defaults.get(name, ""))))
        self._say.table(table)

    def searched(
        self, task: Task, records: Sequence[TrialRecord], best: TrialRecord, wanted: int | None = None
    ) -> None:
        """Print how many trials there were, and the best."""
        counts = {state: sum(r.state is state for r in records) for state in TrialState}
        parts = [f"{counts[s]} {s.name.lower()}" for s in TrialState if s.is_finished and counts[s]]
        self._say.fact("trials", ", ".join(parts))
        if wanted is not None:
            done = sum(r.state.is_finished for r in records)
            self.line(f"The search's part of the time is used up: {done} of {wanted} trials.", warning=True)
        value = score(best.value or 0.0, task.bounds)
        self._say.fact("best", f"{value} validation {task.metric}, trial {best.number}")
        failed = next((r for r in records if r.state is TrialState.FAIL), None)
        if failed is not None:
            why = (failed.error or "").strip().splitlines() or ["for an unknown reason"]
            self.line(f"trial {failed.number} failed: {why[-1]}", warning=True)

    def importance(self, found: Importance) -> None:
        """Print the leading parameters."""
        leading = [s for s in found.single[:5] if s.share >= 0.01]
        named = ", ".join(f"{s.names[0]} {s.share:.0%}" for s in leading)
        self._say.fact("what matters", named or "no single parameter")
        together = [s for s in found.pairs[:2] if s.share >= 0.02]
        if together:
            self._say.fact("acting together", ", ".join(f"{' × '.join(s.names)} {s.share:.0%}" for s in together))

    def reruns(self, plan: Plan, trainings: int, seconds: float) -> None:
        """Print who runs again, and what that costs at most."""
        seeds, trials = len(plan.seeds), sum(number is not None for number in plan.numbers)
        what = "the most promising trial" if trials == 1 else f"the {trials} most promising trials"
        who = f"{what} and the baseline" if trials else "the baseline"
        each = f"on {seeds} fresh seeds" if seeds > 1 else "on one fresh seed"
        if seeds > 1 and trials:
            each += ", one by one; what cannot win any more leaves"
        self._say.fact("re-run", f"{who} {each}")
        if trainings:
            one = "1 training" if trainings == 1 else f"{trainings} trainings"
            self._say.fact("cost", f"at most {one}, about {duration(round(seconds))}")

    def choice(self, task: Task, confirmation: Confirmation, best: Candidate, cheapest: Candidate) -> None:
        """Print a table of the re-runs, and who won."""
        table = plain_table(
            "configuration", "search", "mean", "95 % interval", "runs", "", numbers=("search", "mean", "runs")
        )
        for candidate in confirmation.candidates:
            interval = candidate.interval
            low, high = score(interval.low, task.bounds), score(interval.high, task.bounds)
            table.add_row(
                "baseline" if candidate.number is None else candidate.name,
                score(candidate.search_value, task.bounds),
                score(candidate.mean, task.bounds) if candidate.runs else "",
                f"{low} to {high}" if interval.is_known else candidate.scatter if candidate.runs else "",
                str(len(candidate.runs)),
                "chosen" if candidate is best else "cheapest as good" if candidate is cheapest else candidate.left,
            )
        self._say.table(table)
        seeds = f"{len(best.runs)} fresh seed{'s' if len(best.runs) > 1 else ''}"
        self._say.fact("chosen", f"{best.name}: mean {score(best.mean, task.bounds)} on {seeds}")

    def verdict(self, task: Task, check: Check) -> None:
        """Print both scores and their difference."""
        bounds, what = task.bounds, task.sealed.what
        for name, found in (("baseline", check.baseline), ("best", check.best)):
            self._say.fact(name, with_interval(found, bounds, between="  "))
        gap = check.difference
        if gap.low == gap.high == 0:
            self._say.fact("difference", f"none: {same(check, what)}")
            return
        size, low, high = (score(x, bounds, sign=True) for x in (gap.estimate, gap.low, gap.high))
        interval = f"({low} to {high}, paired bootstrap), " if gap.is_known else ""
        self._say.fact("difference", f"{size}  {interval}p = {check.p_value:.3g} ({check.test}), {check.n} {what}")

    def watching(self, task: Task, look: Callable[[], Progress]) -> AbstractContextManager[None]:
        """Draw a bar."""
        return live_bar(lambda: progress_shown(look(), time.time(), task.step, task.max_steps, task.direction))


def score(x: float, bounds: Bounds, *, sign: bool = False) -> str:
    """Return a value of a metric, or a difference of two: four places where it is bounded, else five digits."""
    places = ".4f" if all(map(math.isfinite, bounds)) else ".5g"
    return format(x, f"+{places}" if sign else places)


def with_interval(found: Interval, bounds: Bounds, between: str = " ") -> str:
    """Return a value with its interval, if that is known."""
    estimate, low, high = (score(x, bounds) for x in (found.estimate, found.low, found.high))
    return f"{estimate}{between}({low} to {high})" if found.is_known else estimate


def same(check: Check, what: str) -> str:
    """Return in words that both models score alike on every example."""
    right = "are right on the same of the" if check.test.startswith("McNemar") else "score the same on each of the"
    return f"both models {right} {check.n} {what}"
