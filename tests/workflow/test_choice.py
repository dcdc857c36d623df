"""The choice after re-runs of which some were late; trainings and clock are the test's."""

import math

import pytest
from ridge import Ridge

import luthier as lt
from luthier.confirm import Confirmation, Run
from luthier.workflow import Narrator, choice
from luthier.workflow.budget import Clock
from luthier.workflow.folder import RunFolder
from luthier.workflow.settings import Settings
from luthier.workflow.walk import Account, UntilDeadline, Walk

A, B, C = 10_001, 10_002, 10_003


class Listener(Narrator):
    """Keeps the sentences."""

    def __init__(self):
        self.heard = []

    def line(self, text, *, warning=False):
        self.heard.append(text)


class OneNumber(Ridge):
    """Of which more is better."""

    direction = "maximize"
    bounds = (0.0, 1.0)


class Desk:
    """A run's folder and search, and `choose_winner` with the re-runs that the test lets end in time."""

    def __init__(self, path, monkeypatch, baseline=0):
        self.baseline = baseline
        self.folder = RunFolder.create(path, {}, False)
        self.folder.candidates.mkdir()
        self.study = lt.create_study(direction="maximize", space={"x": lt.Float(0, 1)}, sampler="random", seed=0)
        self.values = {}
        self.late = lambda number, seed: False
        self.calls, self.listener = [], Listener()

        def training(folder, task, study, record):
            path = folder.candidates / f"search-{record.number}"
            path.mkdir(exist_ok=True)
            return path

        def work(walk, plan):
            return dict.fromkeys(plan.numbers, 1.0), math.inf

        monkeypatch.setattr(choice, "trained_again", training)
        monkeypatch.setattr(choice, "_work", work)
        monkeypatch.setattr(choice, "_seconds", lambda walk, plan, runs: dict.fromkeys(plan.numbers, 10.0))
        monkeypatch.setattr(choice, "parallel_map", self.map)

    def map(self, evaluate, calls, jobs, more):
        while calls:
            for number, seed, params, keep, _ in calls:
                self.calls.append((number, seed))
                if self.late(number, seed):
                    yield len(self.calls), None
                    continue
                if keep is not None:
                    keep.mkdir(exist_ok=True)
                yield len(self.calls), Run(number, seed, self.values[params["x"]] + seed % 3 * 0.002, 10.0)
            calls = more()

    @property
    def said(self):
        return self.listener.heard

    def trial(self, x, value):
        trial = self.study.ask(fixed={"x": x})
        if trial.number == self.baseline:
            trial.set_user_attr("baseline", True)
        self.study.tell(trial, value)
        self.values[x] = value

    def choose(self, left=1e5, top=3, seeds=3):
        self.calls, self.listener = [], Listener()
        clock = Clock(left, now=lambda: 0.0)
        settings = Settings(top=top, seeds=seeds)
        account = Account(self.listener)
        walk = Walk(account, self.folder, settings, OneNumber(), self.study, UntilDeadline(None), clock, 1)
        winner = choice.choose_winner(walk)
        assert winner.model.is_dir() and winner.baseline.is_dir()
        return winner


@pytest.fixture
def desk(tmp_path, monkeypatch):
    found = Desk(tmp_path / "run", monkeypatch)
    for x, value in ((0.5, 0.80), (0.6, 0.95), (0.7, 0.93)):
        found.trial(x, value)
    return found


@pytest.mark.parametrize("late", [None, 1])
def test_one_of_the_first_two_alone_confirms_nothing(desk, late):
    desk.late = lambda number, seed: number == late
    winner = desk.choose()
    assert (winner.number, winner.mean, winner.confirmation) == (1, None, None)
    assert any("nothing is confirmed" in text for text in desk.said) and not desk.folder.has("confirmation")
    desk.late = lambda number, seed: False
    winner = desk.choose()  # what ended counts
    assert winner.number == 1 and winner.confirmation is not None
    assert all(number == late for number, seed in desk.calls[:2])


def test_who_ended_in_time_has_not_won(desk):
    """The baseline has both seeds, the best trial one: on that one it is better."""
    desk.late = lambda number, seed: (number, seed) == (1, B)
    winner = desk.choose()
    assert winner.number == 1 and winner.confirmation.seeds == (A,)
    assert [len(c.runs) for c in winner.confirmation.candidates if c.number in (1, None)] == [1, 1]


def test_a_late_first_seed_leaves_the_model_of_the_search(desk):
    desk.late = lambda number, seed: seed == A
    winner = desk.choose()
    assert winner.number == 1 and winner.confirmation.seeds == (B,)
    assert (winner.model.name, winner.baseline.name) == ("search-1", "search-0")


def test_a_confirmation_outlives_more_trials_without_time(desk):
    before = desk.choose()
    assert (before.number, before.mean) == (1, pytest.approx(0.952))
    desk.trial(0.65, 0.96)
    after = desk.choose(left=3.0)
    assert desk.calls == [] and (after.number, after.mean) == (1, before.mean)
    assert any("the earlier ones decide" in text for text in desk.said)
    for x in (0.61, 0.62, 0.63):  # what was confirmed is not among the most promising any more
        desk.trial(x, 0.99)
    after = desk.choose(left=3.0, top=2)
    assert (after.number, after.mean) == (1, before.mean)
    after = desk.choose()  # with time for the new ones
    assert after.number == 4 and {n for n, _ in desk.calls} >= {4}
    saved = Confirmation.from_json(desk.folder.load("confirmation"))
    assert [c.number for c in saved.candidates if c.number == 1] == [1]


def test_the_baseline_has_one_number_in_and_out_of_the_leaders(desk):
    first = desk.choose(top=3)  # the baseline is the third
    assert {n for n, _ in desk.calls} == {1, None} and first.baseline.name == "default"
    for x in (0.61, 0.62, 0.63):
        desk.trial(x, 0.9)
    desk.choose(top=3)
    assert None not in {n for n, _ in desk.calls}  # its runs still count
    assert sum(c.number is None for c in Confirmation.from_json(desk.folder.load("confirmation")).candidates) == 1


def test_runs_of_earlier_versions_name_the_baseline_trial_0(desk):
    for seed in (A, B, C):
        desk.folder.append("reruns", Run(0, seed, 0.80, 10.0).to_json())
    (desk.folder.candidates / "trial-0").mkdir()
    winner = desk.choose()
    assert None not in {n for n, _ in desk.calls} and winner.baseline.name == "trial-0"


def test_the_baseline_that_is_best_is_told_of_as_such(tmp_path, monkeypatch):
    desk = Desk(tmp_path / "best", monkeypatch)
    desk.trial(0.5, 0.9)
    winner = desk.choose()
    assert winner.number is None and winner.confirmation is not None and desk.calls == [(None, s) for s in (A, B, C)]
    assert any("The search saw 0.9 for the default configuration" in text for text in desk.said)


def test_the_baseline_is_known_by_its_attribute(tmp_path, monkeypatch):
    """And not by its number: here it is the second trial."""
    desk = Desk(tmp_path / "run", monkeypatch, baseline=1)
    for x, value in ((0.6, 0.95), (0.5, 0.80), (0.7, 0.93)):
        desk.trial(x, value)
    winner = desk.choose()
    assert winner.number == 0 and winner.name == "trial 0"
    assert {n for n, _ in desk.calls[:2]} == {0, None} and 1 not in {n for n, _ in desk.calls}
    assert (winner.model.name, winner.baseline.name) == ("trial-0", "default")
