"""The bar of `optimize` and its time left."""

import pytest

import luthier as lt
from luthier.engine.progress import Pace
from luthier.samplers import RandomSampler


def paced(*events, total=10):
    """The time left after each (time, done, running)."""
    now = 0.0
    pace = Pace(lambda: now)
    left = []
    for now, done, running in events:  # noqa: B007
        pace.saw(done, running)
        left.append(pace.left(total))
    return left


def test_time_left_follows_the_trials_of_this_run():
    assert paced((0, 4, 0), (0, 4, 1), (3, 4, 1)) == [None] * 3, "nothing is known before the first"
    assert paced((0, 4, 0), (10, 5, 1), (12, 5, 1), (20, 6, 1)) == [None, 50, 48, 40]
    assert paced((0, 0, 0), (10, 9, 1), (20, 10, 0))[-1] is None, "at the end"
    assert paced((0, 0, 0), (10, 1, 1), total=None) == [None, None]


def test_a_trial_that_takes_longer_than_those_before_never_makes_it_zero():
    assert paced((0, 0, 0), (1, 1, 1), (2, 2, 1), (60, 2, 1)) == [None, 9, 8, 58 * 7]


def test_trials_at_a_time_are_not_taken_for_one_after_the_other():
    assert paced((0, 0, 4), (10, 1, 4), total=9)[-1] == 20


@pytest.mark.parametrize("n_trials", [1, 3])
def test_no_bar_shows_dashes(capsys, monkeypatch, n_trials):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    study = lt.create_study(seed=0, sampler=RandomSampler())
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=n_trials, show_progress_bar=True)
    shown = capsys.readouterr().err
    assert "trials" in shown and "-:--:--" not in shown
