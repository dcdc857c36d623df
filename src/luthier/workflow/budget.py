"""Time: what `--timeout` allows, what is left of it, and how long things will take. Pure functions of given costs."""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import UsageError

_WORDS = {
    1: ("", "s", "sec", "secs", "second", "seconds"),
    60: ("m", "min", "mins", "minute", "minutes"),
    3600: ("h", "hr", "hrs", "hour", "hours"),
    86400: ("d", "day", "days"),
}
_UNITS = {word: seconds for seconds, words in _WORDS.items() for word in words}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*")
# what part of its epochs an average trial runs, with each pruner: from runs on digits and Fashion-MNIST
_SHARE_OF_EPOCHS = {"median": 0.65, "halving": 0.5, "none": 1.0}


def seconds_of(text: str) -> float:
    """Return the seconds that a text such as 2h, 30min, 90s, 1h30m or 600 stands for.

    >>> from luthier.workflow.budget import seconds_of
    >>> seconds_of("1h30m")
    5400.0

    Raises:
        UsageError: it is not a positive duration.
    """
    total, place, rest = 0.0, 0, text.strip().lower()
    while place < len(rest):
        part = _PART.match(rest, place)
        if part is None or part[2] not in _UNITS or (part[2] == "" and part.span() != (0, len(rest))):
            raise UsageError(f"--timeout {text}: give a duration such as 2h, 30min, 90s, 1h30m, or a number of seconds")
        total += float(part[1]) * _UNITS[part[2]]
        place = part.end()
    if not 0 < total < math.inf:
        raise UsageError(f"--timeout {text}: give a duration above zero, such as 2h, 30min or 90s")
    return total


class Clock:
    """What a run has used of its time, those before it in the same folder included.

    Args:
        total: seconds for the whole run; None for no limit.
        spent: seconds that earlier starts of the run took.
        now: the time in seconds, from any origin.
    """

    def __init__(self, total: float | None = None, spent: float = 0.0, now: Callable[[], float] = time.monotonic):
        self.total = total
        self._now = now
        self._origin = now() - spent

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return self._now() - self._origin

    @property
    def left(self) -> float:
        """Seconds that are left; infinite where there is no limit."""
        return math.inf if self.total is None else max(0.0, self.total - self.spent)

    @property
    def reserve(self) -> float:
        """Seconds to keep for what comes after all trainings: the sealed test and the report."""
        return 0.0 if self.total is None else min(60.0, max(2.0, 0.05 * self.total))

    @property
    def for_training(self) -> float:
        """Seconds that are left for trainings."""
        return max(0.0, self.left - self.reserve)


@dataclass(frozen=True)
class Estimate:
    """Seconds that the two long steps will take."""

    search: float
    reruns: float


def estimate(training: float, trials: int, jobs: int, pruner: str, top: int, seeds: int) -> Estimate:
    """Return what search and re-runs will take, as far as the baseline's cost tells.

    Args:
        training: seconds of one whole training, the baseline's.
        trials: how many trials are still to run.
        jobs: trainings at a time.
        pruner: what stops poor trainings: median, halving or none.
        top, seeds: who runs again, and how often at most. Re-runs are cut to what the search costs.
    """
    search = trials * _SHARE_OF_EPOCHS[pruner] * training / min(jobs, max(trials, 1))
    candidates = min(top, trials + 1) + 1
    reruns = math.ceil(candidates * seeds / jobs) * training
    return Estimate(search, min(reruns, max(search, math.ceil(2 / jobs) * training)))


def search_seconds(left: float, reruns: float) -> float:
    """Return the search's share of the time that is left for trainings, so that re-runs fit into the rest.

    The rest is what the re-runs are expected to take, but at least a quarter, since the best trials can cost a
    multiple of the baseline, and at most half.
    """
    return left if math.isinf(left) else left - min(max(reruns, left / 4), left / 2)


def remaining(
    finished: Sequence[float], running: Sequence[tuple[float, int]], trials: int, epochs: int, jobs: int
) -> float:
    """Return the seconds until a search ends; always a number.

    A trial that runs takes as long as its epochs so far say, and if it has none, as long as the median of the
    finished ones, of which some were stopped early. One that has not begun takes that median.

    Args:
        finished: seconds of each finished trial.
        running: seconds so far and epochs done of each that runs.
        trials: how many there will be.
        epochs: of a whole training.
        jobs: trainings at a time.
    """
    typical = statistics.median(finished) if finished else 0.0
    whole = [so_far * epochs / done for so_far, done in running if done]
    if not finished and whole:
        typical = statistics.median(whole)
    rest = []
    for so_far, done in running:
        expected = so_far * epochs / done if done else max(typical, so_far)
        rest.append(max(0.0, expected - so_far))
    queued = max(0, trials - len(finished) - len(running))
    return max(max(rest, default=0.0), (sum(rest) + queued * typical) / max(1, min(jobs, len(rest) + queued)))


def rerun_seconds(costs: Sequence[float], jobs: int) -> float:
    """Return how long runs of these costs take, this many at a time: no less than the longest of them."""
    return max(max(costs, default=0.0), sum(costs) / max(1, min(jobs, len(costs))))
