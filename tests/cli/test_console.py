"""Text on any terminal: words stay whole, lines stay within the width, results go to stdout."""

import io
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from luthier.cli.bar import Shown, bar_lines, live_bar, progress_shown, within_time
from luthier.cli.console import Speaker, print_error, wrapped
from luthier.engine.progress import clock_text
from luthier.trial import TrialRecord, TrialState
from luthier.workflow.narrator import RerunProgress, SearchProgress

RUNNING, COMPLETE, PRUNED, FAIL = TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
WORDS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=30), max_size=20
)


@given(WORDS, st.integers(10, 90), st.integers(0, 8))
def test_lines_break_between_words_and_stay_within_the_width(words, width, used):
    text = " ".join(words)
    lines = wrapped(text, width, "  ", used)
    assert " ".join(line.removeprefix("  ") if i else line for i, line in enumerate(lines)) == text
    for i, line in enumerate(lines):
        room = width - (0 if i else used)
        assert cell_len(line) <= room or len(line.split()) == 1
    for line, after in pairwise(lines):  # none is shorter than it had to be
        assert cell_len(line) + 1 + cell_len(after.split()[0]) > width - used


@pytest.mark.parametrize("width", [40, 50, 60, 80, 120])
def test_what_a_run_says_fits_any_terminal(width):
    console = Console(file=io.StringIO(), width=width)
    say = Speaker(console, margin=5)
    say.step(2, 9, "Data preparation")
    say.fact("split", "1600 to train, 400 to validate, 10000 sealed for the final check; stratified by class, seed 0")
    say.line(
        "The search saw 0.9922 for trial 15; on 3 fresh seeds it averaged 0.9856, which agrees with the [bold] seeds."
    )
    say.place("model", "/a/very/long/path/" + "folder/" * 20 + "model")
    lines = console.file.getvalue().splitlines()
    assert all(len(line) <= width for line in lines[:-1]) and lines[-1].endswith("folder/model")
    hanging = [line for line in lines if line.startswith("    ")]
    assert hanging, "later lines of a paragraph are set in"
    assert "[bold]" in " ".join(lines)
    assert lines_of(lines).startswith("1600 to train") and lines_of(lines).endswith("by class, seed 0")


def lines_of(lines):
    start = next(i for i, line in enumerate(lines) if line.strip().startswith("split"))
    end = next(i for i, line in enumerate(lines) if line.strip().startswith("The search"))
    return " ".join(line.strip() for line in lines[start:end]).removeprefix("split").strip()


@pytest.mark.parametrize("terminal", [True, False])
def test_errors_wrap_in_a_terminal_alone(terminal, monkeypatch):
    file = io.StringIO()
    console = Console(file=file, width=40, force_terminal=terminal, color_system=None)
    monkeypatch.setattr("luthier.cli.console.error_console", lambda: console)
    print_error("runs/x holds a run already: continue with --resume, or start over with --fresh")
    lines = file.getvalue().rstrip("\n").split("\n")
    assert lines[0].startswith("error: runs/x")
    assert (len(lines) > 1, all(len(line) <= 40 for line in lines)) == (terminal, terminal)
    assert all(line.startswith("       ") for line in lines[1:])


@given(st.integers(20, 130), st.integers(0, 40), st.one_of(st.none(), st.floats(0, 1e6)), st.text(max_size=80))
def test_a_bar_fits_and_always_has_an_end_in_sight(width, done, left, status):
    status = " ".join(status.split())
    lines = bar_lines(Shown("trials", done, 40, status, left), 12.0, width)
    assert 1 <= len(lines) <= 2 and all(cell_len(line) <= width for line in lines)
    if width >= 60:
        assert f"{done}/40" in lines[0] and ("left" in lines[0]) == (left is not None)
    assert "-:--" not in " ".join(lines).replace(status, "")


def test_times_on_the_bar():
    assert [clock_text(s) for s in (0, 59.6, 3599, 86400)] == ["0:00:00", "0:01:00", "0:59:59", "24:00:00"]


def record(number, state, epochs, started=0.0, finished=None, value=None):
    reports = tuple((e, 0.1 * e) for e in range(1, epochs + 1))
    values = None if value is None else (value,)
    return TrialRecord(number, state, {}, values, reports=reports, started=started, finished=finished)


def test_the_bar_of_a_search_shows_the_running_epochs():
    records = [
        record(0, COMPLETE, 6, 0.0, 12.0, 0.79),
        record(1, PRUNED, 2, 12.0, 16.0),
        record(2, RUNNING, 3, 12.0),
        record(3, RUNNING, 0, 17.0),
        record(4, FAIL, 0, 16.0, 17.0),
    ]
    shown = progress_shown(SearchProgress("trials", records, 8, 2), 18.0, "epoch", 6, "maximize")
    assert (shown.done, shown.total) == (3, 8)
    assert shown.status == "2 running: epoch 3, 0 of 6, 1 pruned, 1 failed, best 0.79"
    assert shown.left == pytest.approx((6 + 3 + 3 * 4) / 2)
    begun = progress_shown(SearchProgress("baseline", [record(0, RUNNING, 0)], 1, 1), 1.0, "epoch", 6, "maximize")
    assert begun.what == "baseline" and begun.left is None and begun.status == "1 running: epoch 0 of 6"
    assert progress_shown(SearchProgress("trials", records[:1], 1, 2), 18.0, "epoch", 6, "maximize").left is None
    within = progress_shown(SearchProgress("trials", records, 8, 2, most=3.0), 18.0, "epoch", 6, "maximize")
    assert within.left == 3.0


def test_the_bar_of_a_task_that_reports_nothing_and_where_less_is_better():
    records = [
        record(0, COMPLETE, 0, 0.0, 10.0, 3.5),
        record(1, COMPLETE, 0, 10.0, 20.0, 2.5),
        record(2, RUNNING, 0, 20.0),
    ]
    shown = progress_shown(SearchProgress("trials", records, 4, 1), 24.0, "step", 1, "minimize")
    assert shown.status == "1 running, best 2.5" and shown.left == 16


def test_the_bar_of_re_runs():
    shown = progress_shown(RerunProgress(2, 6, 2, 3, 12.0), 0.0, "epoch", 6, "maximize")
    assert shown == Shown("re-runs", 2, 6, "2 of 3 in the race", 12.0)


def test_the_time_that_is_left_bounds_what_the_bar_promises():
    shown = Shown("trials", 2, 8, "", 61.0)
    assert within_time(shown, 20.0).left == 20.0 and within_time(shown, 100.0).left == 61.0
    assert within_time(shown, -1.0).left is None and within_time(replace(shown, left=None), 5.0).left is None


def test_a_bar_that_cannot_look_lets_the_run_go_on(capsys):
    looks = iter([Shown("trials", 0, 2, "", 1.0)])
    with live_bar(lambda: next(looks)):
        pass
    assert "trials" in capsys.readouterr().err
