"""The race's picture: mean normalised regret by trial, as HTML, and as PNG where there is a Chromium."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.colors import qualitative

from .statistics import bootstrap, mean_curve
from .table import Results

_FLOOR = 1e-6  # a regret of 0 has no logarithm


def figure(results: Results) -> go.Figure:
    """Curves with 95 % bands over the real problems that all peers ran, or the analytic ones if there are no others."""
    shared = results.shared()
    problems = [q for q in shared if not q.startswith("analytic/")] or shared
    x, rng, drawing = np.arange(1, results.trials + 1), np.random.default_rng(0), go.Figure()
    for peer, color in zip(results.peers, qualitative.D3 + qualitative.Dark24, strict=False):
        regrets = results.on(peer, problems)
        low, high = (np.maximum(edge, _FLOOR) for edge in bootstrap(regrets, rng))
        band = {"x": np.concatenate([x, x[::-1]]), "y": np.concatenate([high, low[::-1]])}
        drawing.add_scatter(
            **band, fill="toself", fillcolor=color, opacity=0.15, line_width=0, legendgroup=peer, showlegend=False
        )
        curve = np.maximum(mean_curve(regrets), _FLOOR)
        drawing.add_scatter(x=x, y=curve, name=peer, line_color=color, legendgroup=peer)
    drawing.data = sorted(drawing.data, key=lambda trace: trace.fill is None)  # lines over all bands
    drawing.update_yaxes(type="log", title=f"mean normalised regret, {len(problems)} problems")
    drawing.update_xaxes(title="trial")
    drawing.update_layout(template="plotly_white", width=1000, height=640, hovermode="x unified")
    return drawing


def draw(results: Results, path: Path) -> list[Path]:
    """Write the picture at PATH.html, and at PATH.png if a Chromium is there; returns what was written."""
    page, image = path.with_suffix(".html"), path.with_suffix(".png")
    figure(results).write_html(page, include_plotlyjs=True, config={"displayModeBar": False})
    browser = next((b for name in ("chromium", "google-chrome", "chromium-browser") if (b := shutil.which(name))), None)
    if browser is None:
        print("no Chromium here: the picture is HTML only")
        return [page]
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1020,660")
    shot = ("--virtual-time-budget=10000", f"--screenshot={image.resolve()}", page.resolve().as_uri())
    subprocess.run([browser, *options, *shot], check=True, capture_output=True, timeout=120)
    return [page, image]
