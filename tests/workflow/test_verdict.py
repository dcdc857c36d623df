"""The sealed test set is opened once for a winner; another winner's look is told of."""

import json

import numpy as np
import pytest
from ridge import Ridge

import luthier as lt
from luthier.cli.console import Speaker
from luthier.cli.narrator import ConsoleNarrator
from luthier.cli.summary import summarize
from luthier.errors import DataError
from luthier.tasks import Trained
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


class Wrong(Ridge):
    """Scores as it should not."""

    def score(self, models, sealed):
        scores = super().score(models, sealed)
        return scores.mean(axis=1) if len(models) == 2 else scores


class NotFinite(Ridge):
    """Scores one example by NaN."""

    def score(self, models, sealed):
        scores = super().score(models, sealed)
        return np.where(np.arange(scores.shape[1]) == 7, np.nan, scores) if len(models) == 2 else scores


@pytest.mark.parametrize(("task", "message"), [(Wrong, r"an array of \(2,\)"), (NotFinite, "not finite")])
def test_scores_that_cannot_be_are_told_of_and_lose_nothing(task, message, tmp_path):
    with pytest.raises(DataError, match=rf"the task 'ridge' scored two models on 89 patients, and gave .*{message}"):
        tune(task(), tmp_path / "run", trials=3, top=1, seeds=1, sampler="random")
    outcome = tune(Ridge(), tmp_path / "run", resume=True)  # mended
    assert outcome.cost.trials == 3 and outcome.confirmed


class OfNumpy(Ridge):
    """Numbers are NumPy's, and the names of parameters are odd."""

    space = lt.Space({"[bold]penalty": lt.Float(1e-3, 1e3, log=True, default=1e3), "degree {0} %s": lt.Choice([1, 2])})

    def train(self, params, seed, on_report=None, checkpoint=None):
        own = dict(zip(("penalty", "degree"), params.values(), strict=True))
        trained = super().train(own, seed, on_report, checkpoint)
        return Trained(trained.model, params, seed, np.float32(trained.value), dict(trained.attrs))


def test_numbers_of_numpy_and_odd_names(tmp_path, capsys):
    narrator = ConsoleNarrator(Speaker(margin=5))
    outcome = tune(OfNumpy(np.int64(3)), tmp_path / "run", trials=4, top=1, seeds=1, narrator=narrator)
    assert set(outcome.params) == {"[bold]penalty", "degree {0} %s"}
    summarize(Speaker(), OfNumpy(np.int64(3)), outcome)
    said = capsys.readouterr().err
    assert said.count("[bold]penalty") >= 3 and said.count("degree {0} %s") >= 3
    assert tune(OfNumpy(np.int64(3)), tmp_path / "run", resume=True).params == outcome.params
