"""A run whose time is over in each of its stages; the clock is the test's, nothing is measured."""

import json
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from luthier.confirm import check
from luthier.errors import LuthierError
from luthier.history import History
from luthier.schedulers import Decision, ThresholdPruner
from luthier.space import Float, Space
from luthier.study import load_study
from luthier.tasks.image import load_model
from luthier.trial import TrialRecord, TrialState
from luthier.workflow import steps as workflow
from luthier.workflow.budget import Clock
from luthier.workflow.choice import _loaded, _run_again
from luthier.workflow.folder import RunFolder
from luthier.workflow.keep import KeepingTask, searched, trained_again
from luthier.workflow.settings import ImageSettings
from luthier.workflow.verdict import _meaning
from luthier.workflow.walk import TimeIsUp, UntilDeadline, Walk

SETTINGS = ImageSettings("digits", trials=3, epochs=2, top=2, seeds=2, limit=200, timeout=1e6)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs `tune_image` with a clock that says what `left` says."""

    def tune(left=lambda folder: 1e6, settings=SETTINGS, name="run"):
        folder = RunFolder(tmp_path / name)
        if not folder.exists:
            folder = RunFolder.create(tmp_path / name, settings.to_json(), fresh=False)

        class Given(Clock):
            @property
            def left(self):
                return left(folder)

        monkeypatch.setattr(workflow, "Clock", Given)
        return folder, workflow.tune_image(folder, settings, 1)

    return tune


def finished(folder):
    return sum(t.state.is_finished for t in load_study(storage=folder.study).trials) if folder.study.exists() else 0


def test_the_time_is_over_in_the_baseline(run, tmp_path):
    with pytest.raises(LuthierError, match="was over before the baseline was trained"):
        run(lambda _: 0.0)
    folder = RunFolder(tmp_path / "run")
    record = load_study(storage=folder.study).trials[0]
    assert record.state is TrialState.WAITING and not folder.model.exists()
    assert len(list(folder.checkpoints.glob("*.epochs"))) == 1  # it goes on where it was
    _, result = run()
    assert result["best"]["confirmed"] and result["cost"]["trials"] == 3


def test_the_time_is_over_in_the_search(run):
    """The baseline is the answer, and the test judges it."""
    folder, result = run(lambda folder: 0.0 if finished(folder) else 1e6)
    assert result["cost"]["trials"] == 1 and result["cost"]["reruns"] == 0
    assert result["best"]["trial"] == 0 and not result["best"]["confirmed"] and result["best"]["mean"] is None
    assert result["check"]["difference"]["estimate"] == 0 and folder.report.exists()
    assert load_model(folder.model).details["confirmed"] is False
    folder, result = run()  # with more time
    assert result["cost"]["trials"] == 3 and result["best"]["confirmed"]
    assert load_model(folder.model).details["confirmed"] is True


def test_the_time_is_over_before_the_re_runs(run):
    folder, result = run(lambda folder: 0.0 if finished(folder) == 3 else 1e6)
    study = load_study(storage=folder.study)
    assert result["cost"]["trials"] == 3 and result["cost"]["reruns"] == 0
    assert result["best"]["trial"] == study.best_trial.number and not folder.has("confirmation")
    assert load_model(folder.model).details["trial"] == study.best_trial.number
    kept = {path.name for path in folder.candidates.glob("search-*")}
    assert kept == {"search-0", f"search-{study.best_trial.number}"}


def test_the_time_is_over_in_the_re_runs(run):
    """No further round begins; what ended is compared."""

    def left(folder):
        return 0.0 if len(folder.lines("reruns")) >= 1 else 1e6

    settings = replace(SETTINGS, trials=6, seeds=3, pruner="none")
    folder, result = run(left, settings)
    assert 1 <= result["cost"]["reruns"] <= 4  # the first round of the race
    assert result["best"]["confirmed"] and folder.has("confirmation")
    assert "ended early" in json.dumps(folder.load("confirmation"))
    candidates = folder.load("confirmation")["candidates"]
    assert result["best"]["compared"] == sum(bool(c["runs"]) for c in candidates) >= 1


def test_the_defaults_win_on_fresh_seeds_only_where_something_else_ran_on_them():
    same = check("accuracy", [True] * 9, [True] * 9)
    assert "beat the defaults in the search" in _meaning(same, None, compared=False)
    assert "beat the defaults on fresh seeds" in _meaning(same, None, compared=True)


def test_a_re_run_that_is_late_does_not_count(run):
    folder, _ = run()
    task = KeepingTask("digits", epochs=2, limit=200)
    args = (task, None, 5, task.space.defaults(), folder.path / "late")
    assert _run_again(*args, 0.0) is None and not (folder.path / "late").exists()
    assert _run_again(*args, math.inf).seed == 5 and load_model(folder.path / "late").details["confirmed"]


def test_what_the_options_of_a_resumed_run_may_change():
    recorded = ImageSettings("digits", timeout=600.0, top=5, seeds=3).to_json()
    lowered = ImageSettings.recorded(recorded, {"top": 2, "seeds": 1, "trials": 50}, spent=500)
    assert (lowered.top, lowered.seeds, lowered.trials, lowered.timeout) == (2, 1, 50, 600)  # 100 s are left
    assert ImageSettings.recorded(recorded, {"timeout": 60.0}, spent=590).timeout == 650
    old = {name: value for name, value in recorded.items() if name != "timeout"}
    assert ImageSettings.recorded(old, {}).timeout is None
    with pytest.raises(LuthierError, match="was made with --epochs 25, not 9"):
        ImageSettings.recorded(recorded, {"epochs": 9})


def test_a_model_that_no_worker_could_save_is_trained_again_as_it_was(run):
    folder, _ = run()
    study = load_study(storage=folder.study)
    record = study.best_trial
    task = KeepingTask("digits", epochs=2, limit=200)
    path = searched(folder.candidates, record.number)
    before = (path / "model.json").read_bytes()
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    assert trained_again(folder, task, study, record) == path
    assert (path / "model.json").read_bytes() == before
    assert json.loads(before)["details"]["validation accuracy"] == record.value


def test_a_deadline_stops_what_runs():
    history = History(Space({"x": Float(0, 1)}), ("maximize",))
    history.put([TrialRecord(0, TrialState.RUNNING, {"x": 0.5}, reports=((1, 0.5),))])
    scheduler = UntilDeadline(None)
    assert scheduler.decide(history, 0) is Decision.CONTINUE
    assert UntilDeadline(ThresholdPruner(lower=0.9)).decide(history, 0) is Decision.STOP
    scheduler.deadline = math.inf
    assert scheduler.decide(history, 0) is Decision.CONTINUE
    scheduler.deadline = 0.0
    assert scheduler.decide(history, 0) is Decision.STOP
    scheduler.gives_up = True
    with pytest.raises(TimeIsUp):
        scheduler.decide(history, 0)


def test_the_time_used_is_kept_while_nothing_ends(tmp_path):
    now = [0.0]
    folder = RunFolder.create(tmp_path / "run", {}, fresh=False)
    walk = Walk(None, folder, SETTINGS, None, None, UntilDeadline(None), Clock(60.0, now=lambda: now[0]), 1)
    kept = []
    for second in (0.0, 9.0, 10.0, 19.0, 25.0):
        now[0] = second
        walk.note_cost_rarely()
        kept.append(folder.load("cost")["seconds"])
    assert kept == [0.0, 0.0, 10.0, 10.0, 25.0]
    now[0] = 26.0
    walk.note_cost()
    assert folder.load("cost")["seconds"] == 26.0
    with ThreadPoolExecutor(4) as threads:  # the bar's thread and the run's
        for _ in threads.map(lambda _: walk.note_cost(), range(100)):
            assert folder.load("cost")["seconds"] == 26.0


def test_a_worker_loads_the_data_once_for_all_its_re_runs():
    task = KeepingTask("digits", epochs=1, limit=200)
    assert _loaded(task).prepared is _loaded(pickle.loads(pickle.dumps(task))).prepared
    other = replace(task, epochs=2)
    assert _loaded(other) is other
