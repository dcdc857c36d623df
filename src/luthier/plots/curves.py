"""Learning curves: what trials reported as they ran."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from ..history import History
from ..trial import TrialState
from .theme import BLUE, GREEN, ORANGE, RED, best_row, escaped, figure, hover, value_range

_MOST = 150  # curves beyond which a picture is neither readable nor quick
_FEW_STEPS = 10


def plot_learning_curves(history: History, *, metric: str = "value", step: str = "epoch") -> go.Figure:
    """Show one curve for each trial that reported, coloured by its end; the best one on top.

    >>> import luthier as lt
    >>> from luthier.plots import plot_learning_curves
    >>> def objective(trial):
    ...     x = trial.suggest_float("x", 0, 1)
    ...     for epoch in range(3):
    ...         trial.report(x / (epoch + 1), epoch)
    ...     return x / 3
    >>> study = lt.create_study(seed=0)
    >>> study.optimize(objective, n_trials=4)
    >>> plot_learning_curves(study.history, metric="loss").write_html("curves.html")

    Of more than 150 trials, evenly chosen ones are drawn.

    Args:
        history: of the study.
        metric: what was reported.
        step: what a step is.
    """
    rows = [i for i, record in enumerate(history.records) if record.reports]
    winner = best_row(history)
    if len(rows) > _MOST:
        rows = [rows[i] for i in np.linspace(0, len(rows) - 1, _MOST).round().astype(int)]
    groups = (
        ("complete", TrialState.COMPLETE, BLUE, 0.6),
        ("pruned", TrialState.PRUNED, ORANGE, 0.7),
        ("failed", TrialState.FAIL, RED, 0.7),
        ("running", TrialState.RUNNING, BLUE, 0.9),
    )
    traces = []
    for name, state, colour, opacity in groups:
        members = [i for i in rows if history.states[i] == state and i != winner]
        if members:
            traces.append(_curves(history, members, name, colour, 1.2, opacity))
    if winner is not None and history.records[winner].reports:
        traces.append(_curves(history, [winner], "best", GREEN, 3, 1))
    reported = np.array([v for i in rows for _, v in history.records[i].reports], dtype=np.float64)
    steps = [s for i in rows for s, _ in history.records[i].reports]
    few = bool(steps) and max(steps) - min(steps) <= _FEW_STEPS  # else plotly's ticks are whole numbers anyway
    return figure(
        traces,
        xaxis={"title": {"text": escaped(step)}} | ({"dtick": 1} if few else {}),
        yaxis={"title": {"text": escaped(metric)}, "range": value_range(reported, history.directions[0])},
    )


def _curves(history: History, rows: list[int], name: str, colour: str, width: float, opacity: float) -> go.Scatter:
    """All curves of a group as one trace, with gaps between them."""
    x: list[int | None] = []
    y: list[float | None] = []
    texts: list[str] = []
    for i in rows:
        reports = history.records[i].reports
        x += [*(s for s, _ in reports), None]
        y += [*(v for _, v in reports), None]
        texts += [hover(history.records[i])] * (len(reports) + 1)
    single = len(x) == 2 * len(rows)  # one report each: a line would not show
    return go.Scatter(
        x=x,
        y=y,
        mode="markers" if single else "lines",
        name=name,
        line={"color": colour, "width": width},
        opacity=opacity,
        text=texts,
        hoverinfo="text",
        connectgaps=False,
    )
