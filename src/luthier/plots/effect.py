"""The effect of one parameter."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from ..analysis import Effect
from ..history import History
from ..trial import TrialState
from .theme import BLUE, GREY, axis, escaped, figure, hover, is_unordered, places, value_range

_MOST = 1000


def plot_effect(effect: Effect, history: History, *, metric: str = "value", objective: int = 0) -> go.Figure:
    """Show the expected value over one parameter with its spread, above the trials themselves.

    >>> import luthier as lt
    >>> from luthier.analysis import effect
    >>> from luthier.plots import plot_effect
    >>> study = lt.create_study(seed=0)
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1) ** 2, n_trials=10)
    >>> plot_effect(effect(study.history, "x"), study.history, metric="loss").write_html("x.html")

    Args:
        effect: of `luthier.analysis.effect`.
        history: of the same study; the latest 1000 complete trials are drawn.
        metric: what the value is.
        objective: which of the study's values.
    """
    domain = history.space.parameters[effect.name]
    records = [r for r in history.records if r.values is not None and r.state == TrialState.COMPLETE][-_MOST:]
    records = [r for r in records if effect.name in r.params]
    values = np.array([r.values[objective] for r in records if r.values is not None])
    dots = go.Scatter(
        x=places([r.params[effect.name] for r in records], domain),
        y=values,
        mode="markers",
        name="trials",
        marker={"color": GREY, "size": 6, "opacity": 0.5},
        text=[hover(r) for r in records],
        hoverinfo="text",
    )
    x, mean, spread = places(effect.labels, domain), np.array(effect.mean), np.array(effect.spread)
    texts = [f"{escaped(label)}: {m:.4g} ± {s:.2g}" for label, m, s in zip(x, mean, spread, strict=True)]
    if is_unordered(domain):
        curve = [
            go.Scatter(
                x=x,
                y=mean,
                mode="markers",
                name="expected",
                marker={"color": BLUE, "size": 11, "symbol": "diamond"},
                error_y={"array": spread, "color": BLUE, "thickness": 2, "width": 6},
                text=texts,
                hoverinfo="text",
            )
        ]
    else:
        band = go.Scatter(
            x=[*x, *x[::-1]],
            y=[*(mean + spread), *(mean - spread)[::-1]],
            mode="lines",
            fill="toself",
            fillcolor="rgba(0, 114, 178, 0.16)",
            line={"width": 0},
            name="spread",
            hoverinfo="skip",
            showlegend=False,
        )
        line = {"color": BLUE, "width": 2.5}
        curve = [band, go.Scatter(x=x, y=mean, mode="lines", name="expected", line=line, text=texts, hoverinfo="text")]
    return figure(
        [dots, *curve],
        height=320,
        xaxis=axis(effect.name, domain),
        yaxis={"title": {"text": escaped(metric)}, "range": value_range(values, history.directions[objective])},
    )
