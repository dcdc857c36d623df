"""Which trial ran when, on which worker, and how it ended."""

from __future__ import annotations

import plotly.graph_objects as go

from ..history import History
from ..trial import TrialRecord, TrialState
from .theme import STATE_COLOURS, escaped, figure, hover

_MOST = 2000
_UNITS = ((2 * 86400, "days", 86400.0), (2 * 3600, "hours", 3600.0), (120, "minutes", 60.0), (0, "seconds", 1.0))


def plot_timeline(history: History) -> go.Figure:
    """Show finished trials as bars over time since the first start, coloured by state.

    >>> import luthier as lt
    >>> from luthier.plots import plot_timeline
    >>> study = lt.create_study(seed=0)
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=4)
    >>> plot_timeline(study.history).write_html("timeline.html")

    A lane is a worker: trials of one owner that ran at the same time lie in different lanes. The latest 2000 are
    drawn, and time starts with the first of these.
    """
    records = [r for r in history.records if r.started is not None and r.finished is not None][-_MOST:]
    start = min((r.started for r in records if r.started is not None), default=0.0)
    length = max((r.finished for r in records if r.finished is not None), default=0.0) - start
    unit, scale = next((unit, scale) for least, unit, scale in _UNITS if length >= least)
    lanes = _lanes(records)
    traces = []
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL):
        members = [r for r in records if r.state == state]
        if members:
            traces.append(
                go.Bar(
                    base=[((r.started or 0.0) - start) / scale for r in members],
                    x=[(r.seconds or 0.0) / scale for r in members],
                    y=[f"worker {lanes[r.number] + 1}" for r in members],
                    orientation="h",
                    name="failed" if state == TrialState.FAIL else state.name.lower(),
                    marker={"color": STATE_COLOURS[state], "line": {"color": "white", "width": 1}},
                    text=[hover(r) + (f"<br>{escaped(r.owner)}" if r.owner else "") for r in members],
                    textposition="none",
                    hoverinfo="text",
                )
            )
    count = max(lanes.values(), default=0) + 1
    return figure(
        traces,
        height=130 + 34 * count,
        barmode="overlay",
        bargap=0.25,
        xaxis={"title": {"text": unit}, "rangemode": "tozero"},
        yaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": [f"worker {i + 1}" for i in reversed(range(count))],
            "showgrid": False,
            "ticks": "",
        },
    )


def _lanes(records: list[TrialRecord]) -> dict[int, int]:
    """The lane of each trial by its number: the first of its owner's that is free when it starts."""
    busy: list[tuple[str, float]] = []  # owner, and until when
    lanes = {}
    for r in sorted(records, key=lambda r: r.started or 0.0):
        start, end = r.started or 0.0, r.finished or 0.0
        lane = next((i for i, (owner, until) in enumerate(busy) if owner == r.owner and until <= start), len(busy))
        busy[lane : lane + 1] = [(r.owner, end)]
        lanes[r.number] = lane
    return lanes
