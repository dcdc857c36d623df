"""Every network of the space fits every image, and its settings do what they say."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from luthier.errors import TrainingError
from luthier.space import Space
from luthier.tasks.image import CnnSettings, build_cnn, count_parameters, network_space
from luthier.tasks.image.network import ACTIVATIONS, NORMALIZATIONS, max_blocks


@settings(deadline=None, max_examples=40)
@given(
    h=st.integers(2, 70),
    w=st.integers(2, 70),
    channels=st.integers(1, 4),
    seed=st.integers(0, 10_000),
    batch=st.integers(1, 3),
)
def test_any_configuration_fits_any_image(h: int, w: int, channels: int, seed: int, batch: int) -> None:
    import numpy as np

    space = Space(network_space((channels, h, w)))
    params = space.decode(space.sample(np.random.default_rng(seed), 1))[0]
    params["width"] = min(params["width"], 32)  # quick
    model = build_cnn((channels, h, w), 7, CnnSettings.from_params(params))
    logits = model(torch.randn(batch, channels, h, w))  # in training mode, where batch normalisation is touchy
    assert logits.shape == (batch, 7)
    logits.sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_parts_are_the_ones_asked_for(activation: str, normalization: str) -> None:
    model = build_cnn((1, 8, 8), 3, CnnSettings(activation=activation, normalization=normalization, width=12))
    kinds = [type(m) for m in model.modules()]
    assert kinds.count(ACTIVATIONS[activation]) == 3  # two blocks and the hidden layer
    expected = {"none": 0, "batch": nn.BatchNorm2d, "group": nn.GroupNorm, "layer": nn.GroupNorm}[normalization]
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d | nn.GroupNorm)]
    assert len(norms) == (0 if normalization == "none" else 2)
    assert all(isinstance(m, expected) for m in norms)
    if normalization in ("group", "layer"):
        assert [m.num_groups for m in norms] == ([1, 1] if normalization == "layer" else [4, 8])


def test_depth_width_and_head() -> None:
    model = build_cnn((3, 32, 32), 5, CnnSettings(blocks=4, width=48, kernel=5, hidden=0, normalization="none"))
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [48, 96, 128, 128]
    assert {m.kernel_size for m in convolutions} == {(5, 5)}
    assert [m.out_features for m in model.modules() if isinstance(m, nn.Linear)] == [5]
    assert count_parameters(model) == sum(p.numel() for p in model.parameters())
    wide = build_cnn((3, 32, 32), 5, CnnSettings(blocks=3, width=200))
    assert [m.out_channels for m in wide.modules() if isinstance(m, nn.Conv2d)] == [200, 200, 200]


def test_the_grid_is_as_fine_as_the_image_allows() -> None:
    for side, grid, features in ((28, 4, 64 * 16), (28, 2, 64 * 4), (28, 1, 64), (8, 4, 64 * 4), (3, 4, 64 * 9)):
        model = build_cnn((1, side, side + 2), 3, CnnSettings(grid=grid))
        assert next(m for m in model.modules() if isinstance(m, nn.Linear)).in_features == features


def test_images_too_small_to_halve_get_fewer_blocks() -> None:
    assert [max_blocks((1, n, 99)) for n in (1, 2, 4, 8, 15, 16, 28, 64, 224)] == [1, 1, 2, 3, 3, 4, 4, 4, 4]
    space = network_space((1, 2, 2))
    assert space["blocks"].size == 1
    assert space["blocks"].default == 1


def test_dropout_is_off_when_it_predicts() -> None:
    model = build_cnn((1, 8, 8), 3, CnnSettings(dropout=0.5)).eval()
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(model(x), model(x))
    model.train()
    assert not torch.equal(model(x), model(x))


@pytest.mark.parametrize(
    "wrong",
    [
        {"activation": "swish!"},
        {"normalization": "instance"},
        {"kernel": 4},
        {"blocks": 0},
        {"dropout": 1.0},
        {"grid": 0},
        {"hidden": -1},
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(TrainingError, match=next(iter(wrong))):
        CnnSettings(**wrong)  # type: ignore[arg-type]


def test_an_image_of_one_pixel() -> None:
    with pytest.raises(TrainingError, match="1x8 pixels are too small"):
        build_cnn((1, 1, 8), 2, CnnSettings())
