"""The stratified split into training, validation and a sealed test set, and normalisation by the training part."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import DataError
from ...train import Tensors
from ..sealed import SealedTest
from .data import ImageData, Images, Labels
from .pixels import Reading

_CHUNK = 4096  # images that are held as float64 at once


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of every channel, in pixel values.

    >>> import numpy as np
    >>> from luthier.tasks.image import Normalization
    >>> Normalization.of(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1))
    Normalization(mean=(127.5,), std=(127.5,))
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @staticmethod
    def of(images: Images) -> Normalization:
        """Those of images (n, h, w, c); a channel that never varies gets the deviation 1."""
        count = int(np.prod(images.shape[:3]))
        mean = sum(part.sum(axis=(0, 1, 2), dtype=np.float64) for part in _chunks(images)) / count
        square = sum(((part - mean) ** 2).sum(axis=(0, 1, 2)) for part in _chunks(images)) / count
        std = np.sqrt(np.asarray(square))
        return Normalization(
            tuple(np.asarray(mean).tolist()), tuple(np.where(std > 1e-8 * (1 + np.abs(mean)), std, 1.0).tolist())
        )

    def __call__(self, images: Images) -> torch.Tensor:
        """(n, c, h, w) float32 of images (n, h, w, c)."""
        out = np.empty((len(images), images.shape[3], *images.shape[1:3]), dtype=np.float32)
        for c, (mean, std) in enumerate(zip(self.mean, self.std, strict=True)):
            np.subtract(images[..., c], np.float32(mean), out=out[:, c], dtype=np.float32)
            out[:, c] /= np.float32(std)
        return torch.from_numpy(out)


def _chunks(images: Images) -> list[Images]:
    return [images[i : i + _CHUNK] for i in range(0, len(images), _CHUNK)]


@dataclass(frozen=True, eq=False)
class Prepared:
    """Data that is ready to train on.

    >>> from luthier.tasks.image import load_images, prepare
    >>> prepared = prepare(load_images("digits"))
    >>> prepared.shape, prepared.train.inputs.shape
    ((1, 8, 8), torch.Size([1077, 1, 8, 8]))

    Attributes:
        train, validation: normalised inputs (n, c, h, w) float32 and targets (n,) int64.
        sealed: the test set.
        normalization: mean and deviation of the training part alone.
        classes: names of the classes.
        shape: (c, h, w) of one input.
        white: the pixel value of full brightness in the images as loaded.
        name: what the data set is called.
        low: the least pixel value of the training part.
        reading: how image files became these pixel values.
        notes: what the user should know of the data and its parts.
    """

    train: Tensors
    validation: Tensors
    sealed: SealedTest[Tensors]
    normalization: Normalization
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    white: float
    name: str
    low: float = 0.0
    reading: Reading = field(default_factory=Reading)
    notes: tuple[str, ...] = ()


def prepare(
    data: ImageData,
    seed: int = 0,
    validation: float = 0.2,
    test: float = 0.2,
    limit: int | None = None,
    marker: str | Path | None = None,
) -> Prepared:
    """Split by class and by seed, and normalise.

    >>> from luthier.tasks.image import load_images, prepare
    >>> prepared = prepare(load_images("digits"), seed=3)
    >>> len(prepared.train), len(prepared.validation), len(prepared.sealed)
    (1077, 360, 360)

    Images with the same pixels never are in two parts: of a split that is made here, copies go where the first of them
    goes; of parts that came with the data, the sealed test set keeps its copies, then the validation part.

    Args:
        data: what to split. A test part that came with it is the sealed test set, and `test` is unused; a validation
            part that came with it is used as it is, and `validation` is unused.
        seed: decides who goes where.
        validation: its share of all images that no test part holds.
        test: share of the sealed test set.
        limit: at most this many images to train and validate on; the sealed test set stays whole.
        marker: see `SealedTest`.

    Raises:
        DataError: a share, the seed or the limit is out of range, or a class has too few images to be in every part.
    """
    check_split(seed, validation, test, limit)
    parts = [data.images, *(held[0] for held in (data.validation, data.test) if held is not None)]
    groups = group_copies(*parts)
    rows, group = np.arange(len(data.labels)), groups[0]
    notes = list(data.notes)
    if data.test is not None:
        sealed = data.test
        rows = _without(rows, group, groups[-1], data, "training", "the sealed test set", notes)
    else:
        left = 1 - test if data.validation is not None else 1 - test - validation
        if left <= 0:
            raise DataError(f"validation={validation} and test={test} leave nothing to train on: lower them")
        rows, test_rows = _cut(data, rows, group, test, seed)
        sealed = data.images[test_rows], data.labels[test_rows]
        validation = validation / (1 - test)
    if data.validation is not None:
        held_images, held_labels = data.validation
        held_group, held_rows = groups[1], np.arange(len(held_labels))
        test_group = groups[2] if data.test is not None else group[test_rows]
        held_rows = _without(held_rows, held_group, test_group, data, "validation", "the sealed test set", notes)
        rows = _without(rows, group, held_group[held_rows], data, "training", "the validation part", notes)
        notes += _small(held_rows, rows)
        if limit is not None and limit < len(rows) + len(held_rows):
            held_limit = max(1, round(limit * len(held_rows) / (len(rows) + len(held_rows))))
            rows = _limited(data, data.labels, rows, limit - held_limit, seed)
            held_rows = _limited(data, held_labels, held_rows, held_limit, seed)
        train_rows, validated = rows, (held_images[held_rows], held_labels[held_rows])
    else:
        if limit is not None:
            rows = _limited(data, data.labels, rows, limit, seed)
        train_rows, validation_rows = _cut(data, rows, group, validation, seed)
        validated = data.images[validation_rows], data.labels[validation_rows]
    notes += _copies(data, group)
    images = data.images[train_rows]
    normalization = Normalization.of(images)
    assert data.white is not None  # it is set when the data is made
    return Prepared(
        _tensors(normalization, images, data.labels[train_rows]),
        _tensors(normalization, *validated),
        SealedTest(partial(_tensors, normalization, *sealed), len(sealed[1]), what="images", marker=marker),
        normalization,
        data.classes,
        (data.images.shape[3], *data.images.shape[1:3]),
        data.white,
        data.name,
        float(images.min(initial=0)),
        data.reading,
        tuple(notes),
    )


def _tensors(normalization: Normalization, images: Images, labels: Labels) -> Tensors:
    """Inputs and targets of images (n, h, w, c)."""
    return Tensors(normalization(images), torch.from_numpy(labels.astype(np.int64)))


def check_split(seed: int, validation: float, test: float, limit: int | None) -> None:
    """Raise unless these can decide a split.

    Raises:
        DataError: one is out of range.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise DataError(f"seed={seed!r}: a seed is a whole number from 0 to 2**32 - 1")
    for name, share in (("validation", validation), ("test", test)):
        if not isinstance(share, int | float | np.number) or not 0 < share < 1:
            raise DataError(f"{name}={share!r}: a share lies between 0 and 1, such as 0.2")
    if limit is not None and (not isinstance(limit, int | np.integer) or limit < 4):
        raise DataError(f"limit={limit!r}: give a whole number of images to learn from, 4 at least")


def group_copies(*parts: Images) -> list[NDArray[np.int64]]:
    """For each part, the number (n,) of every image's group: images with the same pixels are in one, across parts."""
    seen: dict[bytes, int] = {}
    return [np.array([seen.setdefault(_digest(x), len(seen)) for x in part], dtype=np.int64) for part in parts]


def _digest(image: Images) -> bytes:
    """The same for equal values of any type, as parts of one data set may be stored in several types."""
    values = image.astype(np.float32) + np.float32(0)  # -0.0 becomes 0.0
    return hashlib.blake2b(values.tobytes(), digest_size=16).digest()


def _without(
    rows: Labels, group: Labels, other: Labels, data: ImageData, part: str, where: str, notes: list[str]
) -> Labels:
    """The rows of a part that are not copies of images in another part."""
    copies = np.isin(group[rows], other)
    n = int(copies.sum())
    if n == len(rows):
        raise DataError(f"{data.name}: every image of the {part} part is also in {where}: give other images")
    if part == "training":
        lost = np.setdiff1d(data.labels[rows], data.labels[rows[~copies]])
        if len(lost):
            raise DataError(
                f"{data.name}: every training image of class {data.classes[lost[0]]!r} is also in {where}: give other "
                "images of it"
            )
    if n:
        what = "1 image is an exact copy" if n == 1 else f"{n} images are exact copies"
        notes.append(f"in the {part} part, {what} of images in {where}: left out of the {part} part")
    return rows[~copies]


def _copies(data: ImageData, group: Labels) -> list[str]:
    """Notes on copies within the training images."""
    first = np.unique(group, return_index=True)[1]
    n = len(group) - len(first)
    if not n:
        return []
    what = "1 image is an exact copy of another" if n == 1 else f"{n} images are exact copies of others"
    notes = [f"{what}: copies are kept in one part, so that none is trained on and tested on too"]
    majority = np.empty(int(group.max()) + 1, dtype=np.int64)
    majority[group[first]] = data.labels[first]
    odd = np.flatnonzero(data.labels != majority[group])
    if len(odd):
        row = int(odd[0])
        names = data.classes[majority[group[row]]], data.classes[data.labels[row]]
        notes.append(
            f"{len(odd)} of these copies {'is' if len(odd) == 1 else 'are'} of another class than the first, such as "
            f"{names[0]!r} and {names[1]!r}: check their labels"
        )
    return notes


def _small(held: Labels, rows: Labels) -> list[str]:
    """A note if a given validation part is too small to choose by."""
    if len(held) >= 50 or len(held) >= 0.05 * len(rows):
        return []
    return [
        f"the validation part holds only {len(held)} images, so its accuracy moves in steps of {1 / len(held):.1%}: "
        "move it elsewhere, and a part of the training images takes its place"
    ]


def _limited(data: ImageData, labels: Labels, rows: Labels, limit: int, seed: int) -> Labels:
    """At most `limit` of the rows, every class among them."""
    return rows if limit >= len(rows) else _stratified(data, labels, rows, len(rows) - limit, seed)[0]


def _cut(data: ImageData, rows: Labels, group: Labels, held: float, seed: int) -> tuple[Labels, Labels]:
    """Rows that stay and rows that are held out, every class in both and no copies across."""
    first = np.sort(np.unique(group[rows], return_index=True)[1])
    lost = np.setdiff1d(data.labels[rows], data.labels[rows[first]])
    if len(lost):
        raise DataError(
            f"{data.name}: every image of class {data.classes[lost[0]]!r} is an exact copy of one of another class: "
            "correct the labels"
        )
    stay, out = _stratified(data, data.labels, rows[first], held, seed, len(first) < len(rows))
    if len(first) == len(rows):
        return stay, out
    held_out = np.isin(group[rows], group[out])
    return rows[~held_out], rows[held_out]


def _stratified(
    data: ImageData, all_labels: Labels, rows: Labels, held: float | int, seed: int, distinct: bool = False
) -> tuple[Labels, Labels]:
    """Rows that stay and rows that are held out, every class in both."""
    from sklearn.model_selection import train_test_split

    labels = all_labels[rows]
    try:
        stay, out = train_test_split(rows, test_size=held, random_state=int(seed), stratify=labels)
    except ValueError as error:
        raise _too_few(data, labels, distinct) from error
    present = np.unique(labels)
    if any(len(np.unique(all_labels[part])) < len(present) for part in (stay, out)):
        raise _too_few(data, labels, distinct)
    return np.sort(stay), np.sort(out)


def _too_few(data: ImageData, labels: NDArray[np.int64], distinct: bool) -> DataError:
    values, counts = np.unique(labels, return_counts=True)
    rare, kind = int(values[np.argmin(counts)]), "different images" if distinct else "images"
    return DataError(
        f"{data.name}: class {data.classes[rare]!r} has {counts.min()} of {len(labels)} {kind}, too few to be in the "
        "training, the validation and the test part: add images of it, remove it, or hold out larger shares"
    )
