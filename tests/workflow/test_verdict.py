"""The sealed test set is opened once for a winner; another winner's look is told of."""

import json

import pytest
from ridge import Ridge

import luthier as lt
from luthier.workflow import Narrator, tune
from luthier.workflow.baseline import baseline_of, record_of
from luthier.workflow.folder import RunFolder


class Sentences(Narrator):
    """Keeps the warnings."""

    def __init__(self):
        self.warnings = []

    def line(self, text, *, warning=False):
        if warning:
            self.warnings.append(text)


@pytest.fixture
def run(tmp_path):
    outcome = tune(Ridge(), tmp_path / "run", trials=4, top=2, seeds=1, sampler="random")
    return RunFolder.open(outcome.run), outcome


def openings(folder):
    return [json.loads(line)["reason"] for line in folder.seal.read_text().splitlines()]


def test_one_look_for_one_winner(run):
    folder, outcome = run
    assert openings(folder) == [f"trial {outcome.trial} against the baseline"]
    tune(Ridge(), folder.path, resume=True)
    assert len(openings(folder)) == 1


@pytest.mark.parametrize(("before", "named"), [(None, "the default configuration"), (99, "trial 99")])
def test_a_look_for_another_winner_is_told_of(before, named, run):
    folder, outcome = run
    folder.save("check", {**folder.load("check"), "winner": before})
    listener = Sentences()
    again = tune(Ridge(), folder.path, resume=True, narrator=listener)
    assert [text for text in listener.warnings if f"opened before, for {named}; a second look" in text]
    assert len(openings(folder)) == 2 and again.check == outcome.check


def test_a_kill_between_opening_and_writing_decides_nothing(run):
    folder, outcome = run
    (folder.path / "check.json").unlink()
    listener = Sentences()
    assert tune(Ridge(), folder.path, resume=True, narrator=listener).check == outcome.check
    assert not listener.warnings and len(openings(folder)) == 2


def test_the_baseline_is_a_trial_with_an_attribute(run):
    folder, _ = run
    records = lt.load_study(storage=folder.study).trials
    assert record_of(records, None) == baseline_of(records) == records[0]
    assert record_of(records, 2) == records[2] and baseline_of([]) is None
