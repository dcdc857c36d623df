"""What every task must do, as a test suite. Needs pytest.

Subclass it in a test file, and say how to make a task that trains quickly:

    from luthier.testing.tasks import TaskContract

    class TestMyTask(TaskContract):
        def make(self):
            return MyTask(epochs=2, limit=200)

pytest then trains it, interrupts it, saves and loads its models, and tunes it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ..errors import StorageError, TrialPruned
from ..executors.parallel import parallel_map
from ..samplers import RandomSampler
from ..study import create_study
from ..tasks import Task, Trained, read_about
from ..workflow import tune


class Killed(BaseException):
    """The process dies: nothing that handles errors sees it."""


class Trial:
    """What a task's objective sees of a trial, without a study.

    Args:
        params: its configuration.
        number: its number.
        prune: whether to end it at a step.
    """

    def __init__(self, params: dict[str, Any], number: int = 0, prune: Callable[[int], bool] = lambda _: False) -> None:
        self.params, self.number, self._prune = params, number, prune
        self.reports: list[tuple[int, float]] = []
        self.attrs: dict[str, Any] = {}

    def report(self, value: float, step: int) -> None:
        """Keep a report."""
        self.reports.append((step, value))

    def should_prune(self) -> bool:
        """Return what the test wants."""
        return self._prune(self.reports[-1][0])

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep an attribute."""
        self.attrs[key] = value


def _value(task: Task, params: dict[str, Any], seed: int) -> float:
    return task.train(params, seed).value


class TaskContract:
    """Tests a task: whether the nine steps can tune it, on any machine, and go on after a kill.

    >>> from luthier.tasks.image import ImageTask
    >>> from luthier.testing.tasks import TaskContract
    >>> class TestMine(TaskContract):
    ...     def make(self):
    ...         return ImageTask("digits", epochs=2, limit=200)
    """

    def make(self) -> Task:
        """Return a new task, each time the same, that trains in a second or less."""
        raise NotImplementedError("override make() to return your task")

    def train(self, task: Task, params: Mapping[str, Any] | None = None, seed: int = 1) -> Trained:
        """Train a configuration, the defaults for None."""
        return task.train(dict(task.space.defaults() if params is None else params), seed)

    def test_it_says_what_it_is(self) -> None:
        """Names are texts, the direction is one, and bounds are in order."""
        task = self.make()
        for text in (task.name, task.problem, task.metric, task.step):
            assert isinstance(text, str) and text
        assert task.direction in ("minimize", "maximize")
        assert task.bounds[0] < task.bounds[1]
        assert isinstance(task.seed, int) and task.seed >= 0
        assert isinstance(task.max_steps, int) and task.max_steps >= 1
        assert task.space.check(task.space.defaults()) == task.space.defaults()
        described = task.describe()
        assert all(isinstance(text, str) and text for pair in described.data.items() for text in pair)
        assert all(isinstance(text, str) for text in (*described.notes, described.training))

    def test_a_training_is_a_function_of_parameters_and_seed(self) -> None:
        """The same twice, also in two other processes; and the result is JSON within the bounds."""
        task = self.make()
        params, sealed = dict(task.space.defaults()), self.make().sealed.open("a test")
        first = self.train(task)
        assert (first.params, first.seed) == (params, 1)
        assert task.bounds[0] <= first.value <= task.bounds[1]
        json.dumps(dict(first.attrs), allow_nan=False)
        again = self.train(self.make())
        assert again.value == first.value
        np.testing.assert_array_equal(*task.score([first.model, again.model], sealed))
        elsewhere = parallel_map(partial(_value, self.make()), [(params, 1)] * 2, n_jobs=2)
        assert [value for _, value in elsewhere] == [first.value] * 2

    def test_other_configurations_train_too(self) -> None:
        """Four of the space, drawn at random."""
        task = self.make()
        study = create_study(space=task.space, sampler=RandomSampler(), seed=0)
        for _ in range(4):
            trained = self.train(task, study.ask().params)
            assert math.isnan(trained.value) or task.bounds[0] <= trained.value <= task.bounds[1]
            work = task.work(trained.params)
            assert math.isfinite(work) and work > 0

    def test_reports_count_the_steps(self) -> None:
        """1, 2, ... up to `max_steps` at most, each a number; after True comes no further one."""
        task = self.make()
        seen: dict[bool, list[tuple[int, float]]] = {}
        for end in (False, True):
            reports: list[tuple[int, float]] = []

            def on_report(value: float, step: int, end: bool = end, reports: list[Any] = reports) -> bool:
                reports.append((step, value))
                return end

            task.train(dict(task.space.defaults()), 1, on_report)
            seen[end] = reports
        assert [step for step, _ in seen[False]] == list(range(1, len(seen[False]) + 1))
        assert len(seen[False]) <= task.max_steps
        assert all(math.isfinite(value) for _, value in seen[False])
        assert seen[True] == seen[False][:1]

    def test_the_objective_is_the_value(self) -> None:
        """And what is not pruned can be kept."""
        task = self.make()
        kept: list[Trained] = []
        trial = Trial(dict(task.space.defaults()))
        value = task.objective(trial, kept.append)
        (trained,) = kept
        assert value == trained.value
        assert trial.attrs == dict(trained.attrs)
        other = Trial(dict(task.space.defaults()), 7)
        task.objective(other)
        assert not trial.reports or len(other.reports) > 0
        if trial.reports:
            pruned = Trial(dict(task.space.defaults()), 1, lambda step: step == 1)
            with pytest.raises(TrialPruned):
                task.objective(pruned, kept.append)
            assert len(pruned.reports) == 1 and len(kept) == 1

    def test_a_killed_trial_goes_on_as_it_was(self, tmp_path: Path) -> None:
        """From a checkpoint or from the start: with the same reports and the same value."""
        whole, again = (Trial(dict(self.make().space.defaults()), 3) for _ in range(2))
        value = self.make().objective(whole)
        steps = sorted(step for step, _ in whole.reports)

        def die(step: int) -> bool:
            if step == steps[len(steps) // 2]:
                raise Killed
            return False

        if steps:
            with pytest.raises(Killed):
                self.make().objective(Trial(dict(whole.params), 3, die), None, tmp_path / "checkpoints")
        assert self.make().objective(again, None, tmp_path / "checkpoints") == value
        assert dict(again.reports) == dict(whole.reports)
        assert not list(tmp_path.glob("checkpoints/*")), "a training that ended leaves a checkpoint"

    def test_every_example_gets_a_score(self) -> None:
        """One for each model, finite, and no model's score depends on the others."""
        task = self.make()
        models = [self.train(task, seed=seed).model for seed in (1, 2)]
        sealed = task.sealed.open("a test")
        scores = task.score(models, sealed)
        assert scores.shape == (2, len(task.sealed)) and len(task.sealed) > 0
        assert np.isfinite(scores).all()
        assert task.bounds[0] <= scores.mean() <= task.bounds[1]
        np.testing.assert_array_equal(task.score(models[::-1], sealed), scores[::-1])
        np.testing.assert_array_equal(task.score(models[:1], sealed), scores[:1])

    def test_a_model_comes_back_from_its_folder(self, tmp_path: Path) -> None:
        """With its details; another takes its place whole."""
        task = self.make()
        sealed = task.sealed.open("a test")
        for seed in (1, 2):
            trained = self.train(task, seed=seed)
            task.save(tmp_path / "a" / "model", trained, {"seed": seed})
            loaded = self.make().load(tmp_path / "a" / "model")
            np.testing.assert_array_equal(*task.score([trained.model, loaded], sealed))
            about = read_about(tmp_path / "a" / "model", task.name)
            assert about["details"]["seed"] == seed

    def test_what_is_no_model_of_the_task_is_refused(self, tmp_path: Path) -> None:
        """A missing one, one of another task, a damaged one."""
        task = self.make()
        with pytest.raises(StorageError):
            task.load(tmp_path / "absent")
        task.save(tmp_path / "model", self.train(task), {})
        path = tmp_path / "model" / "model.json"
        about = path.read_text(encoding="utf-8")
        path.write_text(json.dumps(json.loads(about) | {"task": "another"}), encoding="utf-8")
        with pytest.raises(StorageError):
            task.load(tmp_path / "model")
        path.write_text(about[: len(about) // 2], encoding="utf-8")
        with pytest.raises(StorageError):
            task.load(tmp_path / "model")

    def test_the_nine_steps_tune_it(self, tmp_path: Path) -> None:
        """To a model that was judged on the sealed test set; and once more without training anything."""
        outcome = tune(self.make(), tmp_path / "run", trials=3, top=1, seeds=1)
        assert outcome.cost.trials == 3 and outcome.check.n == len(self.make().sealed)
        assert outcome.report.exists()
        self.make().load(outcome.model)
        again = tune(self.make(), tmp_path / "run", resume=True)
        assert (again.params, again.check) == (outcome.params, outcome.check)
        assert again.cost.training_seconds == outcome.cost.training_seconds
