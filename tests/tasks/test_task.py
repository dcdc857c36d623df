"""The contract holds for images, and for a task that is as unlike them as can be."""

import math

import numpy as np
import pytest
from ridge import Ridge

from luthier.errors import LeaseLost
from luthier.tasks.image import ImageData, ImageTask
from luthier.tasks.task import checkpoint_file, trial_seed
from luthier.testing.tasks import TaskContract, Trial


def stripes(n=120):
    """Upright or lying stripes in noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    images = rng.integers(0, 60, (n, 8, 8, 1))
    images[labels == 0, ::2] += 120
    images[labels == 1, :, ::2] += 120
    return ImageData(images.astype(np.uint8), labels, ("lying", "upright"), "stripes")


class TestImages(TaskContract):
    def make(self):
        return ImageTask(stripes(), epochs=3, patience=None)


class TestRidge(TaskContract):
    def make(self):
        return Ridge()


def test_checkpoints_are_named_after_what_is_trained(tmp_path):
    names = {checkpoint_file(tmp_path, 3, seed, {"x": x}) for seed in (0, 1) for x in (0.1, 0.2)}
    assert len(names) == 4 and {path.parent for path in names} == {tmp_path}
    assert checkpoint_file(tmp_path, 3, 0, {"x": 1, "y": 2}) == checkpoint_file(tmp_path, 3, 0, {"y": 2, "x": 1})
    assert checkpoint_file(None, 3, 0) is None


def test_the_seed_of_a_trial_is_that_of_earlier_versions():
    """A model that no worker could save is trained again from it."""
    assert (trial_seed(0, 0), trial_seed(0, 1), trial_seed(1, 0)) == (2968811710, 3964924996, 1835504127)


class Checkpointing(Ridge):
    """Writes a file beside its checkpoint, and goes on from it."""

    def train(self, params, seed, on_report=None, checkpoint=None):
        if checkpoint is not None:
            checkpoint.parent.mkdir(exist_ok=True)
            checkpoint.write_text("here")
            checkpoint.with_name(checkpoint.name + ".log").write_text("and there")
        return super().train(params, seed, on_report, checkpoint)


@pytest.mark.parametrize(("error", "left"), [(LeaseLost("gone"), 3), (OSError("disk"), 1)])
def test_a_lost_lease_leaves_the_checkpoint_and_an_error_does_not(error, left, tmp_path):
    (tmp_path / "trial-33-of-another").write_text("stays")

    def prune(step):
        raise error

    with pytest.raises(type(error)):
        Checkpointing().objective(Trial(Ridge.space.defaults(), 3, prune), None, tmp_path)
    assert len(list(tmp_path.iterdir())) == left
    Checkpointing().objective(Trial(Ridge.space.defaults(), 3), None, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["trial-33-of-another"]


def test_what_failed_quietly_is_a_value_that_is_not_one():
    kept = []
    assert math.isnan(Ridge(fragile=(None, 1)).objective(Trial(Ridge.space.defaults()), kept.append))
    assert len(kept) == 1  # the keeper decides
