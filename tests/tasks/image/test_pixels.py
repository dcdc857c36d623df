"""Content survives every depth and mode, one scale serves a set and its predictions, broken files are listed."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from luthier.errors import DataError
from luthier.tasks.image import ImageData, load_images, load_unlabelled, prepare
from luthier.tasks.image.pixels import Reading

RNG = np.random.default_rng(0)


def two_classes(root: Path, images: list[np.ndarray], suffix: str, **options: Any) -> ImageData:
    """The data set of some arrays as files, the first half of class a."""
    for i, image in enumerate(images):
        folder = root / ("a" if i < len(images) / 2 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i:03}{suffix}", **options)
    return load_images(root)


def png16(path: Path, pixels: np.ndarray) -> None:
    """A colour PNG of 16 bits a channel, which Pillow cannot write."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


# -- depth: the scale is decided once

DEPTHS = {
    "floats to 1": (RNG.random((6, 5, 4), dtype=np.float32), ".tif", "float", 1.0),
    "floats to 255": (RNG.random((6, 5, 4), dtype=np.float32) * 255, ".tif", "float", 255.0),
    "32-bit integers": (RNG.integers(0, 60_000, (6, 5, 4), dtype=np.int32), ".tif", "32-bit", 65535.0),
    "12 bits in 16": (RNG.integers(0, 4000, (6, 5, 4)).astype(np.uint16), ".png", "16-bit", 4095.0),
    "10 bits in 16": (RNG.integers(0, 1000, (6, 5, 4)).astype(np.uint16), ".tiff", "16-bit", 1023.0),
    "16 bits": (RNG.integers(0, 65_536, (6, 5, 4)).astype(np.uint16), ".png", "16-bit", 65535.0),
}


@pytest.mark.parametrize("name", DEPTHS)
def test_deep_images_keep_their_content(tmp_path: Path, name: str) -> None:
    arrays, suffix, depth, white = DEPTHS[name]
    data = two_classes(tmp_path / "train", list(arrays), suffix)
    assert data.reading == Reading({depth: white})
    assert (data.images.dtype, data.images.shape, data.white) == (np.float32, (6, 5, 4, 1), 255.0)
    np.testing.assert_allclose(data.images[..., 0], arrays.astype(np.float64) * 255 / white, rtol=1e-5, atol=1e-4)
    # a dark image alone gets the scale of the set, not one of its own
    dark = arrays[:1] // 3 if arrays.dtype.kind in "ui" else arrays[:1] / np.float32(1.5)
    (tmp_path / "new").mkdir()
    Image.fromarray(dark[0]).save(tmp_path / "new" / f"dark{suffix}")
    _, images = load_unlabelled(tmp_path / "new", (5, 4, 1), reading=data.reading)
    np.testing.assert_allclose(images[..., 0], dark.astype(np.float64) * 255 / white, rtol=1e-5, atol=1e-4)


def test_negative_values_survive(tmp_path: Path) -> None:
    arrays = RNG.integers(-1000, 3000, (6, 5, 4), dtype=np.int32)  # a CT scan
    arrays[0, 0, 0] = 3000
    data = two_classes(tmp_path, list(arrays), ".tif")
    np.testing.assert_allclose(data.images[..., 0], arrays * (255 / 3000), rtol=1e-5)


def test_unsigned_32_bits_are_not_taken_for_negative(tmp_path: Path) -> None:
    arrays = [np.full((4, 4), value, np.int32) for value in (1, -2, 5, 7)]
    for i, array in enumerate(arrays):
        (tmp_path / "ab"[i // 2]).mkdir(exist_ok=True)
        path = tmp_path / "ab"[i // 2] / f"{i}.tif"
        Image.fromarray(array).save(path)
        signed = struct.pack("<HHIHH", 339, 3, 1, 2, 0)  # the tag SampleFormat: signed
        assert path.read_bytes().count(signed) == 1
        path.write_bytes(path.read_bytes().replace(signed, struct.pack("<HHIHH", 339, 3, 1, 1, 0)))
    images = load_images(tmp_path).images
    assert images.min() >= 0
    np.testing.assert_allclose(images[1], 255.0)  # 2**32 - 2 is the brightest


def test_eight_and_sixteen_bits_in_one_set_are_of_one_brightness(tmp_path: Path) -> None:
    bright = np.full((4, 4), 255, np.uint8), np.full((4, 4), 4095, np.uint16)
    half = np.full((4, 4), 128, np.uint8), np.full((4, 4), 2048, np.uint16)
    data = two_classes(tmp_path, [*bright, *half], ".png")
    np.testing.assert_allclose(data.images[:, 0, 0, 0], [255, 255, 128, 127.5], atol=0.1)


def test_colour_and_sixteen_bit_grey_in_one_set(tmp_path: Path) -> None:
    data = two_classes(tmp_path, [np.full((4, 4, 3), 90, np.uint8), np.full((4, 4), 4095, np.uint16)], ".png")
    assert data.images.shape == (2, 4, 4, 3)
    assert data.images[:, 0, 0].tolist() == [[90] * 3, [255] * 3]


def test_sixteen_bit_colour_is_read_or_refused(tmp_path: Path) -> None:
    for i in range(4):
        png16(tmp_path / "full" / "ab"[i % 2] / f"{i}.png", RNG.integers(0, 65_536, (4, 4, 3)))
        png16(tmp_path / "twelve" / "ab"[i % 2] / f"{i}.png", RNG.integers(0, 4096, (4, 4, 3)))
    assert load_images(tmp_path / "full").images.std() > 50
    with pytest.raises(DataError, match="4 colour images have 16 bits a channel but use the lowest 13 at most"):
        load_images(tmp_path / "twelve")


def test_a_prediction_beyond_the_depth_of_the_model_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 60_000, np.uint16)).save(tmp_path / "x.png")
    with pytest.raises(DataError, match=r"x\.png, 16-bit files: pixel values run from 0 to 60000, but full brightness"):
        load_unlabelled(tmp_path / "x.png", (4, 4, 1), reading=Reading({"16-bit": 4095.0}))
    _, images = load_unlabelled(tmp_path / "x.png", (4, 4, 1), reading=Reading({"16-bit": 4095.0}), own_white=60_000)
    np.testing.assert_allclose(images, 255.0)


def test_a_depth_that_the_model_never_saw_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Image.fromarray(np.full((4, 4), 4095, np.uint16)).save(tmp_path / "x.png")
    _, images = load_unlabelled(tmp_path / "x.png", (4, 4, 1))
    np.testing.assert_allclose(images, 255.0)
    assert "the model was trained on no 16-bit images, but x.png is one: 4095 is taken" in caplog.text


# -- modes


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_is_read(tmp_path: Path, mode: str, channels: int) -> None:
    suffix = {"CMYK": ".jpg", "YCbCr": ".jpg", "LAB": ".tif"}.get(mode, ".png")
    image = Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 8, axis=0).repeat(4, axis=1))  # dark | bright
    if mode == "LAB":
        image = Image.merge(mode, [image, *[Image.new("L", image.size, 128)] * 2])
    else:
        image = image.convert("RGB").convert(mode)
    image.save(tmp_path / f"x{suffix}")
    _, images = load_unlabelled(tmp_path / f"x{suffix}", (8, 8, channels))
    assert images[0, :, :4].mean() < 60
    assert images[0, :, 4:].mean() > 195


@pytest.mark.parametrize(("shade", "background"), [(0, 255), (255, 0)])
def test_what_transparency_alone_draws_survives(tmp_path: Path, shade: int, background: int) -> None:
    icons = np.full((6, 4, 4, 4), shade, np.uint8)  # black or white ink: the shape is in the alpha channel
    icons[..., 3] = RNG.integers(0, 2, (6, 4, 4)) * 255
    data = two_classes(tmp_path, list(icons), ".png")
    assert data.reading.background == background
    np.testing.assert_array_equal(data.images[..., 0] == shade, icons[..., 3] == 255)
    _, images = load_unlabelled(tmp_path, (4, 4, 3), reading=data.reading)
    np.testing.assert_array_equal(images, data.images)


def test_several_frames_give_the_first_and_say_so(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (200, 10)]
    for name, suffix in (("a", ".gif"), ("b", ".tif")):
        (tmp_path / name).mkdir()
        for i in range(2):
            frames[0].save(tmp_path / name / f"{i}{suffix}", save_all=True, append_images=frames[1:])
    data = load_images(tmp_path)
    np.testing.assert_array_equal(data.images, 200)
    assert data.notes == ("4 files with several frames: the first of each is used",)


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [(".jpg", np.uint8), (".webp", np.uint8)] + [(s, t) for s in (".png", ".tif") for t in (np.uint8, np.uint16)],
)
def test_turned_images_are_upright(tmp_path: Path, suffix: str, dtype: type) -> None:
    image = np.zeros((16, 24), dtype)
    image[:, :12] = np.iinfo(dtype).max  # bright on the left as stored, so at the top as seen
    exif = Image.Exif()
    exif[0x0112] = 6
    options: dict[str, Any] = {"tiffinfo": {0x0112: 6}} if suffix == ".tif" else {"exif": exif.tobytes()}
    data = two_classes(tmp_path, [image, image], suffix, **options)
    assert data.images.shape[:3] == (2, 24, 16)
    assert data.images[0, :10].mean() > 240
    assert data.images[0, 14:].mean() < 15


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_damaged_exif_does_not_cost_the_image(tmp_path: Path, suffix: str) -> None:
    data = two_classes(tmp_path, [np.full((16, 24), 200, np.uint8)] * 2, suffix, exif=b"Exif\0\0GARBAGE!")
    np.testing.assert_allclose(data.images, 200, atol=3)


def test_what_is_inside_decides_not_the_suffix(tmp_path: Path) -> None:
    data = two_classes(tmp_path, [np.full((4, 4), 200, np.uint8)] * 2, ".jpg", format="GIF")
    np.testing.assert_array_equal(data.images, 200)


def test_images_of_extreme_shapes(tmp_path: Path) -> None:
    shapes = [(1, 1), (1, 3000), (3000, 1), (4, 4), (4, 4)]
    data = two_classes(tmp_path, [np.full(shape, 200, np.uint8) for shape in shapes], ".png")
    np.testing.assert_array_equal(data.images, np.full((5, 4, 4, 1), 200))


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from([".png", ".jpg", ".tif", ".gif", ".bmp", ".ppm", ".tga"]),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    kept=st.floats(0, 1),
)
def test_damaged_bytes_give_an_image_or_an_error_that_names_the_file(
    tmp_path: Path, suffix: str, changes: list[tuple[int, int]], kept: float
) -> None:
    path = tmp_path / f"x{suffix}"
    Image.fromarray(RNG.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(path)
    raw = bytearray(path.read_bytes())
    for at, value in changes:
        raw[at % len(raw)] = value
    path.write_bytes(bytes(raw[: int(len(raw) * kept) if len(changes) % 2 else len(raw)]))
    try:
        _, images = load_unlabelled(path, (8, 8, 3))
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert images.shape == (1, 8, 8, 3)


# -- broken files


def broken(root: Path) -> dict[str, str]:
    """Ten files, five of them broken in different ways; why each cannot be read."""
    whole = RNG.integers(0, 256, (10, 40, 40, 3), dtype=np.uint8)
    two_classes(root, list(whole), ".png")
    reasons = {}
    for name, content, reason in (
        ("a/000.png", b"", "empty, 0 bytes"),
        ("a/001.png", b"<html>not found</html>", "not in an image format that Pillow reads"),
        ("a/002.png", None, "truncated"),
        ("b/005.png", b"\x89PNG\r\n\x1a\n", ""),
    ):
        path = root / name
        path.write_bytes(path.read_bytes()[:900] if content is None else content)
        reasons[name] = reason
    (root / "b" / "nan.tif").unlink(missing_ok=True)
    Image.fromarray(np.full((40, 40), np.nan, np.float32)).save(root / "b" / "nan.tif")
    return reasons | {"b/nan.tif": "it holds NaN or infinity"}


def test_all_broken_files_are_listed_at_once(tmp_path: Path) -> None:
    reasons = broken(tmp_path)
    with pytest.raises(DataError, match="5 of 11 files cannot be read as images: ") as caught:
        load_images(tmp_path)
    for name, reason in reasons.items():
        assert f"{name} (" in str(caught.value)
        assert reason in str(caught.value)
    assert "--skip-broken" in str(caught.value)


def test_skip_broken_goes_on_and_says_which(tmp_path: Path) -> None:
    reasons = broken(tmp_path)
    data = load_images(tmp_path, skip_broken=True)
    assert data.labels.tolist() == [0, 0, 1, 1, 1, 1]
    assert (data.images.dtype, data.reading) == (np.uint8, Reading())  # the broken float file decides nothing
    assert data.notes[0].startswith("left out 5 of 11 files that cannot be read as images: ")
    assert all(name in data.notes[0] for name in reasons)
    names, images = load_unlabelled(tmp_path, (40, 40, 3), skip_broken=True)
    assert len(names) == len(images) == 6
    np.testing.assert_array_equal(images, data.images)
    with pytest.raises(DataError, match="5 of 11 files cannot be read"):
        load_unlabelled(tmp_path, (40, 40, 3))


def test_of_very_many_broken_files_twenty_are_listed(tmp_path: Path) -> None:
    two_classes(tmp_path, list(RNG.integers(0, 256, (4, 4, 4), dtype=np.uint8)), ".png")
    for i in range(33):
        (tmp_path / "a" / f"bad{i:02}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"33 of 37 files .*bad19\.png \(empty, 0 bytes\) and 13 more: repair"):
        load_images(tmp_path)


def test_broken_files_do_not_decide_size_and_channels(tmp_path: Path) -> None:
    grey = list(RNG.integers(0, 256, (4, 6, 6), dtype=np.uint8))
    two_classes(tmp_path, grey, ".png")
    for i in range(9):
        path = tmp_path / "a" / f"bad{i}.png"
        Image.fromarray(RNG.integers(0, 256, (30, 30, 3), dtype=np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:200])
    data = load_images(tmp_path, skip_broken=True)
    np.testing.assert_array_equal(data.images[..., 0], grey)


def test_a_class_of_broken_files_alone_is_an_error(tmp_path: Path) -> None:
    two_classes(tmp_path, list(RNG.integers(0, 256, (4, 4, 4), dtype=np.uint8)), ".png")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "x.png").write_bytes(b"")
    with pytest.raises(DataError, match="no image of class 'c' can be read"):
        load_images(tmp_path, skip_broken=True)
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="5 of 5 files cannot be read") as caught:
        load_images(tmp_path, skip_broken=True)
    assert "skip" not in str(caught.value)


def test_a_bomb_is_named_and_a_large_image_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_classes(tmp_path, list(RNG.integers(0, 256, (4, 4, 4), dtype=np.uint8)), ".png")
    Image.new("L", (40, 40)).save(tmp_path / "a" / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow warns above, and refuses above twice as many
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load_images(tmp_path).images) == 5
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with pytest.raises(DataError, match=r"large\.png cannot be read as an image \(more than 0 million pixels"):
        load_images(tmp_path)


def test_folders_and_pipes_that_are_called_like_images(tmp_path: Path) -> None:
    import os

    two_classes(tmp_path, list(RNG.integers(0, 256, (4, 4, 4), dtype=np.uint8)), ".png")
    (tmp_path / "a" / "folder.png").mkdir()
    assert len(load_images(tmp_path).images) == 4
    os.mkfifo(tmp_path / "a" / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png cannot be read as an image \(not a file\)"):
        load_images(tmp_path)


# -- the reading goes with the model


def test_prepared_data_keeps_the_reading(tmp_path: Path) -> None:
    arrays = RNG.integers(0, 4000, (40, 5, 4)).astype(np.uint16)
    data = two_classes(tmp_path, list(arrays), ".png")
    prepared = prepare(data)
    assert prepared.reading == Reading({"16-bit": 4095.0})
    assert Reading.from_json(prepared.reading.to_json()) == prepared.reading
    assert prepared.low >= 0
