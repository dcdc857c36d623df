from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest

from luthier.errors import TrainingError
from luthier.train import TrainSettings


def test_defaults_are_valid_and_frozen():
    settings = TrainSettings()
    assert (settings.monitored, settings.direction) == ("accuracy", "maximize")
    with pytest.raises(FrozenInstanceError):
        settings.epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.5),
        ("epochs", True),
        ("batch_size", -1),
        ("cycles", 0),
        ("plateau_patience", -1),
        ("patience", 0),
        ("seed", -1),
        ("seed", None),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("learning_rate", "fast"),
        ("learning_rate", None),
        ("learning_rate", True),
        ("momentum", 1.0),
        ("beta2", -0.1),
        ("weight_decay", -1e-9),
        ("l1", -1),
        ("label_smoothing", 1.0),
        ("gradient_clip", 0.0),
        ("decay", 1.0),
        ("decay", 0.0),
        ("step_every", 0.0),
        ("step_every", 1.1),
        ("lr_floor", 1.0),
        ("warmup", 1.0),
        ("min_delta", -0.1),
        ("optimizer", "lion"),
        ("optimizer", None),
        ("schedule", "linear"),
        ("loss", "hinge"),
        ("initialization", "zeros"),
        ("monitor", "f1"),
    ],
)
def test_a_bad_field_is_named_with_what_it_may_be(field, value):
    with pytest.raises(TrainingError, match=rf"^{field}=.*({'is not one of|must be a'})"):
        TrainSettings(**{field: value})


@pytest.mark.parametrize(("field", "value"), [("step_every", 1.0), ("gradient_clip", None), ("patience", None)])
def test_ends_of_ranges_that_count(field, value):
    assert getattr(TrainSettings(**{field: value}), field) == value


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "mse", "label_smoothing": 0.1}, "label_smoothing=0.1 needs classes"),
        ({"loss": "mae", "monitor": "accuracy"}, "monitor='accuracy' needs classes"),
        ({"schedule": "exponential", "lr_floor": 0.0}, "never reaches lr_floor=0"),
    ],
)
def test_fields_that_exclude_each_other(changes, message):
    with pytest.raises(TrainingError, match=message):
        TrainSettings(**changes)


def test_what_is_monitored():
    assert TrainSettings(loss="huber").monitored == "loss"
    assert TrainSettings(loss="huber").direction == "minimize"
    assert TrainSettings(monitor="loss").direction == "minimize"
    assert TrainSettings(loss="bce").monitored == "accuracy"


def test_numbers_become_plain_numbers():
    settings = TrainSettings(epochs=np.int64(3), learning_rate=np.float32(0.5), momentum=0)
    assert [type(x) for x in (settings.epochs, settings.learning_rate, settings.momentum)] == [int, float, float]
    assert settings == replace(TrainSettings(), epochs=3, learning_rate=0.5, momentum=0.0)


def test_every_field_is_checked():
    for field in fields(TrainSettings):
        with pytest.raises(TrainingError, match=f"^{field.name}="):
            TrainSettings(**{field.name: object()})


def test_from_params_takes_its_own_and_leaves_the_rest():
    settings = TrainSettings.from_params({"learning_rate": 0.1, "width": 64, "epochs": 7}, epochs=3, seed=5)
    assert settings == TrainSettings(learning_rate=0.1, epochs=3, seed=5)


def test_from_params_knows_what_cannot_be_fixed():
    with pytest.raises(TrainingError, match="'lr' is not a setting of a training: the settings are epochs, batch_size"):
        TrainSettings.from_params({}, lr=0.1)
