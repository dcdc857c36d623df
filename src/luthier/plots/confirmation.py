"""The re-run candidates with their intervals."""

from __future__ import annotations

import plotly.graph_objects as go

from ..confirm import Candidate, Confirmation, choose
from ..errors import DataError
from .theme import BLUE, GREEN, GREY, ORANGE, escaped, figure, shown


def plot_confirmation(confirmation: Confirmation, *, metric: str = "value", baseline: float | None = None) -> go.Figure:
    """Show every candidate's mean with its 95 % interval, its seeds, and what the search had seen; the winner in green.

    >>> import luthier as lt
    >>> from luthier.confirm import rerun
    >>> from luthier.plots import plot_confirmation
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)})
    >>> for x in (0.1, 0.5, 0.9):
    ...     record = study.tell(study.ask(fixed={"x": x}), x)
    >>> again = rerun(study.history, lambda params, seed: params["x"] + seed % 3 / 100, top=2)
    >>> plot_confirmation(again, metric="loss").write_html("confirmation.html")

    Args:
        confirmation: of `luthier.confirm.rerun`.
        metric: what the value is.
        baseline: a value to compare with, drawn as a line.
    """
    try:
        winner: Candidate | None = choose(confirmation).best
    except DataError:
        winner = None  # all failed: none stands out
    candidates = confirmation.candidates[::-1]
    names = [c.name for c in candidates]
    seeds = [(c.name, run) for c in candidates for run in c.runs if run.value == run.value]
    known = [c for c in candidates if c.runs and not c.failed]
    colours = [GREEN if c is winner else BLUE for c in known]
    traces = [
        go.Scatter(
            x=[c.search_value for c in candidates],
            y=names,
            mode="markers",
            name="seen by the search",
            marker={"color": ORANGE, "symbol": "diamond-open", "size": 10, "line": {"width": 2}},
            text=[f"{c.name}: the search saw {shown(c.search_value)}" for c in candidates],
            hoverinfo="text",
        ),
        *(
            go.Scatter(
                x=[c.interval.low, c.interval.high],
                y=[c.name, c.name],
                mode="lines",
                line={"color": colour, "width": 3},
                showlegend=False,
                hoverinfo="skip",
            )
            for c, colour in zip(known, colours, strict=True)
        ),
        go.Scatter(
            x=[run.value for _, run in seeds],
            y=[name for name, _ in seeds],
            mode="markers",
            name="one seed",
            marker={"color": GREY, "size": 7, "line": {"color": "white", "width": 1}},
            text=[f"{name}, seed {run.seed}: {shown(run.value)}" for name, run in seeds],
            hoverinfo="text",
        ),
        go.Scatter(
            x=[c.mean for c in known],
            y=[c.name for c in known],
            mode="markers",
            name="mean, 95 % interval",
            marker={"color": colours, "size": 11},
            text=[_text(c) for c in known],
            hoverinfo="text",
        ),
    ]
    picture = figure(
        traces,
        height=150 + 36 * len(candidates),
        xaxis={"title": {"text": escaped(metric)}, "automargin": "height"},  # to the side too, ticks can flip for ever
        yaxis={"type": "category", "categoryorder": "array", "categoryarray": names, "ticks": ""},
    )
    if baseline is not None:
        picture.add_vline(
            baseline,
            line={"color": GREY, "dash": "dash", "width": 1.5},
            annotation={"text": "baseline", "font": {"color": GREY, "size": 12}},
            annotation_position="bottom right",
        )
    return picture


def _text(candidate: Candidate) -> str:
    interval = candidate.interval
    lines = [f"<b>{candidate.name}</b>: {shown(candidate.mean)}"]
    if interval.is_known:
        lines.append(f"95 %: {shown(interval.low)} to {shown(interval.high)}")
    else:
        lines.append(candidate.scatter)
    lines += [f"{escaped(name)} = {escaped(shown(value))}" for name, value in candidate.params.items()]
    return "<br>".join(lines)
