"""Image data of .npz files, and the tidying of raw arrays into (n, h, w, c) and class indices."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from .brightness import Span, white_of
from .data import ImageData, Images, Labels, not_finite

# names of images and labels, in lower case, as published sets use them
_ALL = (
    *(("images", "labels"), ("image", "label"), ("imgs", "labels"), ("x", "y"), ("data", "labels"), ("data", "target")),
    *(("images", "target"), ("features", "labels"), ("features", "targets")),
)
_TRAIN = (("x_train", "y_train"), ("train_images", "train_labels"), ("train_x", "train_y"))
_VALIDATION = tuple(
    pair
    for word in ("val", "valid", "validation", "dev")
    for pair in ((f"x_{word}", f"y_{word}"), (f"{word}_images", f"{word}_labels"), (f"{word}_x", f"{word}_y"))
)
_TEST = (("x_test", "y_test"), ("test_images", "test_labels"), ("test_x", "test_y"))
_IMAGES = ("images", "image", "imgs", "x", "data", "features", "x_test", "test_images", "test_x")
_TRAIN_IMAGES = ("x_train", "train_images", "train_x")
_NAMES = ("classes", "class_names", "label_names")

_SAVE = "save it again with numpy.savez_compressed(path, images=..., labels=...)"

Arrays = dict[str, NDArray[Any]]


def load(path: Path, skip_broken: bool = False) -> ImageData:
    """The data set of an .npz file: images and labels, or x and y, or x_train, y_train and x_test, y_test.

    Two arrays of other names will do if one is of images and the other of labels. A validation part, if there, is used
    as it is. A key `classes` may name the classes.

    Raises:
        DataError: not such a file, or what is in it does not match.
    """
    stored, objects = _read(path)
    notes: list[str] = []
    main = _pair(stored, _ALL + _TRAIN)
    if main is None:
        main = _guessed(stored)
        if main is not None:
            notes.append(f"the key {main[0]} is taken for the images, {main[1]} for their labels")
    if main is None:
        listed = ", ".join(f"{key} {stored[key].shape}" for key in stored) or "(none)"
        raise DataError(
            f"{path} holds the keys {listed}{_objects(objects)}: it must hold images and labels "
            "(or x and y, or x_train, y_train, x_test and y_test)"
        )
    pairs = [main, _pair(stored, _VALIDATION), _pair(stored, _TEST)]
    given = next((stored[key].ravel() for key in _NAMES if key in stored), None)
    parts = [None if pair is None else _part(stored, pair, str(path), skip_broken, notes) for pair in pairs]
    assert parts[0] is not None
    images, raw = parts[0]
    labels, classes = _index(raw, given, str(path))
    values = np.arange(len(classes)) if given is not None else np.unique(raw)
    held: list[tuple[Images, Labels] | None] = []
    for part, pair in zip(parts[1:], pairs[1:], strict=True):
        if part is None or pair is None:
            held.append(None)
            continue
        held.append(_held(part, values, f"{path}, key {pair[1]}"))
    span = Span.of(images)
    white = white_of(span)
    if white not in (1.0, 255.0):
        notes.append(f"pixel values go up to {span.high:g}: {white:g} is taken for full brightness")
    return ImageData(images, labels, classes, str(path), held[1], white=white, validation=held[0], notes=tuple(notes))


def _part(
    stored: Arrays, pair: tuple[str, str], name: str, skip_broken: bool, notes: list[str]
) -> tuple[Images, NDArray[Any]]:
    """Images and labels of one part; what was left out goes to `notes`."""
    x, y = pair
    raw_images, raw = stored[x], _labels(stored[y], f"{name}, key {y}", stored[x])
    if raw_images.ndim == 0 or len(raw_images) != len(raw):
        hint = ""
        if raw_images.ndim > 2 and raw_images.shape[-1] == len(raw):
            hint = f" (the images lie along the last axis: save numpy.moveaxis({x}, -1, 0))"
        n = len(raw_images) if raw_images.ndim else 0
        raise DataError(f"{name}: {x} has {n} images but {y} has {len(raw)} labels: each image needs exactly one{hint}")
    images = as_images(raw_images, f"{name}, key {x}")
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        if not skip_broken:
            raise DataError(
                f"{name}, key {x}: {not_finite(images)}: repair or remove them, or leave them out with "
                "skip_broken=True (--skip-broken)"
            )
        good = np.isfinite(images).all(axis=(1, 2, 3))
        notes.append(f"left out: {x}: {not_finite(images)}")
        images, raw = images[good], raw[good]
    return images, raw


def _held(part: tuple[Images, NDArray[Any]], values: NDArray[Any], where: str) -> tuple[Images, Labels]:
    """A held-out part with labels as indices of the classes."""
    images, raw = part
    if raw.dtype.kind != values.dtype.kind:
        raise DataError(
            f"{where}: labels of type {raw.dtype}, but {values.dtype} in the training part: make them alike"
        )
    unknown = np.setdiff1d(raw, values)
    if len(unknown):
        raise DataError(f"{where} holds {unknown[0]}, a class that the training part lacks: remove it")
    return images, np.searchsorted(values, raw).astype(np.int64)


def read_images(path: Path, shape: tuple[int, int, int] | None = None) -> NDArray[Any]:
    """The images alone of an .npz or .npy file, (n, h, w, c); of several under known keys, the test images first.

    Args:
        path: of the file.
        shape: (h, w, c) of a model; see `as_batch`.

    Raises:
        DataError: not such a file, no such key, no images, values that are not finite.
    """
    if path.suffix.lower() == ".npy":
        key, raw = "the array", _read_npy(path)
    else:
        stored, objects = _read(path)
        found = next((k for k in (*_IMAGES, *_TRAIN_IMAGES) if k in stored), None)
        if found is None:
            candidates = [k for k, array in stored.items() if array.ndim >= 3 and array.dtype.kind in "buif"]
            found = candidates[0] if len(candidates) == 1 else None
        if found is None:
            listed = ", ".join(stored) or "(none)"
            raise DataError(f"{path} holds the keys {listed}{_objects(objects)}: it must hold images (or x)")
        key, raw = f"key {found}", stored[found]
    return as_batch(raw, f"{path}, {key}", shape)


def _read(path: Path) -> tuple[Arrays, list[str]]:
    """The arrays of an .npz file by name, in lower case, and the names of those that are Python objects."""
    with path.open("rb") as file:
        head = file.read(6)
    if not head:
        raise DataError(f"{path} is empty: {_SAVE}")
    if head == b"\x93NUMPY":
        raise DataError(f"{path} cannot be read as an .npz file: it is a single array, an .npy file by another name")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} cannot be read as an .npz file: it is not one, or it is cut short; {_SAVE}")
    stored: Arrays = {}
    objects: list[str] = []
    try:
        with np.load(path, allow_pickle=False) as file:
            keys = list(file.files)
            for key in keys:
                try:
                    array = file[key]
                except ValueError as error:
                    if "Object" not in str(error):
                        raise
                    objects.append(key)
                    continue
                if isinstance(array, np.ndarray):  # others are files that are not arrays
                    stored[key.lower()] = array
    except (OSError, ValueError, EOFError, TypeError, KeyError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as an .npz file, it is damaged or cut short; {_SAVE}") from error
    twice = [key for key in keys if key != key.lower() and key.lower() in keys]
    if twice:
        raise DataError(f"{path} holds two keys {twice[0].lower()!r} that differ only in case: remove one")
    return stored, objects


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} cannot be read as an .npy file of numbers: save the images again with numpy.save"
        ) from error


def _objects(keys: list[str]) -> str:
    """What to say of arrays that cannot be read without running what is in them."""
    if not keys:
        return ""
    return (
        f", and arrays of Python objects, which are not read ({', '.join(keys)}: make each a plain array, images of "
        "one size with numpy.stack, labels of numbers or text)"
    )


def _pair(stored: Arrays, pairs: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    return next((pair for pair in pairs if pair[0] in stored and pair[1] in stored), None)


def _guessed(stored: Arrays) -> tuple[str, str] | None:
    """Keys of images and labels where there are two arrays, and one can only be the images."""
    keys = [key for key in stored if key not in _NAMES]
    if len(keys) != 2:
        return None
    x, y = sorted(keys, key=lambda key: -stored[key].ndim)
    one = stored[x].ndim >= 3 and stored[x].dtype.kind in "buif" and 1 <= stored[y].ndim <= 2
    return (x, y) if one and len(stored[x]) == len(stored[y]) else None


def as_batch(raw: NDArray[Any], where: str, shape: tuple[int, int, int] | None = None) -> NDArray[Any]:
    """Raw images without labels as (n, h, w, c), still of their own type.

    Args:
        raw: (n, h, w, c), (n, h, w), (n, c, h, w), one image (h, w, c) or (h, w).
        where: what they are called in messages.
        shape: (h, w, c) of the model, which tells what the axes are where they could be either.

    Raises:
        DataError: none of these, or it cannot be told which; no numbers; no images; NaN or infinity.
    """
    if raw.dtype.kind not in "buif":
        raise DataError(f"{where}: images of type {raw.dtype}: they must be numbers")
    if raw.size == 0:
        raise DataError(f"{where}: there are no images (shape {raw.shape})")
    images = _batch(raw, where, shape)
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise DataError(f"{where}: {not_finite(images)}: repair or remove them")
    return images


def _batch(raw: NDArray[Any], where: str, shape: tuple[int, int, int] | None) -> NDArray[Any]:
    model = None if shape is None else shape[2]
    colours = {1, 3, 4} | ({model} if model else set())
    if raw.ndim == 2:
        if shape is not None and raw.shape[1] == np.prod(shape) and raw.shape != shape[:2]:
            raise DataError(
                f"{where}: shape {raw.shape}: images as flat rows; give them as (n, height, width) or "
                f"(n, height, width, channels), such as images.reshape(-1, {shape[0]}, {shape[1]}, {shape[2]})"
            )
        return raw[None, ..., None]
    if raw.ndim == 3:
        if shape is not None and raw.shape[1:] == shape[:2] and model == 1:
            return raw[..., None]
        last, first = raw.shape[2] in colours, raw.shape[0] in colours and raw.shape[2] not in colours
        if last and shape is not None and raw.shape[1:] == shape[:2]:
            last = raw.shape[0] == shape[0] and raw.shape[2] == model  # images as narrow as a pixel
        if last:
            return raw[None]
        if raw.shape[0] == 1:
            return raw[..., None]  # one grey image either way
        if first:
            n = raw.shape[0]
            raise DataError(
                f"{where}: shape {raw.shape} is one image of {n} channels or {n} grey images: give "
                "(1, height, width, channels) or (n, height, width, 1)"
            )
        return raw[..., None]
    if raw.ndim == 4:
        if shape is not None and raw.shape[1:] == shape:
            return raw
        if shape is not None and raw.shape[1:] == (shape[2], *shape[:2]):
            return raw.transpose(0, 2, 3, 1)
        return _channels_last(raw)
    raise DataError(f"{where}: shape {raw.shape}: images must be (n, h, w) or (n, h, w, channels)")


def _channels_last(raw: NDArray[Any]) -> NDArray[Any]:
    return raw.transpose(0, 2, 3, 1) if raw.shape[3] > 4 and raw.shape[1] <= 4 else raw


def as_images(raw: NDArray[Any], where: str) -> Images:
    """(n, h, w, c) of (n, h, w), (n, h, w, c) or (n, c, h, w); uint8 where whole numbers 0..255, else float32.

    Raises:
        DataError: another shape, or no numbers.
    """
    if raw.dtype.kind not in "buif":
        raise DataError(f"{where}: images of type {raw.dtype}: they must be numbers")
    if raw.ndim == 3:
        raw = raw[..., None]
    elif raw.ndim == 4:
        raw = _channels_last(raw)
    elif raw.ndim == 2:
        side = math.isqrt(raw.shape[1])
        example = f", such as images.reshape(-1, {side}, {side})" if side * side == raw.shape[1] else ""
        raise DataError(f"{where}: shape {raw.shape}: images must be (n, h, w) or (n, h, w, channels){example}")
    if raw.ndim != 4:
        raise DataError(f"{where}: shape {raw.shape}: images must be (n, h, w) or (n, h, w, channels)")
    if raw.dtype.kind == "b" or (raw.dtype.kind in "ui" and raw.size and raw.min() >= 0 and raw.max() <= 255):
        return np.ascontiguousarray(raw, dtype=np.uint8)
    with np.errstate(over="ignore"):  # becomes infinity, which is refused
        return np.ascontiguousarray(raw, dtype=np.float32)


def _labels(raw: NDArray[Any], where: str, images: NDArray[Any]) -> NDArray[Any]:
    """(n,) whole numbers or strings; of one-hot rows, the columns."""
    if raw.ndim == 2 and raw.shape[1] == 1:
        raw = raw[:, 0]
    if raw.ndim == 2 and raw.shape[0] == 1 and images.ndim and raw.shape[1] == len(images):
        raw = raw[0]
    if raw.ndim == 2 and raw.shape[1] > 1 and raw.dtype.kind in "buif":
        if ((raw == 0) | (raw == 1)).all() and (raw.sum(axis=1) == 1).all():
            columns: NDArray[np.int64] = raw.argmax(axis=1).astype(np.int64)
            return columns
        raise DataError(
            f"{where}: labels of shape {raw.shape}: rows of several columns must be one-hot, a single 1 and else 0"
        )
    if raw.ndim != 1:
        raise DataError(f"{where}: labels of shape {raw.shape}: they must be (n,), one class for each image")
    if raw.dtype.kind == "f":
        missing = np.flatnonzero(~np.isfinite(raw))
        if len(missing):
            raise DataError(
                f"{where}: {len(missing)} of {len(raw)} labels are NaN or infinity (first: row {missing[0]}): an image "
                "without a label must be removed"
            )
        if not (raw == np.round(raw)).all():
            raise DataError(f"{where}: labels that are not whole numbers: classes must be whole numbers or strings")
        return raw.astype(np.int64)
    if raw.dtype.kind in "bui":
        if raw.dtype == np.uint64 and raw.max(initial=0) > np.iinfo(np.int64).max:
            raise DataError(f"{where}: labels beyond 2**63 - 1: use smaller numbers or strings")
        return raw.astype(np.int64)
    if raw.dtype.kind == "S":
        return np.array([text.decode("utf-8", "backslashreplace") for text in raw.tolist()], dtype=np.str_)
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
    names = [x.decode("utf-8", "backslashreplace") if isinstance(x, bytes) else str(x) for x in given.tolist()]
    return raw, tuple(names)
