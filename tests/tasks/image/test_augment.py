"""Augmentation changes what it says, by how much it says, and nothing else."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from luthier.errors import TrainingError
from luthier.space import Space
from luthier.tasks.image import Augmentation, augmentation_space


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blob(h: int, w: int, y: float, x: float, n: int = 64) -> torch.Tensor:
    """A smooth spot at (y, x), n times: (n, 1, h, w)."""
    rows, columns = torch.arange(h)[:, None], torch.arange(w)[None, :]
    return torch.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8).expand(n, 1, h, w).clone()


def centres(images: torch.Tensor) -> torch.Tensor:
    """(n, 2) centres of mass from the middle of the image, in pixels: down, right."""
    h, w = images.shape[2:]
    mass = images.sum(dim=(1, 2, 3))
    down = (images.sum(dim=(1, 3)) * (torch.arange(h) - (h - 1) / 2)).sum(dim=1) / mass
    right = (images.sum(dim=(1, 2)) * (torch.arange(w) - (w - 1) / 2)).sum(dim=1) / mass
    return torch.stack([down, right], dim=1)


def test_zero_is_the_identity() -> None:
    batch = torch.randn(5, 3, 8, 6)
    assert Augmentation()(batch, generator()) is batch
    assert Augmentation().is_identity


@settings(deadline=None, max_examples=30)
@given(
    rotation=st.floats(0, 180),
    shift=st.floats(0, 0.5),
    shear=st.floats(0, 45),
    zoom=st.floats(0, 0.9),
    flip=st.booleans(),
    brightness=st.floats(0, 1),
    shape=st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)),
)
def test_any_setting_keeps_shape_and_range(
    rotation: float, shift: float, shear: float, zoom: float, flip: bool, brightness: float, shape: tuple[int, ...]
) -> None:
    batch = torch.randn(shape)
    changed = Augmentation(rotation, shift, shear, zoom, flip, brightness)(batch, generator())
    assert changed.shape == batch.shape
    assert changed.dtype == batch.dtype
    assert torch.isfinite(changed).all()
    if not brightness:  # interpolation never leaves the range
        assert changed.max() <= batch.max() + 1e-5
        assert changed.min() >= batch.min() - 1e-5


def test_an_even_image_stays_even() -> None:
    batch = torch.full((4, 2, 9, 7), 3.25)
    torch.testing.assert_close(Augmentation(30, 0.3, 20, 0.3, True)(batch, generator()), batch)


def test_draws_come_from_the_generator() -> None:
    batch, change = torch.randn(4, 1, 8, 8), Augmentation(rotation=20, shift=0.1, brightness=0.2)
    state = torch.get_rng_state()
    torch.testing.assert_close(change(batch, generator(1)), change(batch, generator(1)), rtol=0, atol=0)
    assert not torch.equal(change(batch, generator(1)), change(batch, generator(2)))
    assert torch.equal(state, torch.get_rng_state())


def test_images_of_a_batch_change_differently() -> None:
    changed = Augmentation(shift=0.2)(blob(16, 16, 8, 8), generator())
    assert len(torch.unique(changed.flatten(1), dim=0)) == len(changed)


def test_flip_is_exact_and_half() -> None:
    batch = torch.randn(400, 1, 4, 5)
    changed = Augmentation(flip=True)(batch, generator())
    flipped = (changed == batch.flip(3)).flatten(1).all(dim=1)
    same = (changed == batch).flatten(1).all(dim=1)
    assert (flipped ^ same).all()
    assert 150 < int(flipped.sum()) < 250


def test_shift_moves_up_to_its_share() -> None:
    moved = centres(Augmentation(shift=0.2)(blob(40, 60, 19.5, 29.5), generator()))
    assert 6 < moved[:, 0].abs().max() <= 8.05
    assert 9 < moved[:, 1].abs().max() <= 12.05
    assert moved.abs().min() < 2


@pytest.mark.parametrize(("h", "w"), [(41, 41), (41, 61), (61, 41)])
def test_rotation_keeps_the_distance_and_bounds_the_angle(h: int, w: int) -> None:
    images = blob(h, w, (h - 1) / 2, (w - 1) / 2 + 12)
    moved = centres(Augmentation(rotation=30)(images, generator()))
    torch.testing.assert_close(moved.norm(dim=1), torch.full((64,), 12.0), rtol=0.01, atol=0)
    angles = torch.atan2(moved[:, 0], moved[:, 1]).abs() * 180 / math.pi
    assert 25 < angles.max() <= 30.2


def test_zoom_scales_the_distance() -> None:
    moved = centres(Augmentation(zoom=0.25)(blob(61, 61, 30, 42), generator()))
    assert moved[:, 0].abs().max() < 0.05
    assert 9 - 0.1 <= moved[:, 1].min() < 9.5
    assert 14.5 < moved[:, 1].max() <= 15 + 0.1


def test_shear_slants_but_keeps_the_rows() -> None:
    moved = centres(Augmentation(shear=20)(blob(61, 61, 42, 30), generator()))
    torch.testing.assert_close(moved[:, 0], torch.full((64,), 12.0), rtol=0.01, atol=0)
    assert 3.5 < moved[:, 1].abs().max() <= 12 * math.tan(math.radians(20)) + 0.05


def test_brightness_is_one_line_per_image() -> None:
    batch = torch.randn(200, 1, 4, 4)
    changed = Augmentation(brightness=0.3)(batch, generator())
    flat, out = batch.flatten(1), changed.flatten(1)
    slope = (out[:, 1] - out[:, 0]) / (flat[:, 1] - flat[:, 0])
    offset = out[:, 0] - slope * flat[:, 0]
    torch.testing.assert_close(out, slope[:, None] * flat + offset[:, None], rtol=1e-3, atol=1e-3)
    for values in (slope - 1, offset):
        assert 0.25 < values.abs().max() < 0.301


def test_agrees_with_a_single_known_rotation() -> None:
    """A right angle, forced through the draws, is what rot90 gives."""

    class Fixed(Augmentation):
        def _matrices(self, draws: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
            return super()._matrices(torch.tensor([0, 0, 1.0, 0, 0])[:, None].expand_as(draws), batch)

    batch = torch.randn(3, 2, 8, 8)
    turned = Fixed(rotation=90)(batch, generator())
    torch.testing.assert_close(turned, torch.rot90(batch, 1, (2, 3)), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(turned, functional.interpolate(batch, (8, 8)))


@pytest.mark.parametrize("wrong", [{"rotation": -1}, {"shift": 2}, {"zoom": 1.0}, {"shear": 90}])
def test_settings_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(TrainingError, match=next(iter(wrong))):
        Augmentation(**wrong)


def test_space_and_params_fit() -> None:
    space = Space(augmentation_space())
    assert Augmentation.from_params({**space.defaults(), "width": 3}).is_identity
    assert Augmentation.from_params({"rotation": 5.0, "width": 3}) == Augmentation(rotation=5.0)
    assert list(augmentation_space("shift", "flip")) == ["shift", "flip"]
    with pytest.raises(TrainingError, match="no augmentation 'spin'"):
        augmentation_space("spin")
