"""One quiet look for all pictures: fonts, a palette that the colour-blind can tell apart, axes that fit a domain."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..history import History
from ..space import Choice, Float, Int
from ..space.domain import Domain
from ..trial import TrialRecord, TrialState
from ..types import Floats, Label

# Okabe and Ito 2008, "Color Universal Design"
BLUE, ORANGE, GREEN, RED, SKY, PINK, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
    "#8A8F98",
)
STATE_COLOURS: Mapping[TrialState, str] = {
    TrialState.COMPLETE: BLUE,
    TrialState.PRUNED: ORANGE,
    TrialState.FAIL: RED,
    TrialState.RUNNING: SKY,
    TrialState.WAITING: GREY,
}
SCALE = "Cividis"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_INK, _GRID = "#2b2f36", "#e6e8ec"

_AXIS = {
    "gridcolor": _GRID,
    "linecolor": "#b8bdc7",
    "zeroline": False,
    "ticks": "outside",
    "tickcolor": "#b8bdc7",
    "ticklen": 4,
    "automargin": True,
    "title": {"standoff": 10},
}
TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 13, "color": _INK},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "colorway": [BLUE, ORANGE, GREEN, RED, SKY, PINK],
        "xaxis": {**_AXIS, "showline": True},
        "yaxis": _AXIS,
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "title": {"text": ""},
        },
        "margin": {"l": 64, "r": 20, "t": 44, "b": 52},
        "hoverlabel": {"align": "left", "font": {"family": FONT, "size": 12}},
        "hovermode": "closest",
        "barcornerradius": 2,
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "#a4abb7", "activecolor": BLUE},
    }
)


def figure(traces: Iterable[Any], *, height: int = 380, **layout: Any) -> go.Figure:
    """A figure in the common look; as wide as its place."""
    return go.Figure(list(traces), {"template": TEMPLATE, "height": height, "autosize": True, **layout})


def escaped(value: object, limit: int = 60) -> str:
    """User text for a place where plotly reads tags; cut after `limit` characters."""
    text = str(value)
    return html.escape(text if len(text) <= limit else text[: limit - 1] + "…", quote=False)


def shown(value: Label | float) -> str:
    """A value as text: four digits for a real number, a dash for an inactive parameter."""
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else "–"
    return "–" if value is None else str(value)


def hover(record: TrialRecord) -> str:
    """Everything about a trial, for its hover box."""
    lines = [f"<b>trial {record.number}</b>, {record.state.name.lower()}"]
    if record.values is not None:
        lines.append("value " + ", ".join(map(shown, record.values)))
    elif record.reports:
        lines.append(f"last report {shown(record.reports[-1][1])} at step {record.reports[-1][0]}")
    if not record.is_feasible:
        lines.append("infeasible")
    if record.seconds is not None:
        lines.append(f"{record.seconds:.3g} s")
    lines += [f"{escaped(name)} = {escaped(shown(value))}" for name, value in record.params.items()]
    return "<br>".join(lines)


def axis(name: str, domain: Domain) -> dict[str, Any]:
    """An axis that fits a domain: log where it is log, categories for labels."""
    title = {"title": {"text": escaped(name)}}
    if not isinstance(domain, Float | Int):
        labels = [escaped(shown(label), 24) for label in domain.labels]
        return {**title, "type": "category", "categoryorder": "array", "categoryarray": labels}
    if domain.log:
        decades = math.log10(domain.high / domain.low)
        return {**title, "type": "log", "exponentformat": "power", "dtick": 1 if decades >= 2 else "D2"}
    if isinstance(domain, Int) and domain.high - domain.low <= 12:
        return {**title, "dtick": 1}
    return title


def places(labels: Iterable[Label], domain: Domain) -> list[Any]:
    """Where values stand on the axis of their domain: numbers, or the names of categories."""
    if isinstance(domain, Float | Int):
        return list(labels)
    return [escaped(shown(label), 24) for label in labels]


def is_numeric(domain: Domain) -> bool:
    """Whether a domain's axis has numbers on it."""
    return isinstance(domain, Float | Int)


def is_unordered(domain: Domain) -> bool:
    """Whether a line through its values would mean nothing."""
    return isinstance(domain, Choice)


def value_range(values: Floats, direction: str) -> list[float] | None:
    """Bounds of a value axis that leave diverged values out; None if all values fit together."""
    x = values[np.isfinite(values)]
    if len(x) < 5:
        return None
    sign = 1.0 if direction == "minimize" else -1.0
    loss = x * sign
    low, high = np.quantile(loss, [0.25, 0.75])
    fence = high + 3 * (high - low)
    if loss.max() <= fence or high == low:
        return None
    top = loss[loss <= fence].max()
    pad = 0.06 * (top - loss.min())
    bounds = sorted([sign * (loss.min() - pad), sign * (top + pad)])
    return [float(bounds[0]), float(bounds[1])]


def objective_values(history: History, objective: int = 0) -> Floats:
    """(n,) what trials were told; the last report where a pruned one was told nothing."""
    values: Floats = history.values[:, objective]
    if len(history.directions) == 1:
        values = np.where(np.isnan(values) & history.is_state(TrialState.PRUNED), history.last_value, values)
    return values


def best_row(history: History, objective: int = 0) -> int | None:
    """Return the row of the best complete, feasible trial; None without one."""
    losses = np.where(history.is_complete & history.feasible, history.losses[:, objective], np.nan)
    return None if np.all(np.isnan(losses)) else int(np.nanargmin(losses))
