"""Image data of .npz files, and the tidying of raw arrays into (n, h, w, c) and class indices."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from .data import ImageData, Images, Labels

# names of images and labels, in lower case, as published sets use them
_ALL = (("images", "labels"), ("x", "y"), ("data", "labels"), ("data", "target"))
_TRAIN = (("x_train", "y_train"), ("train_images", "train_labels"))
_VALIDATION = (("x_val", "y_val"), ("val_images", "val_labels"))
_TEST = (("x_test", "y_test"), ("test_images", "test_labels"))


def load(path: Path) -> ImageData:
    """The data set of an .npz file: images and labels, or x and y, or x_train, y_train and x_test, y_test.

    A validation part, if there, joins the training part: the split is made anew. A key `classes` may name the classes.

    Raises:
        DataError: not such a file, or what is in it does not match.
    """
    stored = _read(path)
    main = _pair(stored, _ALL + _TRAIN)
    if main is None:
        raise DataError(
            f"{path} holds the keys {', '.join(stored) or '(none)'}: it must hold images and labels "
            "(or x and y, or x_train, y_train, x_test and y_test)"
        )
    parts = [main] + [pair for pair in (_pair(stored, _VALIDATION),) if pair is not None]
    test = _pair(stored, _TEST)
    for x, y in [*parts, *([test] if test else [])]:
        if len(stored[x]) != len(stored[y]):
            raise DataError(
                f"{path}: {x} has {len(stored[x])} images but {y} has {len(stored[y])} labels: "
                "each image needs exactly one"
            )
    images = [as_images(stored[x], f"{path}, key {x}") for x, _ in parts]
    if len({a.shape[1:] for a in images}) > 1:
        raise DataError(f"{path}: the training and validation images differ in shape: bring them to one size")
    raw = [_labels(stored[y], f"{path}, key {y}") for _, y in parts]
    given = stored.get("classes")
    labels, classes = _index(np.concatenate(raw), None if given is None else given.ravel(), str(path))
    if test is None:
        return _made(np.concatenate(images), labels, classes, str(path), None)
    test_images = as_images(stored[test[0]], f"{path}, key {test[0]}")
    test_labels = _labels(stored[test[1]], f"{path}, key {test[1]}")
    values = np.arange(len(classes)) if given is not None else np.unique(np.concatenate(raw))
    unknown = np.setdiff1d(test_labels, values)
    if len(unknown):
        raise DataError(f"{path}: {test[1]} holds {unknown[0]}, a class that the training part lacks: remove it")
    return _made(
        np.concatenate(images), labels, classes, str(path), (test_images, np.searchsorted(values, test_labels))
    )


def read_images(path: Path) -> Images:
    """The images alone of an .npz file, under any of the known keys; of several, the test images first.

    Raises:
        DataError: not such a file, no such key, no images, values that are not finite.
    """
    stored = _read(path)
    keys = ("images", "x", "data", "x_test", "test_images", "x_train", "train_images")
    key = next((key for key in keys if key in stored), None)
    if key is None:
        raise DataError(f"{path} holds the keys {', '.join(stored) or '(none)'}: it must hold images (or x)")
    images = as_images(stored[key], f"{path}, key {key}")
    if images.size == 0:
        raise DataError(f"{path}: {key} holds no images")
    if not np.isfinite(images).all():
        raise DataError(f"{path}: {key} holds NaN or infinity: repair or remove these images")
    return images


def _made(
    images: Images, labels: Labels, classes: tuple[str, ...], name: str, test: tuple[Images, Labels] | None
) -> ImageData:
    return ImageData(images, labels, classes, name, test, white_of(images))


def white_of(images: Images) -> float:
    """The pixel value of full brightness, by the largest there is: 1 up to 1, 255 from 128 to 255, else itself."""
    top = float(np.max(images, initial=0))
    if top <= 1:
        return 1.0
    return 255.0 if 127 < top <= 255 else top


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file by name, in lower case."""
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty: save it again with numpy.savez_compressed(path, images=..., labels=...)")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key.lower(): file[key] for key in file.files}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} cannot be read as an .npz file of plain arrays ({error}): "
            "save it again with numpy.savez_compressed, numbers and strings only"
        ) from error


def _pair(stored: dict[str, NDArray[Any]], pairs: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    return next((pair for pair in pairs if pair[0] in stored and pair[1] in stored), None)


def as_images(raw: NDArray[Any], where: str) -> Images:
    """(n, h, w, c) of (n, h, w), (n, h, w, c) or (n, c, h, w); uint8 where whole numbers 0..255, else float32.

    Raises:
        DataError: another shape, or no numbers.
    """
    if raw.dtype.kind not in "buif":
        raise DataError(f"{where}: images of type {raw.dtype}: they must be numbers")
    if raw.ndim == 3:
        raw = raw[..., None]
    elif raw.ndim == 4 and raw.shape[3] > 4 and raw.shape[1] <= 4:
        raw = raw.transpose(0, 2, 3, 1)
    if raw.ndim != 4:
        raise DataError(f"{where}: shape {raw.shape}: images must be (n, h, w) or (n, h, w, channels)")
    if raw.dtype.kind == "b" or (raw.dtype.kind in "ui" and raw.size and raw.min() >= 0 and raw.max() <= 255):
        return np.ascontiguousarray(raw, dtype=np.uint8)
    return np.ascontiguousarray(raw, dtype=np.float32)


def _labels(raw: NDArray[Any], where: str) -> NDArray[Any]:
    """(n,) whole numbers or strings."""
    if raw.ndim == 2 and raw.shape[1] == 1:
        raw = raw[:, 0]
    if raw.ndim != 1:
        raise DataError(f"{where}: labels of shape {raw.shape}: they must be (n,), one class for each image")
    if raw.dtype.kind == "f":
        if not (np.isfinite(raw).all() and (raw == np.round(raw)).all()):
            raise DataError(f"{where}: labels that are not whole numbers: classes must be whole numbers or strings")
        return raw.astype(np.int64)
    if raw.dtype.kind in "bui":
        return raw.astype(np.int64)
    if raw.dtype.kind == "U":
        return raw
    raise DataError(f"{where}: labels of type {raw.dtype}: they must be whole numbers or strings")


def _index(raw: NDArray[Any], given: NDArray[Any] | None, where: str) -> tuple[Labels, tuple[str, ...]]:
    """Class indices of raw labels, and the names of the classes."""
    if given is None:
        values, inverse = np.unique(raw, return_inverse=True)
        return inverse.astype(np.int64), tuple(str(x) for x in values)
    if raw.dtype.kind != "i" or (len(raw) and (raw.min() < 0 or raw.max() >= len(given))):
        raise DataError(f"{where}: with the key classes, labels must be whole numbers from 0 to {len(given) - 1}")
    return raw, tuple(str(x) for x in given)
