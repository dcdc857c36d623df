"""A run whose time is over in each of its stages; the clock is the test's, nothing is measured."""

import json
import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from ridge import Ridge

from luthier.errors import LuthierError
from luthier.history import History
from luthier.schedulers import Decision, ThresholdPruner
from luthier.space import Float, Space
from luthier.study import load_study
from luthier.tasks.image import ImageTask, load_model
from luthier.trial import TrialRecord, TrialState
from luthier.workflow import Narrator, steps, tune
from luthier.workflow.budget import Clock
from luthier.workflow.choice import _loaded, _run_again
from luthier.workflow.folder import RunFolder
from luthier.workflow.keep import searched, trained_again
from luthier.workflow.settings import Settings
from luthier.workflow.walk import Account, TimeIsUp, UntilDeadline, Walk

TASK = ImageTask("digits", epochs=2, limit=200)
SETTINGS = {"trials": 3, "top": 2, "seeds": 2, "timeout": 1e6}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs `tune` with a clock that says what `left` says."""

    def again(left=lambda folder: 1e6, **settings):
        folder = RunFolder(tmp_path / "run")

        class Given(Clock):
            @property
            def left(self):
                return left(folder)

        monkeypatch.setattr(steps, "Clock", Given)
        given = {} if folder.exists else {**SETTINGS, **settings}
        return folder, tune(TASK, folder.path, resume=folder.exists, **given)

    return again


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
    assert result.confirmed and result.cost.trials == 3


def test_the_time_is_over_in_the_search(run):
    """The baseline is the answer, and the test judges it."""
    folder, result = run(lambda folder: 0.0 if finished(folder) else 1e6)
    assert result.cost.trials == 1 and result.cost.reruns == 0
    assert result.trial == 0 and not result.confirmed and result.mean is None
    assert result.check.difference.estimate == 0 and folder.report.exists()
    assert load_model(folder.model).details["confirmed"] is False
    folder, result = run()  # with more time
    assert result.cost.trials == 3 and result.confirmed
    assert load_model(folder.model).details["confirmed"] is True


def test_the_time_is_over_before_the_re_runs(run):
    folder, result = run(lambda folder: 0.0 if finished(folder) == 3 else 1e6)
    study = load_study(storage=folder.study)
    assert result.cost.trials == 3 and result.cost.reruns == 0
    assert result.trial == study.best_trial.number and not folder.has("confirmation")
    assert load_model(folder.model).details["trial"] == study.best_trial.number
    kept = {path.name for path in folder.candidates.glob("search-*")}
    assert kept == {"search-0", f"search-{study.best_trial.number}"}


def test_the_time_is_over_in_the_re_runs(run):
    """No further round begins; what ended is compared."""

    def left(folder):
        return 0.0 if len(folder.lines("reruns")) >= 1 else 1e6

    folder, result = run(left, trials=6, seeds=3, pruner="none")
    assert 1 <= result.cost.reruns <= 4  # the first round of the race
    assert result.confirmed and folder.has("confirmation")
    assert "ended early" in json.dumps(folder.load("confirmation"))
    candidates = folder.load("confirmation")["candidates"]
    assert result.compared == sum(bool(c["runs"]) for c in candidates) >= 1


def test_a_re_run_that_is_late_does_not_count(run):
    folder, _ = run()
    args = ("key", TASK, None, 5, TASK.space.defaults(), folder.path / "late")
    assert _run_again(*args, 0.0) is None and not (folder.path / "late").exists()
    assert _run_again(*args, math.inf).seed == 5 and load_model(folder.path / "late").details["confirmed"]


def test_what_the_options_of_a_resumed_run_may_change():
    recorded = Settings(timeout=600.0, top=5, seeds=3).to_json()
    lowered = Settings.resumed(recorded, {"top": 2, "seeds": 1, "trials": 50}, 500, Narrator())
    assert (lowered.top, lowered.seeds, lowered.trials, lowered.timeout) == (2, 1, 50, 600)  # 100 s are left
    assert Settings.resumed(recorded, {"timeout": 60.0}, 590, Narrator()).timeout == 650
    old = {name: value for name, value in recorded.items() if name != "timeout"}
    assert Settings.resumed(old, {}, 0, Narrator()).timeout is None
    with pytest.raises(LuthierError, match="was made with sampler='auto', not tpe: leave sampler out to continue"):
        Settings.resumed(recorded, {"sampler": "tpe"}, 0, Narrator())


def test_a_model_that_no_worker_could_save_is_trained_again_as_it_was(run):
    folder, _ = run()
    study = load_study(storage=folder.study)
    record = study.best_trial
    path = searched(folder.candidates, record.number)
    before = (path / "model.json").read_bytes()
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    assert trained_again(folder, TASK, study, record) == path
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
    clock = Clock(60.0, now=lambda: now[0])
    walk = Walk(Account(Narrator()), folder, Settings(), Ridge(), None, UntilDeadline(None), clock, 1)
    kept = []
    for second in (0.0, 9.0, 10.0, 19.0, 25.0):
        now[0] = second
        walk.note_cost(every=10.0)
        kept.append(folder.seconds)
    assert kept == [0.0, 0.0, 10.0, 10.0, 25.0]
    now[0] = 26.0
    walk.note_cost()
    assert folder.seconds == 26.0
    with ThreadPoolExecutor(4) as threads:  # the clock's thread and the run's
        for _ in threads.map(lambda _: walk.note_cost(), range(100)):
            assert folder.seconds == 26.0
    with walk.noting():
        now[0] = 40.0
    assert folder.seconds == 40.0


def test_a_worker_loads_the_data_once_for_all_its_re_runs():
    task = Ridge()
    assert _loaded("a", task).rows is _loaded("a", pickle.loads(pickle.dumps(task))).rows
    other = Ridge(seed=1)
    assert _loaded("b", other) is other
