"""Image data is read from every format, and what is wrong with a file is said by its name."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from luthier.errors import DataError
from luthier.tasks.image import ImageData, idx, load_images, load_unlabelled, pixels
from luthier.tasks.image import data as data_module

RNG = np.random.default_rng(0)


def write_idx(path: Path, array: np.ndarray) -> None:
    raw = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


def idx_folder(folder: Path, n: int = 12, gz: str = ".gz", test: bool = True) -> tuple[np.ndarray, np.ndarray]:
    folder.mkdir(exist_ok=True)
    images, labels = RNG.integers(0, 256, (n, 5, 4)), np.arange(n) % 3
    write_idx(folder / f"train-images-idx3-ubyte{gz}", images)
    write_idx(folder / f"train-labels-idx1-ubyte{gz}", labels)
    if test:
        write_idx(folder / f"t10k-images-idx3-ubyte{gz}", images[:4])
        write_idx(folder / f"t10k-labels-idx1-ubyte{gz}", labels[:4])
    return images, labels


def class_folders(root: Path, sizes: dict[str, list[tuple[int, int]]], mode: str = "RGB") -> None:
    for name, shapes in sizes.items():
        (root / name).mkdir(parents=True)
        for i, (h, w) in enumerate(shapes):
            Image.new(mode, (w, h), 10 * i).save(root / name / f"{i}.png")


# -- names


def test_digits() -> None:
    data = load_images("digits")
    assert data.images.shape == (1797, 8, 8, 1)
    assert data.images.dtype == np.uint8
    assert (data.images.min(), data.images.max(), data.white) == (0, 16, 16.0)
    assert data.classes == tuple("0123456789")
    assert data.test is None
    assert np.bincount(data.labels).min() >= 170


def test_unknown_name_lists_what_is_known() -> None:
    with pytest.raises(DataError, match=r"'digit'.*known: digits, fashion-mnist\); did you mean 'digits'\?"):
        load_images("digit")


def test_fashion_mnist_says_how_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(idx, "FASHION", tmp_path / "absent")
    with pytest.raises(DataError, match="apt-get install dataset-fashion-mnist"):
        load_images("fashion-mnist")


def test_fashion_mnist_names_its_classes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    idx_folder(tmp_path)
    monkeypatch.setattr(idx, "FASHION", tmp_path)
    data = load_images("fashion-mnist")
    assert (data.classes[0], data.classes[9], len(data.classes)) == ("T-shirt/top", "Ankle boot", 10)
    assert data.test is not None


# -- idx


@pytest.mark.parametrize("gz", ["", ".gz"])
def test_idx_folder(tmp_path: Path, gz: str) -> None:
    images, labels = idx_folder(tmp_path, gz=gz)
    data = load_images(tmp_path)
    np.testing.assert_array_equal(data.images[..., 0], images)
    np.testing.assert_array_equal(data.labels, labels)
    assert data.classes == ("0", "1", "2")
    assert data.test is not None
    np.testing.assert_array_equal(data.test[0][..., 0], images[:4])


@pytest.mark.parametrize(("written", "named"), [("", ".gz"), (".gz", "")])
def test_idx_files_whose_suffix_is_wrong(tmp_path: Path, written: str, named: str) -> None:
    images, _ = idx_folder(tmp_path, gz=written, test=False)
    for path in list(tmp_path.iterdir()):
        path.rename(path.with_name(path.name.removesuffix(".gz") + named))
    np.testing.assert_array_equal(load_images(tmp_path).images[..., 0], images)


def test_idx_folder_without_a_test_part(tmp_path: Path) -> None:
    idx_folder(tmp_path, test=False)
    assert load_images(tmp_path).test is None


def test_idx_errors_name_the_file(tmp_path: Path) -> None:
    idx_folder(tmp_path, gz="")
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte"
    whole = images.read_bytes()

    images.write_bytes(whole[:-7])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte says that it holds 240 bytes.*but has 233"):
        load_images(tmp_path)
    images.write_bytes(b"")
    with pytest.raises(DataError, match="train-images-idx3-ubyte is not an idx file"):
        load_images(tmp_path)
    images.write_bytes(whole)
    write_idx(labels, np.arange(11) % 3)
    with pytest.raises(DataError, match="holds 12 images but train-labels-idx1-ubyte 11 labels"):
        load_images(tmp_path)
    labels.unlink()
    with pytest.raises(DataError, match="train-labels-idx1-ubyte is not: add it"):
        load_images(tmp_path)


def test_idx_gzip_cut_short(tmp_path: Path) -> None:
    idx_folder(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz cannot be read.*cut short"):
        load_images(tmp_path)


# -- folders of classes


def test_class_folders_take_the_most_frequent_size(tmp_path: Path) -> None:
    class_folders(tmp_path, {"cat": [(6, 4), (6, 4), (9, 9)], "dog": [(6, 4), (3, 8)]})
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    data = load_images(tmp_path)
    assert data.images.shape == (5, 6, 4, 3)
    assert data.images.dtype == np.uint8
    assert data.classes == ("cat", "dog")
    assert data.labels.tolist() == [0, 0, 0, 1, 1]
    assert load_images(tmp_path, size=(8, 10)).images.shape == (5, 8, 10, 3)


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGBA", 3), ("1", 1), ("P", 3)])
def test_channels_follow_the_files(tmp_path: Path, mode: str, channels: int) -> None:
    class_folders(tmp_path, {"a": [(4, 4)] * 2, "b": [(4, 4)] * 2}, mode)
    assert load_images(tmp_path).images.shape == (4, 4, 4, channels)


def test_one_colour_image_makes_all_colour(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": [(4, 4)] * 2, "b": [(4, 4)]}, "L")
    Image.new("RGB", (4, 4), (200, 10, 30)).save(tmp_path / "b" / "c.jpg")
    data = load_images(tmp_path)
    assert data.images.shape == (4, 4, 4, 3)
    assert data.images[3, 0, 0, 0] > 150 > data.images[3, 0, 0, 1]


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    for name, value in (("a", 0x4000), ("b", 0xC000)):
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((4, 4), value, np.uint16)).save(tmp_path / name / "x.png")
    np.testing.assert_allclose(load_images(tmp_path).images[:, 0, 0, 0], [0x4000 / 257, 0xC000 / 257], rtol=1e-6)


def test_a_camera_held_sideways(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": [(4, 6)], "b": [(4, 6)]}, "L")
    image = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(6, 4) * 10)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    image.save(tmp_path / "a" / "0.png", exif=exif)
    data = load_images(tmp_path)
    assert data.images.shape == (2, 4, 6, 1)
    np.testing.assert_array_equal(data.images[0, ..., 0], np.rot90(np.arange(24).reshape(6, 4) * 10, -1))


def test_train_and_test_folders_are_parts(tmp_path: Path) -> None:
    for part, n in (("train", 3), ("val", 2), ("test", 1)):
        class_folders(tmp_path / part, {"a": [(4, 4)] * n, "b": [(4, 4)] * n}, "L")
    data = load_images(tmp_path)
    assert len(data.images) == 6
    assert data.validation is not None
    assert data.validation[1].tolist() == [0, 0, 1, 1]
    assert data.test is not None
    assert data.test[1].tolist() == [0, 1]
    class_folders(tmp_path / "test", {"c": [(4, 4)]}, "L")
    with pytest.raises(DataError, match=r"test/c is of a class that the training part lacks"):
        load_images(tmp_path)


def test_folder_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no folders and no idx files"):
        load_images(tmp_path)
    Image.new("L", (4, 4)).save(tmp_path / "x.png")
    with pytest.raises(DataError, match="holds images but no folders"):
        load_images(tmp_path)
    class_folders(tmp_path, {"a": [(4, 4)] * 2}, "L")
    with pytest.raises(DataError, match="one class"):
        load_images(tmp_path)
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match=r"/b holds no images"):
        load_images(tmp_path)
    Image.new("L", (4, 4)).save(tmp_path / "b" / "good.png")
    assert len(load_images(tmp_path).images) == 3


@pytest.mark.parametrize("content", [b"", b"not an image", "cut"])
def test_a_broken_image_is_named(tmp_path: Path, content: bytes | str) -> None:
    class_folders(tmp_path, {"a": [(40, 40)] * 2, "b": [(40, 40)] * 2})
    bad = tmp_path / "b" / "0.png"
    Image.fromarray(RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(bad)
    bad.write_bytes(content if isinstance(content, bytes) else bad.read_bytes()[:900])
    with pytest.raises(DataError, match=r"b/0\.png cannot be read as an image"):
        load_images(tmp_path)


def test_too_many_pixels_ask_for_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "MEMORY", 1000)
    class_folders(tmp_path, {"a": [(20, 20)] * 2, "b": [(20, 20)]}, "L")
    with pytest.raises(DataError, match="state a smaller size"):
        load_images(tmp_path)
    assert load_images(tmp_path, size=(8, 8)).images.shape == (3, 8, 8, 1)


# -- npz


IMAGES = RNG.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(("x", "y"), [("images", "labels"), ("x", "y"), ("X", "y"), ("x_train", "y_train")])
def test_npz_keys(tmp_path: Path, x: str, y: str) -> None:
    np.savez(tmp_path / "a.npz", **{x: IMAGES, y: LABELS})
    data = load_images(tmp_path / "a.npz")
    np.testing.assert_array_equal(data.images, IMAGES)
    assert data.labels.tolist() == LABELS.tolist()


def test_npz_with_parts_and_columns_of_labels(tmp_path: Path) -> None:
    grey, column = IMAGES[..., 0], LABELS[:, None].astype(np.uint8)
    arrays = {f"{part}_images": grey for part in ("train", "val", "test")}
    np.savez(tmp_path / "a.npz", **arrays, **{f"{part}_labels": column for part in ("train", "val", "test")})
    data = load_images(tmp_path / "a.npz")
    assert data.images.shape == (6, 5, 4, 1)
    assert data.validation is not None
    assert data.validation[0].shape == (6, 5, 4, 1)
    assert data.test is not None
    assert data.test[1].tolist() == LABELS.tolist()


def test_npz_labels_of_words_and_gaps(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGES, y=np.array(list("cabcab")), x_test=IMAGES[:2], y_test=np.array(["c", "a"]))
    data = load_images(tmp_path / "a.npz")
    assert (data.classes, data.labels.tolist()) == (("a", "b", "c"), [2, 0, 1, 2, 0, 1])
    assert data.test is not None
    assert data.test[1].tolist() == [2, 0]
    np.savez(tmp_path / "b.npz", x=IMAGES, y=LABELS * 5.0)
    assert load_images(tmp_path / "b.npz").classes == ("0", "5", "10")
    np.savez(tmp_path / "c.npz", x=IMAGES, y=LABELS, classes=np.array(["x", "y", "z"]))
    assert load_images(tmp_path / "c.npz").classes == ("x", "y", "z")


def test_npz_floats_and_channels_first(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=(IMAGES / 255).transpose(0, 3, 1, 2).repeat(2, axis=3), y=LABELS)
    data = load_images(tmp_path / "a.npz")
    assert (data.images.shape, data.images.dtype, data.white) == ((6, 5, 8, 3), np.float32, 1.0)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": IMAGES, "z": LABELS[:2]}, r"holds the keys x \(6, 5, 4, 3\), z \(2,\): it must hold images and labels"),
        ({"x": IMAGES, "y": LABELS[:-1]}, r"x has 6 images but y has 5 labels"),
        ({"x": IMAGES, "y": LABELS * 0}, "one class"),
        ({"x": IMAGES[:0], "y": LABELS[:0]}, "no images"),
        ({"x": IMAGES, "y": LABELS + 0.5}, "not whole numbers"),
        ({"x": IMAGES, "y": np.ones((6, 6))}, r"shape \(6, 6\): rows of several columns must be one-hot"),
        ({"x": IMAGES[0, :, :, 0], "y": LABELS[:5]}, r"shape \(5, 4\)"),
        ({"x": np.full((6, 4, 4), np.nan), "y": LABELS}, r"6 of 6 images hold NaN or infinity \(rows 0, 1, 2"),
        ({"x": IMAGES.astype(str), "y": LABELS}, "must be numbers"),
        ({"x": IMAGES, "y": LABELS, "classes": np.array(["a", "b"])}, "from 0 to 1"),
        ({"x": IMAGES, "y": LABELS, "x_test": IMAGES, "y_test": LABELS + 1}, "a class that the training part lacks"),
        ({"x": IMAGES, "y": LABELS, "x_test": IMAGES[:, :2], "y_test": LABELS}, "the test images have the shape"),
        (
            {"x": IMAGES, "y": np.array([{}] * 6)},
            r"arrays of Python objects, which are not read \(y: make each a plain array",
        ),
    ],
)
def test_npz_errors(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=message) as caught:
        load_images(tmp_path / "bad.npz")
    assert "bad.npz" in str(caught.value)


def test_files_that_are_no_data(tmp_path: Path) -> None:
    for name, content, message in (
        ("empty.npz", b"", "is empty"),
        ("junk.npz", b"PK junk", "cannot be read as an .npz"),
        ("text.csv", b"1,2", "neither a folder nor an .npz"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            load_images(tmp_path / name)
    np.save(tmp_path / "one.npy", LABELS)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(DataError, match=r"cannot be read as an \.npz"):
        load_images(tmp_path / "one.npz")


def test_labels_must_be_classes() -> None:
    with pytest.raises(DataError, match="labels run from 0 to 2, but there are 2 classes"):
        ImageData(IMAGES, LABELS, ("a", "b"), "mine")


def test_labels_must_be_whole_numbers() -> None:
    with pytest.raises(DataError, match=r"labels of shape .* and type float64"):
        ImageData(IMAGES, LABELS * 1.0, ("a", "b", "c"), "mine")


@pytest.mark.parametrize("source", ["digits", "npz", "idx"])
def test_a_size_where_none_can_be_stated(tmp_path: Path, source: str) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGES, y=LABELS)
    idx_folder(tmp_path / "idx")
    with pytest.raises(DataError, match="applies only to folders of images"):
        load_images({"npz": tmp_path / "a.npz", "idx": tmp_path / "idx"}.get(source, source), size=(4, 4))


def test_known_names_are_all_loadable_names() -> None:
    assert data_module.KNOWN == ("digits", "fashion-mnist")


# -- images without labels


def test_unlabelled_folder_file_and_npz(tmp_path: Path) -> None:
    class_folders(tmp_path, {"in": [(9, 7), (4, 4)]}, "RGB")
    Image.new("L", (4, 4), 255).save(tmp_path / "white.png")
    names, images = load_unlabelled(tmp_path, (8, 8, 1), white=16.0)
    assert names == ["in/0.png", "in/1.png", "white.png"]
    assert images.shape == (3, 8, 8, 1)
    np.testing.assert_allclose(images[2], 16.0)
    names, images = load_unlabelled(tmp_path / "white.png", (4, 4, 3))
    assert (names, images.shape, images.dtype) == (["white.png"], (1, 4, 4, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images=IMAGES)
    names, images = load_unlabelled(tmp_path / "a.npz", (5, 4, 3))
    assert names == ["0", "1", "2", "3", "4", "5"]
    np.testing.assert_array_equal(images, IMAGES)


def test_unlabelled_arrays_are_converted(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.full((2, 6, 6, 4), 200, np.uint8))
    _, images = load_unlabelled(tmp_path / "a.npz", (3, 9, 1), white=1.0)
    assert images.shape == (2, 3, 9, 1)
    np.testing.assert_allclose(images, 200 / 255, rtol=1e-5)
    np.savez(tmp_path / "b.npz", x=np.zeros((2, 6, 6, 2), np.uint8))
    with pytest.raises(DataError, match=r"b\.npz: 2 channels, but the model takes 3"):
        load_unlabelled(tmp_path / "b.npz", (6, 6, 3))


def test_unlabelled_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file or folder"):
        load_unlabelled(tmp_path / "absent", (4, 4, 1))
    with pytest.raises(DataError, match="holds no images"):
        load_unlabelled(tmp_path, (4, 4, 1))
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match="neither an image"):
        load_unlabelled(tmp_path / "a.txt", (4, 4, 1))
    (tmp_path / "a.png").write_text("x")
    with pytest.raises(DataError, match=r"a\.png cannot be read"):
        load_unlabelled(tmp_path, (4, 4, 1))
    with pytest.raises(DataError, match="the model takes 2 channels"):
        load_unlabelled(tmp_path / "a.png", (4, 4, 2))
    np.savez(tmp_path / "a.npz", labels=LABELS)
    with pytest.raises(DataError, match="must hold images"):
        load_unlabelled(tmp_path / "a.npz", (4, 4, 1))
