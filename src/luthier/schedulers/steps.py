"""What several pruners ask of a trial's reports."""

from __future__ import annotations

import math
from collections.abc import Sequence

Reports = Sequence[tuple[int, float]]


def best_report(reports: Reports, sign: float) -> float:
    """Return the least report once turned by `sign` so that less is better; NaN if none is a number."""
    return min((sign * value for _, value in reports if not math.isnan(value)), default=math.nan)


def is_first_in_interval(reports: Reports, warmup: int, interval: int) -> bool:
    """Return whether the last report is the first at or after one of warmup, warmup + interval, ..."""
    if not reports or reports[-1][0] < warmup:
        return False
    due = (reports[-1][0] - warmup) // interval * interval + warmup
    return len(reports) < 2 or reports[-2][0] < due
