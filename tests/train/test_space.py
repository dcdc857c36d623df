from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.errors import SpaceError
from luthier.space import Choice, Float, Space
from luthier.train import TrainSettings, training_space, tunables

NAMES = [tunable.name for tunable in tunables()]


def test_every_tunable_is_a_field_with_a_default_and_a_reason():
    names = {field.name for field in fields(TrainSettings)}
    for tunable in tunables():
        assert tunable.name in names
        assert tunable.domain.default is not None
        assert tunable.why


def test_defaults_are_those_of_the_settings_but_for_the_penalties_and_the_clip():
    plain = TrainSettings()
    for tunable in tunables():
        if tunable.name not in ("weight_decay", "l1", "gradient_clip"):
            assert tunable.domain.default == getattr(plain, tunable.name)


def test_the_default_configuration_makes_valid_settings():
    made = TrainSettings.from_params(Space(training_space()).defaults())
    assert (made.learning_rate, made.batch_size, made.optimizer) == (1e-3, 64, "adamw")


@settings(deadline=None, max_examples=40)
@given(st.sets(st.sampled_from(NAMES)), st.integers(0, 2**32 - 1))
def test_any_configuration_of_any_subset_makes_valid_settings(names, seed):
    space = Space(training_space(*sorted(names)))
    assert set(space.names) == (names or set(NAMES))
    for configuration in _sample(space, seed):
        made = TrainSettings.from_params(configuration)
        assert all(getattr(made, name) == value for name, value in configuration.items())


def _sample(space: Space, seed: int):
    return [space.restore(c) for c in space.decode(space.sample(np.random.default_rng(seed), 16))]


def test_conditions_follow_the_optimizer_and_the_schedule():
    space = Space(training_space("optimizer", "momentum", "beta2", "schedule", "decay", "cycles"))
    for configuration in _sample(space, 0):
        assert ("momentum" in configuration) == (configuration["optimizer"] in ("sgd", "rmsprop"))
        assert ("beta2" in configuration) == (configuration["optimizer"] in ("adam", "adamw"))
        assert ("decay" in configuration) == (configuration["schedule"] in ("step", "plateau"))
        assert ("cycles" in configuration) == (configuration["schedule"] == "cyclic")


def test_a_condition_on_what_is_not_in_the_space_is_dropped():
    assert training_space("momentum")["momentum"].when is None
    assert training_space("beta2")["beta2"].when is None


def test_overrides_replace_and_narrow():
    space = training_space("momentum", learning_rate=Float(0.1, 1.0), optimizer=Choice(["sgd", "adam"]))
    assert list(space) == ["learning_rate", "optimizer", "momentum"]
    assert space["learning_rate"] == Float(0.1, 1.0)
    assert space["momentum"].when == {"optimizer": ("sgd",)}
    Space(space)


def test_what_can_never_be_active_is_left_out():
    regression = training_space(loss=Choice(["mse", "huber"]), optimizer=Choice(["adam"]))
    assert not {"label_smoothing", "momentum"} & set(regression)
    Space(regression)


def test_what_can_never_be_active_cannot_be_asked_for():
    with pytest.raises(SpaceError, match="'momentum' is never active: its parent can take none of"):
        training_space("momentum", optimizer=Choice(["adam"]))


def test_a_parent_must_have_choices():
    with pytest.raises(SpaceError, match=r"'optimizer' is Float.*must be a Choice"):
        training_space("momentum", optimizer=Float(0, 1))


@pytest.mark.parametrize("how", [lambda: training_space("lr"), lambda: training_space(lr=Float(0, 1))])
def test_an_unknown_name_is_answered_with_the_known(how):
    with pytest.raises(
        SpaceError, match="'lr' is not a tunable of a training: the tunables are learning_rate, batch_size"
    ):
        how()
