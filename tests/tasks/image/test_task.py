"""The image task trains, reports, prunes, resumes bit for bit, travels to workers, and scores on the sealed set."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
import torch

from luthier.errors import LeaseLost, SealBroken, TrainingError, TrialPruned
from luthier.space import Choice, Float, Space
from luthier.tasks.image import ImageData, ImageTask, default_space


def stripes(n: int = 120, channels: int = 1) -> ImageData:
    """Upright or lying stripes in noise: two classes that a small network tells apart."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    images = rng.integers(0, 60, (n, 8, 8, channels))
    images[labels == 0, ::2] += 120
    images[labels == 1, :, ::2] += 120
    return ImageData(images.astype(np.uint8), labels, ("lying", "upright"), "stripes")


SMALL = {"blocks": 1, "width": 8, "hidden": 0, "batch_size": 16, "learning_rate": 0.01, "rotation": 5.0}


class FakeTrial:
    """What `Trial` gives, without a study."""

    def __init__(self, params: dict[str, Any], number: int = 0, prune: Callable[[int], bool] = lambda _: False) -> None:
        self.number, self.params, self._prune = number, params, prune
        self.reports: dict[int, float] = {}
        self.attrs: dict[str, Any] = {}

    def report(self, value: float, step: int) -> None:
        self.reports.setdefault(step, value)

    def should_prune(self) -> bool:
        return self._prune(max(self.reports))

    def set_user_attr(self, key: str, value: Any) -> None:
        self.attrs[key] = value


class Killed(BaseException):
    """The process dies: nothing that handles errors sees it."""


def die_at(epoch: int) -> Callable[[int], bool]:
    def prune(now: int) -> bool:
        if now >= epoch:
            raise Killed
        return False

    return prune


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    return list(model.state_dict().values())


def test_an_objective_learns_reports_and_attaches() -> None:
    task = ImageTask(stripes(), epochs=4, seed=3)
    trial = FakeTrial(SMALL, 5)
    value = task.objective(trial)
    assert value >= 0.9
    assert list(trial.reports) == [1, 2, 3, 4]
    assert value == max(trial.reports.values())
    assert trial.reports[trial.attrs["best_epoch"]] == value
    assert trial.attrs["epochs"] == 4
    assert trial.attrs["parameters"] == 8 * 9 + 2 * 8 + (16 * 8) * 2 + 2
    assert trial.attrs["stopped"] == "finished"
    assert trial.attrs["seconds"] > 0
    assert trial.attrs["warnings"] == []


def test_a_trial_is_a_function_of_seed_and_number() -> None:
    def reports(seed: int, number: int) -> dict[int, float]:
        trial = FakeTrial(SMALL | {"learning_rate": 1e-3}, number)
        ImageTask(stripes(), epochs=3, seed=seed).objective(trial)
        return trial.reports

    assert reports(0, 1) == reports(0, 1)
    assert len({tuple(reports(0, n).values()) for n in range(4)}) > 1


def test_pruned_when_told() -> None:
    trial = FakeTrial(SMALL, prune=lambda epoch: epoch >= 2)
    with pytest.raises(TrialPruned, match="trial 0 was pruned after epoch 2"):
        ImageTask(stripes(), epochs=9).objective(trial)
    assert list(trial.reports) == [1, 2]
    assert trial.attrs["epochs"] == 2


def test_patience_ends_a_training() -> None:
    trial = FakeTrial(SMALL | {"learning_rate": 1e-4})
    ImageTask(stripes(), epochs=60, patience=1).objective(trial)
    assert trial.attrs["stopped"] == "patience"
    assert trial.attrs["epochs"] < 60


def test_a_diverged_training_says_so() -> None:
    params = SMALL | {"optimizer": "sgd", "learning_rate": 1e30, "normalization": "none", "rotation": 0.0}
    trial = FakeTrial(params)
    assert math.isnan(ImageTask(stripes(), epochs=3).objective(trial))
    assert trial.attrs["stopped"] == "diverged"
    assert any("diverged" in text for text in trial.attrs["warnings"])


def test_a_killed_trial_goes_on_bit_for_bit(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    task = ImageTask(stripes(), epochs=5, checkpoints=folder)
    params = SMALL | {"dropout": 0.3, "learning_rate": 1e-3}
    whole = FakeTrial(params, 2)
    value = ImageTask(stripes(), epochs=5).objective(whole)
    with pytest.raises(Killed):
        task.objective(FakeTrial(params, 2, die_at(3)))
    assert len(list(folder.iterdir())) == 2  # checkpoint and log stay for the next worker
    again = FakeTrial(params, 2)
    assert task.objective(again) == value
    assert again.reports == whole.reports  # those before the kill too: a queued trial has lost its reports
    assert again.attrs["best_epoch"] == whole.attrs["best_epoch"]
    assert list(folder.iterdir()) == []


def test_weights_after_a_kill_are_the_same(tmp_path: Path) -> None:
    task, seen = ImageTask(stripes(), epochs=4), list[int]()

    def die(accuracy: float, epoch: int) -> bool:
        if epoch == 3:
            raise Killed
        return False

    whole = task.train(SMALL, 7)
    with pytest.raises(Killed):
        task.train(SMALL, 7, die, tmp_path / "a.pt")
    resumed = task.train(SMALL, 7, lambda _, epoch: bool(seen.append(epoch)), tmp_path / "a.pt")
    assert list(dict.fromkeys(seen)) == [1, 2, 3, 4]
    for a, b in zip(weights(whole.model), weights(resumed.model), strict=True):
        assert torch.equal(a, b)
    assert resumed.value == whole.value


def test_a_log_without_its_checkpoint_or_cut_short(tmp_path: Path) -> None:
    task = ImageTask(stripes(), epochs=2)
    log = tmp_path / "a.pt.epochs"
    task.train(SMALL, 0, None, tmp_path / "a.pt")
    text = log.read_text()
    assert text.count("\n") == 2
    log.write_text(text + '{"epoch": 3, "tr')
    seen: list[int] = []
    task.train(SMALL, 0, lambda _, epoch: bool(seen.append(epoch)), tmp_path / "a.pt")
    assert seen == [1, 2]
    (tmp_path / "a.pt").unlink()
    seen.clear()
    task.train(SMALL, 0, lambda _, epoch: bool(seen.append(epoch)), tmp_path / "a.pt")
    assert seen == [1, 2]
    assert log.read_text().count("\n") == 2


def test_a_lost_lease_leaves_the_checkpoint_and_an_error_does_not(tmp_path: Path) -> None:
    task = ImageTask(stripes(), epochs=4, checkpoints=tmp_path)

    def fail(error: Exception) -> Callable[[int], bool]:
        def prune(epoch: int) -> bool:
            if epoch == 2:
                raise error
            return False

        return prune

    with pytest.raises(LeaseLost):
        task.objective(FakeTrial(SMALL, 1, fail(LeaseLost("gone"))))
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(OSError, match="disk"):
        task.objective(FakeTrial(SMALL, 1, fail(OSError("disk"))))
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_of_other_configurations_are_not_taken(tmp_path: Path) -> None:
    task = ImageTask(stripes(), epochs=3, checkpoints=tmp_path)
    with pytest.raises(Killed):
        task.objective(FakeTrial(SMALL, 0, die_at(2)))
    trial = FakeTrial(SMALL | {"width": 16}, 0)
    task.objective(trial)
    assert list(trial.reports) == [1, 2, 3]


def test_one_thread_and_the_callers_generator() -> None:
    before, state = torch.get_num_threads(), torch.get_rng_state()
    inside: list[int] = []
    ImageTask(stripes(), epochs=1).train(SMALL, 0, lambda *_: bool(inside.append(torch.get_num_threads())))
    assert inside == [1]
    assert torch.get_num_threads() == before
    assert torch.equal(state, torch.get_rng_state())


def test_a_pickled_task_of_a_source_is_small_and_the_same() -> None:
    task = ImageTask("digits", epochs=1, limit=200)
    expected = task.objective(FakeTrial(SMALL))
    sent = cloudpickle.dumps(task.objective)
    assert len(sent) < 2_000
    assert cloudpickle.loads(sent)(FakeTrial(SMALL)) == expected


def test_a_pickled_task_of_arrays_carries_them_once() -> None:
    data = stripes()
    task = ImageTask(data, epochs=1)
    expected = task.objective(FakeTrial(SMALL))
    sent = cloudpickle.dumps(task.objective)
    assert len(sent) < data.images.nbytes + data.labels.nbytes + 3_000  # as bytes, not as the float32 of training
    assert cloudpickle.loads(sent)(FakeTrial(SMALL)) == expected


def test_a_relative_source_is_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = stripes(40)
    np.savez(tmp_path / "a.npz", images=data.images, labels=data.labels)
    monkeypatch.chdir(tmp_path)
    task = ImageTask("a.npz")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(task.prepared.train) == 24


# -- the space


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32)])
def test_the_default_space(shape: tuple[int, int, int]) -> None:
    space = default_space(shape)
    assert 10 <= len(space) <= 15
    assert ("flip" in space) == (shape[0] == 3)
    assert space.check(space.defaults()) == space.defaults()
    assert "shear" in default_space(shape, True)
    assert "rotation" not in default_space(shape, False)


def test_few_images_get_small_batches() -> None:
    sizes = {n: default_space((1, 8, 8), examples=n).parameters["batch_size"] for n in (50, 600, 1080, 50_000)}
    assert {n: domain.labels[-1] for n, domain in sizes.items()} == {50: 16, 600: 32, 1080: 64, 50_000: 256}
    assert {n: domain.default for n, domain in sizes.items()} == {50: 16, 600: 32, 1080: 64, 50_000: 64}


def test_every_parameter_of_the_space_trains() -> None:
    task = ImageTask(stripes(60), epochs=1)
    for params in task.space.decode(task.space.sample(np.random.default_rng(0), 6)):
        small = params | {"width": 8}
        assert 0 <= task.train(small).value <= 1


def test_a_space_of_ones_own() -> None:
    space = Space({"learning_rate": Float(1e-3, 1e-2, default=5e-3), "activation": Choice(["relu", "silu"])})
    task = ImageTask(stripes(60), epochs=1, search=space)
    assert task.space is space
    task.train(space.defaults())
    assert len(task.train({"epochs": 2}).result.epochs) == 2  # a tuned number of epochs wins
    with pytest.raises(TrainingError, match="nothing uses the parameter 'lr'"):
        ImageTask(stripes(60), search=Space({"lr": Float(0, 1)}))
    with pytest.raises(TrainingError, match="augment='no'"):
        ImageTask(stripes(60), augment="no")  # type: ignore[arg-type]


# -- the sealed test set


class Contrary(torch.nn.Module):
    """Says the other of two classes."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -self.model(x)


def test_scores_say_which_images_are_classified_rightly(tmp_path: Path) -> None:
    task = ImageTask(stripes(), epochs=4, marker=tmp_path / "opened.jsonl")
    good = task.train(SMALL)
    sealed = task.sealed.open("final check")
    correct = task.score([good.model, Contrary(good.model)], sealed)
    assert correct.shape == (2, len(task.sealed))
    assert correct.dtype == bool
    assert correct[0].mean() >= 0.9
    np.testing.assert_array_equal(correct[1], ~correct[0])
    for other in (task, ImageTask(stripes(), marker=tmp_path / "opened.jsonl")):
        with pytest.raises(SealBroken):
            other.sealed.open("a second look")


def test_what_is_told_before_and_after_the_data_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = stripes(40)
    np.savez(tmp_path / "a.npz", images=data.images, labels=data.labels)
    monkeypatch.chdir(tmp_path)
    task = ImageTask("a.npz", patience=None)
    assert task.problem == cloudpickle.loads(cloudpickle.dumps(task)).problem == "classify the images of a.npz"
    assert "prepared" not in task.__dict__  # a path that is wrong is told after the problem
    told = task.describe()
    assert told.data["classes"] == "2: 0, 1" and told.data["split"].startswith("24 to train, 8 to validate, 8 sealed")
    assert told.training == "best weights restored"
    assert ImageTask(data).problem == "classify the images of stripes"


def test_the_baseline_on_digits() -> None:
    task = ImageTask("digits", epochs=12)
    assert task.train(task.space.defaults()).value > 0.97
