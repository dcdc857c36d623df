"""Arrays of every habit become images and classes, or an error that names the key and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from luthier.errors import DataError
from luthier.tasks.image import ImageData, ImageTask, load_images, load_unlabelled

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def loaded(path: Path, skip_broken: bool = False, **arrays: Any) -> ImageData:
    np.savez(path / "a.npz", **arrays)
    return load_images(path / "a.npz", skip_broken=skip_broken)


@pytest.mark.parametrize(
    ("x", "y"),
    [("arr_0", "arr_1"), ("pictures", "kinds"), ("label_array", "faces"), ("imgs", "labels"), ("image", "label")],
)
def test_two_arrays_of_any_names(tmp_path: Path, x: str, y: str) -> None:
    data = loaded(tmp_path, **{x: IMAGES, y: LABELS})
    np.testing.assert_array_equal(data.images, IMAGES)
    if x in ("arr_0", "pictures", "label_array"):
        assert data.notes == (f"the key {x} is taken for the images, {y} for their labels",)


def test_several_arrays_of_unknown_names_are_listed(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"holds the keys a \(6, 5, 4, 3\), b \(6,\), c \(2,\): it must hold images and"
    ):
        loaded(tmp_path, a=IMAGES, b=LABELS, c=[1, 2])
    with pytest.raises(DataError, match=r"two keys 'x' that differ only in case"):
        loaded(tmp_path, x=IMAGES, X=IMAGES, y=LABELS)


@pytest.mark.parametrize("word", ["val", "valid", "validation", "dev"])
def test_a_validation_part_is_used_as_it_is(tmp_path: Path, word: str) -> None:
    many = RNG.integers(0, 256, (60, 5, 4, 3), dtype=np.uint8)
    arrays = {"x_train": many, "y_train": np.arange(60) % 3, f"x_{word}": IMAGES, f"y_{word}": LABELS}
    np.savez(tmp_path / "a.npz", **arrays)
    prepared = ImageTask(tmp_path / "a.npz").prepared
    assert (len(prepared.train), len(prepared.validation), len(prepared.sealed)) == (48, 6, 12)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (LABELS.astype(np.float32), ("0", "1", "2")),
        (LABELS[:, None], ("0", "1", "2")),
        (LABELS[None], ("0", "1", "2")),
        (LABELS * 7 - 7, ("-7", "0", "7")),
        (LABELS.astype(np.uint64), ("0", "1", "2")),
        (np.eye(3)[LABELS], ("0", "1", "2")),
        (np.eye(3, dtype=bool)[LABELS], ("0", "1", "2")),
        (np.array(["ä", "b", "c"])[LABELS], ("b", "c", "ä")),
        (np.array([b"a", b"b", b"c"])[LABELS], ("a", "b", "c")),
        (LABELS > 0, ("0", "1")),
    ],
)
def test_labels_of_every_habit(tmp_path: Path, labels: np.ndarray, classes: tuple[str, ...]) -> None:
    data = loaded(tmp_path, x=IMAGES, y=labels)
    assert data.classes == classes
    assert data.labels.shape == (6,)
    assert data.labels.dtype == np.int64
    expected = np.array([1, 2, 0]) if "ä" in classes and classes[0] == "b" else None
    same = data.labels[:, None] == data.labels[None, :]
    raw = LABELS > 0 if len(classes) == 2 else LABELS
    np.testing.assert_array_equal(same, raw[:, None] == raw[None, :])
    assert expected is None or data.labels[LABELS == 0].tolist() == [2, 2]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": np.where(LABELS == 1, np.nan, LABELS)}, r"key y: 2 of 6 labels are NaN or infinity \(first: row 1\)"),
        ({"y": LABELS[:4]}, r"x has 6 images but y has 4 labels"),
        ({"y": LABELS / 2}, r"not whole numbers"),
        ({"y": np.eye(3)[LABELS] * 0.5}, r"must be one-hot"),
        ({"y": np.zeros(6, int)}, r"all 6 images are of one class"),
        ({"y": LABELS.astype("datetime64[D]")}, r"labels of type datetime64"),
        ({"y": np.array([2**63 + i for i in range(6)], np.uint64)}, r"labels beyond 2\*\*63"),
        ({"x": np.moveaxis(IMAGES, 0, -1)}, r"the images lie along the last axis: save numpy\.moveaxis\(x, -1, 0\)"),
        ({"x": IMAGES.reshape(6, -1)}, r"shape \(6, 60\): images must be \(n, h, w\)"),
        ({"x": np.zeros((6, 64))}, r"such as images\.reshape\(-1, 8, 8\)"),
        ({"x": IMAGES.astype(complex)}, r"images of type complex128: they must be numbers"),
        ({"x": np.full((6, 4, 4), 1e300)}, r"6 of 6 images hold NaN or infinity"),
        ({"x": np.array(5)}, r"x has 0 images but y has 6 labels"),
        (
            {"x_test": IMAGES / 255, "y_test": LABELS},
            r"npz \(test part\): pixel values run from 0 to 1, in the training part",
        ),
        ({"x_test": IMAGES, "y_test": LABELS.astype(str)}, r"key y_test: labels of type <U\d+, but int64 in the"),
        ({"x_test": IMAGES[:, :3], "y_test": LABELS}, r"the test images have the shape"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        loaded(tmp_path, **({"x": IMAGES, "y": LABELS} | arrays))


@pytest.mark.parametrize("key", ["x", "y"])
def test_arrays_of_objects_get_advice_that_is_safe(tmp_path: Path, key: str) -> None:
    ragged = np.empty(6, object)
    ragged[:] = [np.zeros((i + 1, 2)) for i in range(6)]
    with pytest.raises(
        DataError, match=rf"arrays of Python objects, which are not read \({key}: make each a plain"
    ) as e:
        loaded(tmp_path, **({"x": IMAGES, "y": LABELS} | {key: ragged}))
    assert "allow_pickle" not in str(e.value)
    with pytest.raises(DataError, match=r"arrays of Python objects|hold images") as e:
        load_unlabelled(tmp_path / "a.npz", (5, 4, 3)) if key == "x" else loaded(tmp_path, only=ragged)
    assert "allow_pickle" not in str(e.value)


def test_an_object_array_that_is_not_needed_does_no_harm(tmp_path: Path) -> None:
    data = loaded(tmp_path, x=IMAGES, y=LABELS, meta=np.array({"a": 1}, object))
    np.testing.assert_array_equal(data.images, IMAGES)


@pytest.mark.parametrize(
    "content", [b"garbage", b"\x80\x04]q\x00.", b"PK\x03\x04 cut", b"", b"\x93NUMPY\x01\x00", "cut"]
)
def test_garbage_gets_no_advice_to_unpickle(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=IMAGES, y=LABELS)
    if isinstance(content, str):
        raw = bytearray(path.read_bytes())
        raw[60:120] = bytes(60)  # a whole archive with a damaged member
        path.write_bytes(bytes(raw))
    else:
        path.write_bytes(content)
    for read in (load_images, lambda p: load_unlabelled(p, (5, 4, 3))):
        with pytest.raises(DataError, match=r"a\.npz (is empty|cannot be read as an \.npz file)") as caught:
            read(path)
        assert "pickle" not in str(caught.value)


def test_images_with_nan_are_left_out_on_request(tmp_path: Path) -> None:
    images = RNG.random((6, 5, 4))
    images[[1, 3], 0, 0] = np.nan
    with pytest.raises(DataError, match=r"2 of 6 images hold NaN or infinity \(rows 1, 3\): .*--skip-broken"):
        loaded(tmp_path, x=images, y=LABELS)
    data = loaded(tmp_path, True, x=images, y=LABELS)
    assert data.labels.tolist() == [0, 2, 1, 2]
    assert data.notes == ("left out: x: 2 of 6 images hold NaN or infinity (rows 1, 3)",)


def test_gaps_between_classes_and_one_hot_tests(tmp_path: Path) -> None:
    data = loaded(tmp_path, x=IMAGES, y=LABELS * 4, x_test=IMAGES[:2] + 1, y_test=[8, 0])
    assert (data.classes, data.labels.tolist()) == (("0", "4", "8"), LABELS.tolist())
    assert data.test is not None
    assert data.test[1].tolist() == [2, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 64}, r"size=64: give height and width, such as size=\(64, 64\)"),
        ({"size": (0, 4)}, r"size=\(0, 4\): give height and width"),
        ({"size": (4.5, 4)}, r"size=\(4\.5, 4\): give"),
        ({"seed": -1}, r"seed=-1: a seed is a whole number from 0 to 2\*\*32 - 1"),
        ({"seed": 2**32}, r"seed=4294967296: a seed is"),
        ({"seed": 1.5}, r"seed=1\.5: a seed is"),
        ({"limit": 0}, r"limit=0: give a whole number of images"),
        ({"validation": "0.2"}, r"validation='0\.2': a share lies between 0 and 1"),
        ({"test": float("nan")}, r"test=nan: a share lies"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ImageTask("digits", **options)


@pytest.mark.parametrize("source", [IMAGES, (IMAGES, LABELS), None, 7, "", "  "])
def test_sources_that_are_none(source: Any) -> None:
    for use in (ImageTask, load_images, lambda s: load_unlabelled(s, (4, 4, 1))):
        with pytest.raises(DataError, match="images are given as a name, a path or an ImageData, not as"):
            use(source)


def test_an_archive_is_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"photos\.zip is neither a folder nor an \.npz file: unpack it, and give"):
        load_images(tmp_path / "photos.zip")
