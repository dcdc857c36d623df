"""The map of two parameters."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from ..analysis import Interaction
from ..history import History
from ..trial import TrialState
from .theme import RED, SCALE, axis, best_row, escaped, figure, hover, is_numeric, places

_MOST = 1000


def plot_heatmap(interaction: Interaction, history: History, *, metric: str = "value", objective: int = 0) -> go.Figure:
    """Show what the model expects over two parameters, bright for good, with the trials on it.

    >>> import luthier as lt
    >>> from luthier.analysis import interaction
    >>> from luthier.plots import plot_heatmap
    >>> study = lt.create_study(space={"x": lt.Float(0, 1), "y": lt.Float(0, 1)}, seed=0)
    >>> study.optimize(lambda trial: trial.params["x"] * trial.params["y"], n_trials=10)
    >>> plot_heatmap(interaction(study.history, "x", "y"), study.history).write_html("x-y.html")

    Args:
        interaction: of `luthier.analysis.interaction`; its first parameter goes up, its second to the right.
        history: of the same study; the latest 1000 complete trials are drawn.
        metric: what the value is.
        objective: which of the study's values.
    """
    up, right = interaction.names
    vertical, horizontal = (history.space.parameters[name] for name in interaction.names)
    common: dict[str, Any] = {
        "x": places(interaction.columns, horizontal),
        "y": places(interaction.rows, vertical),
        "z": interaction.mean,
        "colorscale": SCALE,
        "reversescale": history.directions[objective] == "minimize",
        "colorbar": {"title": {"text": escaped(metric), "side": "right"}, "thickness": 12, "outlinewidth": 0},
        "hovertemplate": "%{y}, %{x}: %{z:.4g}<extra></extra>",
    }
    if is_numeric(horizontal) and is_numeric(vertical) and min(len(interaction.rows), len(interaction.columns)) > 2:
        area = go.Contour(**common, contours={"coloring": "heatmap"}, line={"width": 0.5, "color": "white"})
    else:
        area = go.Heatmap(**common, xgap=1, ygap=1)
    winner = best_row(history, objective)
    records = [r for r in history.records if r.state == TrialState.COMPLETE][-_MOST:]
    records = [r for r in records if up in r.params and right in r.params]
    dots = go.Scatter(
        x=places([r.params[right] for r in records], horizontal),
        y=places([r.params[up] for r in records], vertical),
        mode="markers",
        marker={
            "color": [RED if r.number == winner else "white" for r in records],
            "symbol": ["star" if r.number == winner else "circle" for r in records],
            "size": [14 if r.number == winner else 7 for r in records],
            "line": {"color": "#2b2f36", "width": 1},
        },
        text=[hover(r) for r in records],
        hoverinfo="text",
        showlegend=False,
    )
    still = {"showgrid": False}
    return figure(
        [area, dots],
        height=400,
        xaxis=axis(right, horizontal) | still,
        yaxis=axis(up, vertical) | still,
        margin={"t": 30},
    )
