"""How a search went: every trial's value, and the best so far."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from ..history import History
from ..trial import TrialState
from .theme import BLUE, GREEN, GREY, ORANGE, RED, best_row, escaped, figure, hover, objective_values, value_range


def plot_history(
    history: History, *, metric: str = "value", baseline: float | None = None, objective: int = 0
) -> go.Figure:
    """Show the trials in the order of their numbers, pruned and failed ones marked, with the best so far.

    >>> import luthier as lt
    >>> from luthier.plots import plot_history
    >>> study = lt.create_study(seed=0)
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=4)
    >>> figure = plot_history(study.history, metric="loss", baseline=0.5)
    >>> figure.write_html("history.html")

    Args:
        history: of the study.
        metric: what the value is.
        baseline: a value to compare with, drawn as a line.
        objective: which of the study's values.
    """
    values = objective_values(history, objective)
    complete, feasible = history.is_complete, history.feasible
    numbers = np.arange(len(history))
    traces = []
    groups = (
        ("complete", complete & feasible, BLUE, "circle"),
        ("infeasible", complete & ~feasible, GREY, "circle-open"),
        ("pruned", history.is_state(TrialState.PRUNED), ORANGE, "triangle-down-open"),
    )
    for name, mask, colour, symbol in groups:
        rows = numbers[mask & np.isfinite(values)]
        if len(rows):
            marker = {"color": colour, "symbol": symbol, "size": 7, "opacity": 0.8}
            texts = [hover(history.records[i]) for i in rows]
            traces.append(
                go.Scatter(
                    x=rows, y=values[rows], mode="markers", name=name, marker=marker, text=texts, hoverinfo="text"
                )
            )
    failed = numbers[history.is_state(TrialState.FAIL)]
    if len(failed):
        traces.append(
            go.Scatter(
                x=failed,
                y=np.full(len(failed), 0.02),
                yaxis="y2",
                mode="markers",
                name="failed",
                marker={"color": RED, "symbol": "x-thin", "size": 8, "line": {"color": RED, "width": 2}},
                text=[hover(history.records[i]) for i in failed],
                hoverinfo="text",
            )
        )
    losses = np.where(complete & feasible, history.losses[:, objective], np.inf)
    best = np.minimum.accumulate(losses) if len(losses) else losses
    there = np.isfinite(best)
    if there.any():
        line = best[there] * history.signs[objective]
        style = {"color": GREEN, "width": 2.5, "shape": "hv"}
        traces.append(
            go.Scatter(x=numbers[there], y=line, mode="lines", name="best so far", line=style, hoverinfo="skip")
        )
    winner = best_row(history, objective)
    if winner is not None:
        marker = {"color": GREEN, "symbol": "star", "size": 14, "line": {"color": "white", "width": 1}}
        text = [hover(history.records[winner])]
        traces.append(
            go.Scatter(
                x=[winner], y=[values[winner]], mode="markers", name="best", marker=marker, text=text, hoverinfo="text"
            )
        )
    n = max(len(history), 1)
    picture = figure(
        traces,
        xaxis={"title": {"text": "trial"}, "range": [-0.02 * n - 0.5, 1.02 * n - 0.5]},
        yaxis={"title": {"text": escaped(metric)}},
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
    )
    bounds = value_range(values, history.directions[objective])
    if bounds is not None:
        picture.update_yaxes(range=bounds, selector={"title.text": escaped(metric)})
    if baseline is not None:
        picture.add_hline(
            baseline,
            line={"color": GREY, "dash": "dash", "width": 1.5},
            annotation={"text": "baseline", "font": {"color": GREY, "size": 12}, "xanchor": "right"},
            annotation_position="top right",
        )
    return picture
