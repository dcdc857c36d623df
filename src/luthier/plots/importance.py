"""Bars of how much each parameter matters."""

from __future__ import annotations

import plotly.graph_objects as go

from ..analysis import Importance
from .theme import BLUE, GREY, SKY, escaped, figure

_MOST = 15


def plot_importance(importance: Importance, *, pairs: int = 3) -> go.Figure:
    """Show the shares of the variance, largest on top: parameters, and the strongest interactions.

    >>> import luthier as lt
    >>> from luthier.analysis import importance
    >>> from luthier.plots import plot_importance
    >>> study = lt.create_study(space={"x": lt.Float(0, 1), "y": lt.Float(0, 1)}, seed=0)
    >>> study.optimize(lambda trial: trial.params["x"] + trial.params["y"] / 10, n_trials=10)
    >>> plot_importance(importance(study.history)).write_html("importance.html")

    Args:
        importance: of `luthier.analysis.importance`.
        pairs: how many interactions; those under 1 % are left out.
    """
    bars = [(escaped(s.names[0], 32), s, BLUE) for s in importance.single[:_MOST]]
    bars += [(" × ".join(escaped(n, 20) for n in s.names), s, SKY) for s in importance.pairs[:pairs] if s.share >= 0.01]
    bars.sort(key=lambda bar: bar[1].share)
    trace = go.Bar(
        x=[s.share for _, s, _ in bars],
        y=[name for name, _, _ in bars],
        orientation="h",
        marker={"color": [colour for _, _, colour in bars]},
        error_x={
            "array": [s.spread for _, s, _ in bars],
            "arrayminus": [min(s.spread, s.share) for _, s, _ in bars],  # no share is below nothing
            "color": GREY,
            "thickness": 1.2,
            "width": 3,
        },
        text=[f"<b>{name}</b><br>{s.share:.1%} ± {s.spread:.1%}" for name, s, _ in bars],
        textposition="none",
        hoverinfo="text",
    )
    return figure(
        [trace],
        height=110 + 30 * max(len(bars), 2),
        xaxis={"title": {"text": "share of the variance"}, "tickformat": ".0%", "rangemode": "tozero"},
        yaxis={"type": "category", "ticks": "", "showgrid": False},
        bargap=0.35,
        margin={"t": 30},
    )
