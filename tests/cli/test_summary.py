"""The verdict in words, whichever way is better."""

import io

import numpy as np
import pytest
from rich.console import Console
from ridge import Ridge

from luthier.cli.console import Speaker
from luthier.cli.narrator import ConsoleNarrator, score
from luthier.cli.summary import meaning
from luthier.confirm import check

RNG = np.random.default_rng(0)
SMALL, LARGE = RNG.normal(1.0, 0.1, 60), RNG.normal(2.0, 0.1, 60)
NOISE = RNG.normal(1.0, 0.5, 60)


@pytest.mark.parametrize(
    ("verdict", "is_default", "words"),
    [
        (check("loss", SMALL, LARGE, direction="minimize"), False, "beats the baseline: the whole interval of"),
        (check("loss", SMALL, LARGE, direction="minimize"), False, "is below zero"),
        (check("return", LARGE, SMALL, direction="maximize"), False, "is above zero"),
        (check("loss", LARGE, SMALL, direction="minimize"), False, "On the sealed test set the baseline is better"),
        (check("return", SMALL, LARGE, direction="maximize"), False, "On the sealed test set the baseline is better"),
        (check("loss", NOISE, NOISE[::-1], direction="minimize"), False, "Chance alone could explain the difference"),
        (check("loss", SMALL, SMALL, direction="minimize"), False, "Both score the same on each of the 60 episodes"),
        (check("accuracy", [1] * 9, [1] * 9), False, "Both are right on the same of the 9 episodes"),
        (check("accuracy", [1] * 9, [1] * 9), True, "beat the defaults on fresh seeds"),
    ],
)
def test_the_verdict_in_words(verdict, is_default, words):
    assert words in meaning(verdict, is_default, compared=True, what="episodes")


def test_the_defaults_win_on_fresh_seeds_only_where_something_else_ran_on_them():
    same = check("accuracy", [True] * 9, [True] * 9)
    assert "beat the defaults in the search" in meaning(same, True, compared=False)
    assert "beat the defaults on fresh seeds" in meaning(same, True, compared=True)


def test_scores_are_as_long_as_they_tell():
    assert score(0.98765, (0.0, 1.0)) == "0.9877" and score(0.01, (0.0, 1.0), sign=True) == "+0.0100"
    unbounded = (float("-inf"), float("inf"))
    assert score(123456.78, unbounded) == "1.2346e+05" and score(3001.47, unbounded) == "3001.5"
    assert score(1.5e-7, unbounded, sign=True) == "+1.5e-07"


def test_options_are_named_as_they_are_typed():
    option = ConsoleNarrator(Speaker(Console(file=io.StringIO()))).option
    assert (option("resume", True), option("folder"), option("timeout")) == ("--resume", "--out", "--timeout")
    assert (option("trials", 3), option("skip_broken")) == ("--trials 3", "--skip-broken")


def test_equal_scores_have_no_difference_to_tell():
    file = io.StringIO()
    narrator = ConsoleNarrator(Speaker(Console(file=file, width=100)))
    narrator.verdict(Ridge(), check("squared error", SMALL, SMALL, direction="minimize"))
    assert "none: both models score the same on each of the 60 patients" in file.getvalue()
