"""The nine steps from Python, with a task that is as unlike images as can be."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from ridge import Ridge

import luthier as lt
from luthier.errors import DataError, LuthierError, UsageError
from luthier.tasks import Task
from luthier.tasks.image import ImageTask
from luthier.trial import TrialState
from luthier.workflow import Narrator, tune
from luthier.workflow.folder import RunFolder
from luthier.workflow.report import write_run_report

SHORT = {"trials": 6, "top": 2, "seeds": 2, "sampler": "random"}
TITLES = ["Problem and goal", "Data preparation", "Baseline", "Ranges", "Method", "Search", "Analysis", "Choice"]
TITLES.append("Check on the sealed test set")


class Listener(Narrator):
    """Keeps everything that is told, and looks where something takes long."""

    def __init__(self):
        self.heard = []

    def __getattribute__(self, name):
        if name.startswith("_") or name in ("heard", "all", "option", "watching"):
            return super().__getattribute__(name)
        return lambda *args, **more: self.heard.append((name, *args))

    def watching(self, task, look):
        self.heard.append(("watching", look()))
        return super().watching(task, look)

    def all(self, name):
        return [args for kind, *args in self.heard if kind == name]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    listener = Listener()
    folder = tmp_path_factory.mktemp("runs") / "ridge"
    return tune(Ridge(), folder, narrator=listener, options={"flavour": "mild"}, **SHORT), listener


def test_nine_steps_lead_to_a_judged_model(done):
    outcome, listener = done
    assert [title for _, _, title in listener.all("step")] == TITLES
    assert outcome.cost.trials == 6 and outcome.confirmed and not outcome.is_default
    assert outcome.check.metric == "squared error" and outcome.check.direction == "minimize"
    assert outcome.check.n == 89 and outcome.check.test == "paired t-test"
    assert outcome.mean < outcome.baseline_value  # the defaults shrink too much
    degree, weights = Ridge().load(outcome.model)
    assert degree == outcome.params["degree"] and len(weights) == 10 * degree + 1
    (record,) = (t for t in lt.load_study(storage=outcome.study).trials if t.attrs.get("baseline"))
    assert outcome.baseline_params == record.params == Ridge.space.defaults()
    assert json.loads(json.dumps(outcome.to_json()))["best"]["trial"] == outcome.trial
    assert not list(outcome.run.glob("checkpoints/*"))


def test_a_narrator_is_told_of_all(done):
    outcome, listener = done
    facts = dict(listener.all("fact"))
    assert facts["problem"] == "predict how diabetes goes on"
    assert facts["goal"].startswith("the lowest validation squared error")
    assert facts["budget"] == "6 trials of at most 5 folds" and facts["in a training"] == "5 folds, one by one"
    kinds = {kind for kind, *_ in listener.heard}
    assert kinds >= {
        "baseline",
        "forecast",
        "ranges",
        "searched",
        "importance",
        "reruns",
        "choice",
        "verdict",
        "watching",
    }
    ((_, check),) = listener.all("verdict")
    assert check == outcome.check
    ((_, confirmation, best, _),) = listener.all("choice")
    assert best.number == outcome.trial and best in confirmation.candidates


def test_the_report_speaks_of_the_task(done):
    outcome, _ = done
    for path in (outcome.report, write_run_report(RunFolder.open(outcome.run), lt.load_study(storage=outcome.study))):
        page = path.read_text(encoding="utf-8")
        assert "validation squared error" in page and "353 to train" in page and "validation accuracy" not in page


def test_a_finished_run_is_walked_once_more_without_training(done):
    outcome, _ = done
    again = tune(Ridge(), outcome.run, resume=True)
    assert (again.params, again.check, again.mean) == (outcome.params, outcome.check, outcome.mean)
    assert len((outcome.run / "sealed-test-opened.jsonl").read_text().splitlines()) == 1
    about = json.loads((outcome.run / "run.json").read_text())
    assert about["flavour"] == "mild" and about["task"] == "ridge" and about["metric"] == "squared error"


def test_more_trials_on_resume(tmp_path):
    assert tune(Ridge(), tmp_path / "run", trials=2, top=1, seeds=1).cost.trials == 2
    more = tune(Ridge(), tmp_path / "run", resume=True, trials=4, top=2)
    assert more.cost.trials == 4
    assert json.loads((tmp_path / "run" / "run.json").read_text())["trials"] == 4


@pytest.mark.parametrize(
    ("error", "message", "given"),
    [
        (LuthierError, "holds a run already: continue with resume=True, start over with fresh=True", {}),
        (UsageError, "resume=True continues a run, fresh=True deletes it", {"resume": True, "fresh": True}),
        (UsageError, r"sampler='magic': choose one of auto, gp", {"fresh": True, "sampler": "magic"}),
        (UsageError, r"pruner='magic': choose one of median", {"fresh": True, "pruner": "magic"}),
        (UsageError, r"jobs=0: give the number of trainings", {"fresh": True, "jobs": 0}),
        (UsageError, r"jobs=1.5: give the number of trainings", {"fresh": True, "jobs": 1.5}),
        (UsageError, r"jobs='2': give the number of trainings", {"resume": True, "jobs": "2"}),
        (UsageError, r"cannot be kept in run.json", {"fresh": True, "options": {"flavour": object()}}),
        (UsageError, r"trials=0: give a whole number from 1", {"fresh": True, "trials": 0}),
        (UsageError, r"trials=2.5: give a whole number from 1", {"resume": True, "trials": 2.5}),
        (UsageError, r"seeds=True: give a whole number from 1", {"resume": True, "seeds": True}),
        (UsageError, r"timeout='2h': give a number of seconds above 0", {"resume": True, "timeout": "2h"}),
        (UsageError, r"timeout=-1: give a number of seconds above 0", {"fresh": True, "timeout": -1}),
        (LuthierError, r"was made with sampler='random', not tpe: leave sampler", {"resume": True, "sampler": "tpe"}),
    ],
)
def test_wrong_arguments_change_nothing(error, message, given, done):
    outcome, _ = done
    before = {path: path.stat().st_mtime_ns for path in outcome.run.rglob("*.json")}
    with pytest.raises(error, match=message):
        tune(Ridge(), outcome.run, **given)
    assert {path: path.stat().st_mtime_ns for path in outcome.run.rglob("*.json")} == before


def test_another_task_does_not_go_on(done):
    outcome, _ = done
    with pytest.raises(LuthierError, match=r"was made with a task whose seed is 0, not 1: continue with that task"):
        tune(Ridge(seed=1), outcome.run, resume=True)
    with pytest.raises(LuthierError, match=r"was made with a task whose task is 'ridge', not 'image'"):
        tune(ImageTask("digits"), outcome.run, resume=True)


class Broken(Ridge):
    """Its data cannot be read."""

    def describe(self):
        raise DataError("row 7 is torn")


class Downwards(Ridge):
    """Its direction is no longer one."""

    direction = "min"


class Loose(Ridge):
    """Its space is a dict."""

    space = property(lambda self: {"penalty": lt.Float(1e-3, 1e3, log=True, default=1.0)})


class Unfinished(Task):
    """Lacks most of what a task has."""

    name = "unfinished"
    metric = "squared error"
    direction = "minimize"

    def train(self, params, seed, on_report=None, checkpoint=None):
        raise AssertionError


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Ridge, r"not a task \(it is a class\)"),
        ("digits", r"'digits' is not a task \(it lacks name, problem, .*\): give an object"),
        (Unfinished(), r"not a task \(it lacks problem, space, sealed, score, save, load\)"),
        (Downwards(), r"the task's direction is 'min': make it 'minimize' or 'maximize'"),
        (Loose(), r"the task's space is \{.*: make it a luthier.Space"),
    ],
)
def test_what_is_not_a_task_leaves_nothing(task, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        tune(task, tmp_path / "runs" / "a")
    assert not list(tmp_path.iterdir())


def test_data_that_cannot_be_used_leaves_nothing(tmp_path):
    with pytest.raises(DataError, match="row 7"):
        tune(Broken(), tmp_path / "runs" / "a")
    assert not list(tmp_path.iterdir())


def test_data_that_cannot_be_used_for_the_moment_does_not_end_a_run_that_is_resumed(tmp_path):
    class Pressed(Ridge):
        def describe(self):
            raise KeyboardInterrupt  # before anything was trained

    with pytest.raises(KeyboardInterrupt):
        tune(Pressed(), tmp_path / "run", **SHORT)
    with pytest.raises(DataError, match="row 7"):
        tune(Broken(), tmp_path / "run", resume=True)
    assert tune(Ridge(), tmp_path / "run", resume=True).study.exists()


@pytest.mark.parametrize(("fragile", "why"), [((1, None), "the solver gave up"), ((None, 1), "NaN")])
def test_a_baseline_that_fails_ends_the_run(fragile, why, tmp_path):
    with pytest.raises((LuthierError, RuntimeError), match=why):
        tune(Ridge(fragile=fragile), tmp_path / "run", **SHORT)
    with pytest.raises(LuthierError, match="the baseline failed, so nothing can be tuned"):
        tune(Ridge(fragile=fragile), tmp_path / "run", resume=True)


@pytest.mark.parametrize("fragile", [(2, None), (None, 2)])
def test_trials_that_fail_are_told_of_and_lose_nothing(fragile, tmp_path):
    outcome = tune(Ridge(fragile=fragile), tmp_path / "run", **SHORT)
    states = [t.state for t in lt.load_study(storage=outcome.study).trials]
    assert {TrialState.FAIL, TrialState.COMPLETE} <= set(states)
    assert outcome.params["degree"] == 1 and outcome.confirmed


class Hurried(Ridge):
    """A training that reports nothing."""

    max_steps = 1

    def train(self, params, seed, on_report=None, checkpoint=None):
        trained = replace(self, fragile=self.fragile)  # five folds all the same
        object.__setattr__(trained, "max_steps", 5)
        return Ridge.train(trained, params, seed)


@pytest.mark.parametrize("factor", [1.0, 1 + 1e-12])
def test_the_defaults_up_to_rounding_are_the_baseline(factor, tmp_path):
    task = Ridge()
    first = tune(task, tmp_path / "run", trials=1, top=1, seeds=2, sampler="random")
    study = lt.load_study(storage=first.study)
    for _ in range(5):  # one of them is luckier than the baseline's own trial
        study.enqueue_trial({"penalty": 1000.0 / factor, "degree": 1})
    again = tune(task, tmp_path / "run", resume=True, trials=6, top=2)
    assert study.best_value < again.baseline_value
    assert again.is_default and again.compared == 1 and again.params == task.space.defaults()
    assert again.cost.reruns == 2


def test_a_task_without_reports(tmp_path):
    listener = Listener()
    outcome = tune(Hurried(), tmp_path / "run", narrator=listener, **SHORT)
    facts = dict(listener.all("fact"))
    assert facts["budget"] == "6 trials" and facts["pruner"] == "every trial runs to its end"
    assert outcome.cost.trials == 6 and outcome.cost.reruns >= 2 and outcome.confirmed


def test_worker_processes_find_the_same(tmp_path):
    """With a sampler that does not look at the history: trainings are functions of parameters and seed."""
    found = [tune(Ridge(), tmp_path / str(jobs), jobs=jobs, **SHORT, pruner="none") for jobs in (1, 2)]
    assert all(outcome.cost.trials == 6 and outcome.confirmed for outcome in found)
    values = [{t.number: t.values for t in lt.load_study(storage=outcome.study).trials} for outcome in found]
    assert values[0] == values[1]


KILLED = """
import os, signal, sys
from ridge import Ridge
from luthier.workflow import Narrator, tune

class Killer(Ridge):
    def train(self, params, seed, on_report=None, checkpoint=None):
        trained = super().train(params, seed, on_report, checkpoint)
        again = seed > 10_000 and seed < 20_000
        done = len(open("trained").readlines()) if os.path.exists("trained") else 0
        with open("trained", "a") as file:
            print("again" if again else "search", file=file)
        if done + 1 == int(sys.argv[1]):
            os.kill(os.getpid(), getattr(signal, sys.argv[2]))
        return trained

more = {"resume": True} if os.path.exists("run") else {"sampler": "random", "trials": 6, "top": 2, "seeds": 2}
outcome = tune(Killer(), "run", **more)
print(sorted(outcome.params.items()), outcome.check.difference, outcome.mean)
"""


def test_killed_anywhere_and_resumed(tmp_path):
    """Ctrl-C in the search, a kill in it, a kill in the re-runs; then it ends as one that nobody touched."""
    path = os.pathsep.join([str(Path(lt.__file__).parents[1]), str(Path(__file__).parents[1] / "helpers")])
    environment = {**os.environ, "PYTHONPATH": path}

    def run(at, number, folder):
        (tmp_path / folder).mkdir(exist_ok=True)
        command = [sys.executable, "-c", KILLED, str(at), number]
        return subprocess.run(command, cwd=tmp_path / folder, env=environment, capture_output=True, text=True)

    assert run(2, "SIGINT", "cut").returncode == -signal.SIGINT
    assert run(5, "SIGKILL", "cut").returncode == -signal.SIGKILL
    assert run(9, "SIGKILL", "cut").returncode == -signal.SIGKILL
    assert (tmp_path / "cut" / "trained").read_text().splitlines()[-1] == "again"
    assert not (tmp_path / "cut" / "run" / "check.json").exists()
    done, whole = run(0, "SIGKILL", "cut"), run(0, "SIGKILL", "whole")
    assert done.returncode == whole.returncode == 0, done.stderr + whole.stderr
    assert done.stdout == whole.stdout
