from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
import pytest

from luthier.analysis import effect, fit_forest, importance, interaction
from luthier.confirm import rerun
from luthier.history import History
from luthier.plots import (
    plot_confirmation,
    plot_effect,
    plot_heatmap,
    plot_history,
    plot_importance,
    plot_learning_curves,
    plot_parallel,
    plot_timeline,
)
from luthier.plots.theme import TEMPLATE, axis, escaped, hover, objective_values, shown, value_range
from luthier.space import Choice, Float, Int, Ordinal, Space
from luthier.trial import TrialRecord, TrialState

EVIL = "<b>x</b> & <script>alert(1)</script>"
SPACE = Space(
    {
        "lr": Float(1e-4, 1, log=True),
        EVIL: Choice(["<i>a", "b&c"]),
        "layers": Int(1, 4),
        "batch": Ordinal([16, 32, 64]),
        "m": Float(0, 1, when={EVIL: "b&c"}),
    }
)
C, P, F, R, W = (TrialState[s] for s in ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING"))


def make(states, direction="minimize", values=None, space=SPACE, seed=0):
    rng = np.random.default_rng(seed)
    h = History(space, (direction,))
    for i, (state, params) in enumerate(zip(states, space.decode(space.sample(rng, len(states))), strict=True)):
        value = float(values[i]) if values is not None else float(rng.normal())
        done = state.is_finished
        h.put(
            [
                TrialRecord(
                    i,
                    state,
                    params,
                    (value,) if state == C else None,
                    reports=() if state == W else ((1, value + 1), (2, value + 0.5)),
                    started=None if state == W else 100.0 + i,
                    finished=100.0 + i + 5 if done else None,
                    owner=f"<host>{i % 2}",
                )
            ]
        )
    return h


MIXED = make([C, C, P, F, C, R, C, C, W, C, C, P])


def by_name(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def all_pictures(h):
    forest = fit_forest(h)
    yield plot_history(h, baseline=0.5, metric=EVIL)
    yield plot_learning_curves(h, metric=EVIL, step=EVIL)
    yield plot_importance(importance(forest))
    for name in h.space.names:
        yield plot_effect(effect(forest, name), h, metric=EVIL)
    yield plot_heatmap(interaction(forest, "lr", "layers"), h, metric=EVIL)
    yield plot_heatmap(interaction(forest, EVIL, "batch"), h, metric=EVIL)
    yield plot_parallel(h, metric=EVIL)
    yield plot_timeline(h)
    yield plot_confirmation(rerun(h, lambda p, s: float(s), top=2), metric=EVIL, baseline=0.1)


def test_user_text_is_escaped_in_every_picture_and_the_look_is_shared():
    pictures = list(all_pictures(MIXED))
    assert len(pictures) == 13
    for picture in pictures:
        text = json.dumps(json.loads(picture.to_json()), ensure_ascii=False)
        for raw in ("<script", "<i>a", "<b>x", "b&c", "<host>"):
            assert raw not in text
        assert picture.layout.template == TEMPLATE
        assert 100 < picture.layout.height <= 600
    assert "&lt;script&gt;" in plot_history(MIXED, metric=EVIL).to_json().replace("\\u003c", "<")


def test_history_marks_states_and_draws_the_best_so_far():
    h = make([C, P, C, F, C, C], values=[3, 9, 1, 9, 2, 0.5])
    h.put([h.records[2].with_(constraints=(1.0,))])  # infeasible: never the best
    picture = plot_history(h, baseline=2.5)
    assert by_name(picture, "pruned").x.tolist() == [1] and by_name(picture, "pruned").y.tolist() == [9.5]
    assert by_name(picture, "failed").x.tolist() == [3]
    assert by_name(picture, "infeasible").x.tolist() == [2]
    assert by_name(picture, "best so far").y.tolist() == [3, 3, 3, 3, 2, 0.5]
    assert by_name(picture, "best").x == (5,)
    assert picture.layout.shapes[0].y0 == 2.5
    assert "layers = " in by_name(picture, "complete").text[0]
    up = make([C, C, C], "maximize", [1, 3, 2])
    assert by_name(plot_history(up), "best so far").y.tolist() == [1, 3, 3]


def test_a_diverged_value_does_not_flatten_the_rest():
    values = np.append(np.linspace(0, 1, 20), 1e6)
    low, high = value_range(values, "minimize")
    assert low < 0 and 1 < high < 2
    assert value_range(-values, "maximize") == pytest.approx([-high, -low])
    assert value_range(np.linspace(0, 1, 20), "minimize") is None
    assert value_range(np.array([1.0, np.nan, 1e9]), "minimize") is None
    assert plot_history(make([C] * 21, values=values)).layout.yaxis.range == pytest.approx((low, high))


def test_learning_curves_have_gaps_between_trials_and_a_limit():
    picture = plot_learning_curves(MIXED)
    pruned = by_name(picture, "pruned")
    assert list(pruned.x) == [1, 2, None, 1, 2, None]
    assert by_name(picture, "best").line.width > pruned.line.width
    assert picture.layout.xaxis.dtick == 1  # of few steps each has a tick, and nothing between them
    many = plot_learning_curves(make([C] * 400))
    assert 140 <= sum(list(t.x).count(None) for t in many.data) <= 151


def test_importance_has_the_largest_on_top():
    result = importance(MIXED)
    bars = plot_importance(result).data[0]
    singles = [y for y in bars.y if "×" not in y]
    assert singles[::-1] == [escaped(s.names[0], 32) for s in result.single]
    assert list(bars.x) == sorted(bars.x)


def test_axes_follow_the_domain():
    assert axis("lr", SPACE.parameters["lr"])["type"] == "log"
    assert axis(EVIL, SPACE.parameters[EVIL])["categoryarray"] == ["&lt;i&gt;a", "b&amp;c"]
    assert axis("batch", SPACE.parameters["batch"])["type"] == "category"
    assert "type" not in axis("m", SPACE.parameters["m"])
    picture = plot_effect(effect(MIXED, "lr"), MIXED)
    assert picture.layout.xaxis.type == "log"
    assert picture.data[-1].x[0] == 1e-4 and picture.data[-1].x[-1] == 1.0


def test_effect_and_map_show_only_trials_that_have_the_parameters():
    forest = fit_forest(MIXED)
    has = [r for r in MIXED.records if r.state == C and "m" in r.params]
    assert len(by_name(plot_effect(effect(forest, "m"), MIXED), "trials").x) == len(has)
    numbers = plot_heatmap(interaction(forest, "lr", "m"), MIXED)
    assert isinstance(numbers.data[0], go.Contour) and len(numbers.data[1].x) == len(has)
    assert numbers.layout.yaxis.type == "log" and numbers.data[0].reversescale
    assert isinstance(plot_heatmap(interaction(forest, EVIL, "lr"), MIXED).data[0], go.Heatmap)


def test_parallel_lines_pass_through_every_trial_without_webgl():
    picture = plot_parallel(MIXED)
    assert all(trace.type == "scatter" for trace in picture.data)
    complete = int(MIXED.is_complete.sum())
    gaps = sum(np.isnan(np.array(t.x, dtype=float)).sum() for t in picture.data)
    assert gaps == complete + 1  # the best is drawn once more
    texts = [note.text for note in picture.layout.annotations]
    assert "inactive" in texts and "&lt;i&gt;a" in texts
    assert picture.layout.xaxis.ticktext[1].startswith("&lt;b&gt;x")
    assert len(plot_parallel(MIXED, ["lr"]).layout.xaxis.ticktext) == 2


def test_timeline_gives_every_worker_a_lane():
    picture = plot_timeline(MIXED)
    bars = sorted((y, b, b + x) for t in picture.data for y, b, x in zip(t.y, t.base, t.x, strict=True))
    assert all(a[2] <= b[1] for a, b in pairwise(bars) if a[0] == b[0])  # nothing overlaps in a lane
    assert by_name(picture, "failed").base == (3.0,) and by_name(picture, "failed").x == (5.0,)
    assert picture.layout.xaxis.title.text == "seconds"
    late = MIXED.records[0].with_(finished=100 + 3 * 3600.0)
    h = History(SPACE)
    h.put([late])
    assert plot_timeline(h).layout.xaxis.title.text == "hours" and plot_timeline(h).data[0].x == (3.0,)


def test_confirmation_shows_intervals_seeds_and_what_the_search_saw():
    result = rerun(MIXED, lambda p, s: p["lr"] + s, top=3, seeds=[1, 2])
    picture = plot_confirmation(result, baseline=0.7)
    intervals = [t for t in picture.data if t.mode == "lines"]
    assert len(intervals) == 3 and len(by_name(picture, "one seed").x) == 6
    first = result.candidates[0]
    assert by_name(picture, "seen by the search").x[-1] == first.search_value
    assert by_name(picture, "mean, 95 % interval").x[-1] == pytest.approx(first.mean)
    nothing = plot_confirmation(rerun(MIXED, lambda p, s: float("nan"), top=2))
    assert len(by_name(nothing, "mean, 95 % interval").x) == 0


@pytest.mark.parametrize("states", [[], [C], [F], [F, F, F], [P, P], [R], [W], [C, C]])
def test_pictures_of_hardly_anything(states):
    h = make(states)
    for picture in (plot_history(h), plot_learning_curves(h), plot_parallel(h), plot_timeline(h)):
        json.loads(picture.to_json())


def test_pictures_of_a_space_without_parameters_and_of_two_objectives():
    h = History(Space({}), ("minimize", "maximize"))
    h.put([TrialRecord(i, C, {}, (float(i), float(-i)), reports=((1, 0.5),)) for i in range(4)])
    assert by_name(plot_history(h, objective=1), "best so far").y.tolist() == [0, 0, 0, 0]
    assert plot_parallel(h, objective=1).layout.xaxis.ticktext == ("<b>value</b>",)
    assert plot_learning_curves(h).data[0].mode == "markers"
    assert np.isnan(objective_values(make([F, W]))).all()


def test_text_helpers():
    assert escaped("<a & b>") == "&lt;a &amp; b&gt;"
    assert escaped("x" * 100, 10) == "x" * 9 + "…"
    assert [shown(v) for v in (0.123456, 3, None, True, "s", float("nan"))] == ["0.1235", "3", "–", "True", "s", "–"]
    text = hover(TrialRecord(3, P, {"<k>": 1.5}, reports=((4, 0.25),), constraints=(1.0,), started=1.0, finished=3.5))
    assert text == "<b>trial 3</b>, pruned<br>last report 0.25 at step 4<br>infeasible<br>2.5 s<br>&lt;k&gt; = 1.5"


def test_timeline_lays_what_ran_at_once_side_by_side():
    h = History(MIXED.space, MIXED.directions)
    params = dict(MIXED.records[0].params)
    spans = [(0.0, 3.0), (1.0, 2.0), (2.0, 4.0), (3.0, 5.0)]
    h.put(
        TrialRecord(i, TrialState.COMPLETE, params, (1.0,) * len(h.directions), started=a, finished=b, owner="one")
        for i, (a, b) in enumerate(spans)
    )
    assert list(plot_timeline(h).data[0].y) == ["worker 1", "worker 2", "worker 2", "worker 1"]
