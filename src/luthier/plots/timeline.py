"""Which trial ran when, on which worker, and how it ended."""

from __future__ import annotations

import plotly.graph_objects as go

from ..history import History
from ..trial import TrialState
from .theme import STATE_COLOURS, escaped, figure, hover

_MOST = 2000
_UNITS = ((2 * 86400, "days", 86400.0), (2 * 3600, "hours", 3600.0), (120, "minutes", 60.0), (0, "seconds", 1.0))


def plot_timeline(history: History) -> go.Figure:
    """Finished trials as bars over time since the first start, one lane for each worker, coloured by state.

    The latest 2000 are drawn, and time starts with the first of these.
    """
    records = [r for r in history.records if r.started is not None and r.finished is not None][-_MOST:]
    start = min((r.started for r in records if r.started is not None), default=0.0)
    length = max((r.finished for r in records if r.finished is not None), default=0.0) - start
    unit, scale = next((unit, scale) for least, unit, scale in _UNITS if length >= least)
    owners = list(dict.fromkeys(r.owner for r in sorted(records, key=lambda r: r.started or 0.0)))
    lanes = {owner: f"worker {i + 1}" for i, owner in enumerate(owners)}
    traces = []
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL):
        members = [r for r in records if r.state == state]
        if members:
            traces.append(
                go.Bar(
                    base=[((r.started or 0.0) - start) / scale for r in members],
                    x=[(r.seconds or 0.0) / scale for r in members],
                    y=[lanes[r.owner] for r in members],
                    orientation="h",
                    name="failed" if state == TrialState.FAIL else state.name.lower(),
                    marker={"color": STATE_COLOURS[state], "line": {"color": "white", "width": 1}},
                    text=[hover(r) + (f"<br>{escaped(r.owner)}" if r.owner else "") for r in members],
                    textposition="none",
                    hoverinfo="text",
                )
            )
    return figure(
        traces,
        height=130 + 34 * max(len(lanes), 1),
        barmode="overlay",
        bargap=0.25,
        xaxis={"title": {"text": unit}, "rangemode": "tozero"},
        yaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": list(lanes.values())[::-1],
            "showgrid": False,
            "ticks": "",
        },
    )
