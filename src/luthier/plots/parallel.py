"""Parallel coordinates: every trial as one line through all its parameters.

Drawn as plain SVG lines, not as plotly's own `parcoords`: that needs WebGL and a page that allows `eval`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from ..history import History
from ..space import Choice, Float, Int
from ..space.domain import Domain
from ..types import Floats
from .theme import RED, SCALE, best_row, escaped, figure, hover, shown

_SHADES = 12
_MOST = 500
_INACTIVE = -0.14  # below the axes


def plot_parallel(
    history: History, names: Sequence[str] | None = None, *, metric: str = "value", objective: int = 0
) -> go.Figure:
    """Show the complete trials across their parameters to the value, bright for good; the best on top.

    >>> import luthier as lt
    >>> from luthier.plots import plot_parallel
    >>> study = lt.create_study(space={"x": lt.Float(0, 1), "y": lt.Int(1, 9)}, seed=0)
    >>> study.optimize(lambda trial: trial.params["x"] * trial.params["y"], n_trials=4)
    >>> plot_parallel(study.history, ["y", "x"], metric="loss").write_html("parallel.html")

    Args:
        history: of the study; the best 500 trials are drawn.
        names: which parameters, in which order; None for all.
        metric: what the value is.
        objective: which of the study's values.
    """
    chosen = list(history.space.names if names is None else names)
    columns = [history.space.index[name] for name in chosen]
    losses = np.where(history.is_complete, history.losses[:, objective], np.nan)
    rows = np.argsort(losses, kind="stable")[: int(np.isfinite(losses).sum())][:_MOST]
    values = history.values[rows, objective]
    low, high = (float(values.min()), float(values.max())) if len(rows) else (0.0, 1.0)
    heights = np.full((len(rows), len(columns) + 1), 0.5)
    for k, j in enumerate(columns):
        heights[:, k] = _heights(history.X[rows, j], history.space.domains[j])
    if high > low:
        heights[:, -1] = (values - low) / (high - low)
    shade = np.arange(len(rows)) * _SHADES // max(len(rows), 1)  # by rank: one diverged trial does not pale the rest
    colours = sample_colorscale(SCALE, np.linspace(0.95, 0.05, _SHADES).tolist())
    winner = best_row(history, objective)
    traces = [
        _lines(history, rows[shade == s], heights[shade == s], colours[s], 1.3, 0.65)
        for s in reversed(range(_SHADES))
        if np.any(shade == s)
    ]
    if winner is not None and winner in rows:
        traces.append(_lines(history, rows[rows == winner], heights[rows == winner], RED, 3, 1))
    ticks = [tick for k, j in enumerate(columns) for tick in _ticks(k, history.space.domains[j])]
    ticks += [_tick(len(chosen), u, shown(v)) for u, v in ((0.0, low), (1.0, high))] if len(rows) else []
    ticks += [_tick(k, _INACTIVE, "inactive") for k in np.flatnonzero((heights < 0).any(axis=0)).tolist()]
    bottom = -0.24 if np.any(heights < 0) else -0.06
    lines = [
        {"type": "line", "x0": k, "x1": k, "y0": 0, "y1": 1, "line": {"color": "#b8bdc7", "width": 1}, "layer": "below"}
        for k in range(len(chosen) + 1)
    ]
    titles = [*(escaped(name, 18) for name in chosen), f"<b>{escaped(metric, 18)}</b>"]
    where = {"tickvals": list(range(len(titles))), "ticktext": titles, "side": "top", "ticks": "", "showline": False}
    return figure(
        traces,
        height=420,
        showlegend=False,
        xaxis={**where, "showgrid": False, "range": [-0.3, len(chosen) + 0.45], "fixedrange": True},
        yaxis={"visible": False, "range": [bottom, 1.06], "fixedrange": True},
        shapes=lines,
        annotations=ticks,
        margin={"l": 56, "r": 20, "t": 56, "b": 12},
    )


def _heights(column: Floats, domain: Domain) -> Floats:
    if isinstance(domain, Choice):
        column = (column + 0.5) / domain.size
    return np.where(np.isnan(column), _INACTIVE, np.clip(column, 0, 1))


def _ticks(k: int, domain: Domain) -> list[dict[str, Any]]:
    if isinstance(domain, Float | Int):
        middle = float(domain.decode(np.array(0.5)))
        marks = dict.fromkeys([domain.low, int(middle) if isinstance(domain, Int) else middle, domain.high])
        return [_tick(k, float(u), shown(v)) for u, v in zip(domain.encode(list(marks)), marks, strict=True)]
    step = max(1, -(-domain.size // 12))
    return [_tick(k, (i + 0.5) / domain.size, shown(domain.labels[i])) for i in range(0, domain.size, step)]


def _tick(k: int, u: float, text: str) -> dict[str, Any]:
    return {
        "x": k,
        "y": u,
        "text": escaped(text, 14),
        "showarrow": False,
        "xanchor": "left",
        "xshift": 3,
        "font": {"size": 11},
        "bgcolor": "rgba(255, 255, 255, 0.75)",
        "borderpad": 1,
    }


def _lines(history: History, rows: Any, heights: Floats, colour: str, width: float, opacity: float) -> go.Scatter:
    """Trials of one shade as one trace, with gaps between them."""
    n, k = heights.shape
    y = np.column_stack([heights, np.full(n, np.nan)]).ravel()
    x = np.tile(np.append(np.arange(k, dtype=np.float64), np.nan), n)
    texts = [hover(history.records[i]) for i in rows for _ in range(k + 1)]
    line = {"color": colour, "width": width}
    return go.Scatter(x=x, y=y, mode="lines", line=line, opacity=opacity, text=texts, hoverinfo="text")
