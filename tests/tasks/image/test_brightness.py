"""Pixels of another unit, and arrays of other axes, give a model's answer or an error, never a silent wrong one."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from luthier.errors import DataError
from luthier.tasks.image import CnnSettings, ImageData, Predictor, build_cnn, load_model, prepare, save_model
from luthier.tasks.image.brightness import Span, white_of

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (40, 9, 7, 3), dtype=np.uint8)
BYTES[:, 0, 0] = 255
PARAMS = {"blocks": 1, "width": 8, "hidden": 8}


def model_of(folder: Path, images: np.ndarray) -> Predictor:
    """An untrained model that was saved with some data."""
    prepared = prepare(ImageData(images, np.arange(len(images)) % 2, ("a", "b"), "noise"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_cnn(prepared.shape, 2, CnnSettings.from_params(PARAMS))
    return load_model(save_model(folder, model, PARAMS, prepared))


@pytest.fixture(scope="module")
def of_bytes(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return model_of(tmp_path_factory.mktemp("bytes"), BYTES)


@pytest.fixture(scope="module")
def of_units(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return model_of(tmp_path_factory.mktemp("units"), (BYTES / 255).astype(np.float32))


def answers(model: Predictor, images: Any, **options: Any) -> np.ndarray:
    return model.predict(images, **options)[1]


OTHER_UNITS: dict[str, Any] = {
    "float32 0..1": lambda x: (x / 255).astype(np.float32),
    "float64 0..1": lambda x: x / 255,
    "float16 0..1": lambda x: (x / 255).astype(np.float16),
    "uint16 full": lambda x: x.astype(np.uint16) * 257,
    "int64 0..65535": lambda x: x.astype(np.int64) * 257,
}
SAME_UNITS: dict[str, Any] = {
    "float32": lambda x: x.astype(np.float32),
    "float64": lambda x: x.astype(np.float64),
    "int64": lambda x: x.astype(np.int64),
    "uint16": lambda x: x.astype(np.uint16),
}


@pytest.mark.parametrize("unit", OTHER_UNITS)
def test_a_model_of_bytes_scales_other_units_with_a_warning(
    of_bytes: Predictor, unit: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    other = OTHER_UNITS[unit](BYTES)
    np.testing.assert_allclose(answers(of_bytes, other), answers(of_bytes, BYTES), atol=2e-3)
    assert "is taken for full brightness in these images, and they are scaled" in caplog.text
    np.savez(tmp_path / "x.npz", images=other)
    _, images = of_bytes.load(tmp_path / "x.npz")
    np.testing.assert_allclose(answers(of_bytes, images), answers(of_bytes, BYTES), atol=2e-3)
    assert len(caplog.records) == 2  # what `load` scaled is not scaled again


@pytest.mark.parametrize("unit", SAME_UNITS)
def test_other_types_of_the_same_unit_are_taken_as_they_are(
    of_bytes: Predictor, unit: str, caplog: pytest.LogCaptureFixture
) -> None:
    np.testing.assert_allclose(answers(of_bytes, SAME_UNITS[unit](BYTES)), answers(of_bytes, BYTES), atol=1e-5)
    assert not caplog.records


def test_a_model_of_units_scales_bytes_with_a_warning(
    of_units: Predictor, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    expected = answers(of_units, BYTES / 255)
    assert not caplog.records
    for unit in ("uint8", *SAME_UNITS):
        other = BYTES if unit == "uint8" else SAME_UNITS[unit](BYTES)
        np.testing.assert_allclose(answers(of_units, other), expected, atol=1e-5)
    np.testing.assert_allclose(answers(of_units, BYTES.astype(np.uint16) * 257), expected, atol=1e-5)
    assert len(caplog.records) == 6
    Image.fromarray(BYTES[0]).save(tmp_path / "x.png")  # files have a unit that is known
    np.testing.assert_allclose(answers(of_units, of_units.load(tmp_path / "x.png")[1]), expected[:1], atol=1e-5)
    assert len(caplog.records) == 6


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (BYTES.astype(np.uint16) * 10, r"from 0 to 2550, but full brightness was 255 where the model was trained"),
        (BYTES * 1e9, r"state what it is in these images, such as white=255"),
        ((BYTES / 255.0 - 0.5) / 0.25, r"pixel values down to -2, .* give the pixels as they were before"),
        (BYTES / 127.5 - 1.0, r"pixel values down to -1"),
        (np.where(BYTES > 250, np.nan, BYTES), r"40 of 40 images hold NaN or infinity"),
        (np.full((2, 9, 7, 3), np.inf), r"2 of 2 images hold NaN or infinity"),
    ],
)
def test_units_that_cannot_be_told_are_refused(of_bytes: Predictor, images: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        of_bytes.predict(images)


def test_bytes_from_before_normalisation_for_a_model_of_units(of_units: Predictor) -> None:
    with pytest.raises(DataError, match="from 0 to 100"):
        of_units.predict(np.minimum(BYTES.astype(np.float32), 100.0))


def test_a_stated_white_decides(of_bytes: Predictor, caplog: pytest.LogCaptureFixture) -> None:
    expected = answers(of_bytes, BYTES)
    np.testing.assert_allclose(answers(of_bytes, BYTES.astype(np.uint16) * 10, white=2550), expected, atol=1e-5)
    dark = BYTES[:2].astype(np.float32) / 256  # below 1, and meant
    assert not np.allclose(answers(of_bytes, dark, white=255), answers(of_bytes, dark))
    assert len(caplog.records) == 1
    for white in (0, -1, np.nan, np.inf, "255"):
        with pytest.raises(DataError, match="full brightness is a number above 0"):
            of_bytes.predict(BYTES, white=white)  # type: ignore[arg-type]


def test_a_deep_model_and_shallow_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = model_of(tmp_path / "deep", (BYTES.astype(np.float32) * 16 + 15))
    assert model.white == 4095.0
    assert not caplog.records
    expected = answers(model, BYTES.astype(np.uint16) * 16)
    assert not caplog.records
    np.testing.assert_allclose(answers(model, BYTES), expected, atol=0.01)
    np.testing.assert_allclose(answers(model, BYTES / 255), expected, atol=0.01)
    assert len(caplog.records) == 2
    with pytest.raises(DataError, match="state what it is"):
        model.predict(BYTES.astype(np.float32))  # bytes, or dark images of 12 bits?
    with pytest.raises(DataError, match="from 0 to 65535, but full brightness was 4095|state what"):
        model.predict(BYTES.astype(np.uint16) * 100)


def test_masks_and_black_images(of_bytes: Predictor, caplog: pytest.LogCaptureFixture) -> None:
    mask = BYTES > 127
    expected = answers(of_bytes, mask.astype(np.uint8) * 255)
    for kind in (bool, np.uint8, np.int64, np.float32):
        np.testing.assert_allclose(answers(of_bytes, mask.astype(kind)), expected, atol=1e-5)
    assert len(caplog.records) == 4
    caplog.clear()
    black = np.zeros((2, 9, 7, 3))
    np.testing.assert_array_equal(answers(of_bytes, black), answers(of_bytes, black.astype(np.uint8)))
    nearly = black.astype(np.uint8)
    nearly[0, 0, 0, 0] = 1
    of_bytes.predict(nearly)
    assert not caplog.records


def test_a_dark_file_is_not_brightened_twice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images = RNG.integers(0, 17, (40, 8, 8, 1), dtype=np.uint8)  # of 0..16, as the digits
    model = model_of(tmp_path / "model", images)
    assert model.white == 16.0
    Image.fromarray(np.full((8, 8), 12, np.uint8)).save(tmp_path / "dark.png")
    _, loaded = model.load(tmp_path / "dark.png")
    assert loaded.max() == pytest.approx(12 * 16 / 255)  # below 1: must not be taken for 0..1
    expected = answers(model, np.full((1, 8, 8, 1), 12 * 16 / 255), white=16)
    for same in (loaded, loaded[:1], loaded.copy()):
        np.testing.assert_allclose(answers(model, same), expected, atol=1e-6)
    assert not caplog.records
    with pytest.raises(ValueError, match="read-only"):
        loaded[:] = loaded / 16
    with pytest.raises(ValueError, match="read-only"):
        loaded *= 2
    written = loaded.copy()
    written[:1] = loaded[:1] / 16  # of another unit now
    assert (loaded.white, loaded.copy().white, written.white) == (16.0, 16.0, None)
    for plain in (loaded * 1.0, pickle.loads(pickle.dumps(loaded))):  # a plain array has no unit that is known
        answers(model, plain)
    assert len(caplog.records) == 2


def test_images_loaded_for_one_model_fit_another(of_bytes: Predictor, of_units: Predictor, tmp_path: Path) -> None:
    Image.fromarray(BYTES[0] // 100).save(tmp_path / "dark.png")
    _, images = of_bytes.load(tmp_path / "dark.png")
    expected = answers(of_units, of_units.load(tmp_path / "dark.png")[1])
    np.testing.assert_allclose(answers(of_units, images), expected, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(
    factor=st.sampled_from([1 / 255, 1.0, 257.0]),
    dtype=st.sampled_from([np.float32, np.float64]),
    n=st.integers(1, 5),
    start=st.integers(0, 35),
)
def test_any_batch_of_a_known_unit_gets_its_answer(
    of_bytes: Predictor, factor: float, dtype: type, n: int, start: int
) -> None:
    batch = BYTES[start : start + n]
    logging.disable(logging.WARNING)
    try:
        found = answers(of_bytes, (batch * factor).round(6).astype(dtype))
    except DataError:
        assert factor == 257.0  # rounded to fractions, it could be any unit
    else:
        np.testing.assert_allclose(found, answers(of_bytes, batch), atol=1e-3)
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    ("values", "white"),
    [
        ([0, 1], 1.0),
        ([0.0, 0.4], 1.0),
        ([0, 16], 16.0),
        ([0, 200], 255.0),
        ([0, 100], 255.0),
        ([0, 1000], 1023.0),
        ([0, 4000], 4095.0),
        ([0, 60_000], 65535.0),
        ([0, 70_000], 70_000.0),
        ([-1000, 3071], 3071.0),
        ([-1.0, 1.0], 1.0),
        ([0.5, 300.5], 300.5),
        ([0, 0], 1.0),
    ],
)
def test_full_brightness_of_a_data_set(values: list[float], white: float) -> None:
    assert white_of(Span.of(np.array(values))) == white


def test_data_of_ones_own_has_the_brightness_of_its_images() -> None:
    labels = np.arange(40) % 2
    assert ImageData(BYTES, labels, ("a", "b"), "x").white == 255.0
    assert ImageData((BYTES / 255).astype(np.float32), labels, ("a", "b"), "x").white == 1.0


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("white", [None, 255.0])
def test_parts_of_ones_own_are_of_one_unit(part: str, white: float | None) -> None:
    labels = np.arange(40) % 2
    other = {part: ((BYTES / 255).astype(np.float32), labels)}
    message = rf"mine \({part} part\): pixel values run from 0 to 1, in the training part from 0 to 255: bring them"
    with pytest.raises(DataError, match=message):
        ImageData(BYTES, labels, ("a", "b"), "mine", white=white, **other)
    same = {part: (BYTES[:4].astype(np.float32), labels[:4])}
    assert ImageData(BYTES, labels, ("a", "b"), "mine", white=white, **same).white == 255.0


# -- axes


@pytest.fixture(scope="module")
def of_grey(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return model_of(tmp_path_factory.mktemp("grey"), BYTES[..., :1])


def test_one_colour_image_is_one_image(of_bytes: Predictor) -> None:
    one = RNG.integers(0, 256, (50, 31, 3), dtype=np.uint8)
    labels, probabilities = of_bytes.predict(one)
    assert (len(labels), probabilities.shape) == (1, (1, 2))
    np.testing.assert_array_equal(probabilities, answers(of_bytes, one[None]))


def test_axes_of_a_colour_model(of_bytes: Predictor) -> None:
    expected = answers(of_bytes, BYTES)
    np.testing.assert_allclose(answers(of_bytes, BYTES.transpose(0, 3, 1, 2)), expected)
    np.testing.assert_allclose(answers(of_bytes, BYTES[0]), expected[:1], atol=1e-6)
    grey = BYTES[..., 0]
    for images in (grey[..., None], grey[:, None], grey):
        np.testing.assert_allclose(
            answers(of_bytes, images), answers(of_bytes, grey[..., None].repeat(3, 3)), atol=1e-6
        )
    assert answers(of_bytes, grey[0]).shape == (1, 2)
    assert answers(of_bytes, np.zeros((50, 31, 4), np.uint8)).shape == (1, 2)
    with pytest.raises(DataError, match=r"shape \(3, 9, 7\) is one image of 3 channels or 3 grey images: give"):
        of_bytes.predict(BYTES[0].transpose(2, 0, 1))


def test_axes_of_a_grey_model(of_grey: Predictor) -> None:
    grey = BYTES[..., 0]
    expected = answers(of_grey, grey[..., None])
    for images in (grey, grey[:, None]):
        np.testing.assert_allclose(answers(of_grey, images), expected, atol=1e-6)
    for n in (1, 3, 4):
        np.testing.assert_allclose(answers(of_grey, grey[:n]), expected[:n], atol=1e-6)
    np.testing.assert_allclose(answers(of_grey, grey[0]), expected[:1], atol=1e-6)
    np.testing.assert_allclose(answers(of_grey, grey[0][..., None]), expected[:1], atol=1e-6)
    assert answers(of_grey, np.zeros((50, 31, 3), np.uint8)).shape == (1, 2)
    with pytest.raises(DataError, match=r"shape \(40, 63\): images as flat rows.*reshape\(-1, 9, 7, 1\)"):
        of_grey.predict(grey.reshape(40, -1))
    with pytest.raises(DataError, match=r"shape \(3, 50, 31\) is one image of 3 channels or 3 grey images"):
        of_grey.predict(np.zeros((3, 50, 31), np.uint8))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros(63), r"shape \(63,\): images must be"),
        (np.zeros((1, 2, 9, 7, 3)), r"shape \(1, 2, 9, 7, 3\): images must be"),
        (np.zeros((0, 9)), r"there are no images \(shape \(0, 9\)\)"),
        (np.zeros((2, 0, 7, 3)), r"there are no images"),
        (np.array(["a.png"]), r"images of type <U5: they must be numbers"),
        (np.array([{}]), r"images of type object"),
        (np.zeros((2, 9, 7, 2)), r"2 channels, but the model takes 3"),
        (np.zeros((2, 9, 7, 3), complex), r"images of type complex128"),
    ],
)
def test_arrays_that_are_no_images(of_bytes: Predictor, images: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        of_bytes.predict(images)


def test_an_npy_file_and_a_list_are_images_too(of_bytes: Predictor, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", BYTES[0])
    names, images = of_bytes.load(tmp_path / "x.npy")
    assert names == ["0"]
    np.testing.assert_array_equal(answers(of_bytes, images), answers(of_bytes, BYTES[:1]))
    np.testing.assert_array_equal(answers(of_bytes, BYTES[:2].tolist()), answers(of_bytes, BYTES[:2]))
    (tmp_path / "y.npy").write_bytes(pickle.dumps([1]))
    with pytest.raises(DataError, match=r"y\.npy cannot be read as an \.npy file of numbers") as caught:
        of_bytes.load(tmp_path / "y.npy")
    assert "pickle" not in str(caught.value)
