"""The stratified split into training, validation and a sealed test set, and normalisation by the training part."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import DataError, SealBroken
from ...train import Tensors
from .data import ImageData, Images, Labels

_CHUNK = 4096  # images that are held as float64 at once


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of every channel, in pixel values."""

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


class SealedTest:
    """The test set, which comes out once, for a stated reason, and says so ever after.

    Args:
        images, labels: the test set, as loaded.
        normalization: the training part's.
        marker: a file that records each opening, as lines of JSON with time and reason, so that the seal holds
            across processes; None to record in this object alone.
    """

    def __init__(
        self, images: Images, labels: Labels, normalization: Normalization, marker: str | Path | None = None
    ) -> None:
        self._images = images
        self._labels = labels
        self._normalization = normalization
        self.marker = None if marker is None else Path(marker)
        self._reasons: list[str] = []

    def __len__(self) -> int:
        return len(self._labels)

    def __repr__(self) -> str:
        return f"SealedTest({len(self)} images, {'opened' if self.is_open else 'sealed'})"

    @property
    def is_open(self) -> bool:
        """Whether it was ever opened."""
        return bool(self._reasons) or (self.marker is not None and self.marker.exists())

    def marked(self, marker: str | Path | None) -> SealedTest:
        """The same test set, sealed, recorded in that file."""
        return SealedTest(self._images, self._labels, self._normalization, marker)

    def open(self, reason: str, again: bool = False) -> Tensors:
        """The test set, normalised as the training part.

        Args:
            reason: what it is opened for; recorded.
            again: open it though it was opened before. What is measured then is no longer unseen.

        Raises:
            SealBroken: it was opened before, and `again` is False.
        """
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="seconds"), "reason": reason})
        if self._reasons and not again:
            raise _broken("in this process", self._reasons[-1])
        if self.marker is not None:
            self.marker.parent.mkdir(parents=True, exist_ok=True)
            try:
                with self.marker.open("a" if again else "x", encoding="utf-8") as file:  # "x": one process wins
                    file.write(line + "\n")
            except FileExistsError:
                raise _broken(f"as {self.marker} records", self.marker.read_text(encoding="utf-8").strip()) from None
        self._reasons.append(reason)
        return Tensors(self._normalization(self._images), torch.from_numpy(self._labels.astype(np.int64)))


def _broken(where: str, what: str) -> SealBroken:
    return SealBroken(
        f"the sealed test set was opened already, {where} ({what}): a second look makes its result too good; "
        "pass again=True only if the first look decided nothing"
    )


@dataclass(frozen=True, eq=False)
class Prepared:
    """Data that is ready to train on.

    Attributes:
        train, validation: normalised inputs (n, c, h, w) float32 and targets (n,) int64.
        sealed: the test set.
        normalization: mean and deviation of the training part alone.
        classes: names of the classes.
        shape: (c, h, w) of one input.
        white: the pixel value of full brightness in the images as loaded.
        name: what the data set is called.
    """

    train: Tensors
    validation: Tensors
    sealed: SealedTest
    normalization: Normalization
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    white: float
    name: str


def prepare(
    data: ImageData,
    seed: int = 0,
    validation: float = 0.2,
    test: float = 0.2,
    limit: int | None = None,
    marker: str | Path | None = None,
) -> Prepared:
    """Split by class and by seed, and normalise.

    Args:
        data: what to split. A test part that came with it is the sealed test set, and `test` is unused.
        seed: decides who goes where.
        validation: its share of all images that no test part holds.
        test: share of the sealed test set.
        limit: at most so many images to train and validate on; the sealed test set stays whole.
        marker: see `SealedTest`.

    Raises:
        DataError: a share is out of range, or a class has too few images to be in every part.
    """
    for name, share in (("validation", validation), ("test", test)):
        if not 0 < share < 1:
            raise DataError(f"{name}={share}: a share lies between 0 and 1, such as 0.2")
    rows: Labels = np.arange(len(data.labels))
    if data.test is not None:
        test_images, test_labels = data.test
        share = validation
    else:
        if validation + test >= 1:
            raise DataError(f"validation={validation} and test={test} leave nothing to train on: lower them")
        rows, test_rows = _cut(data, rows, test, seed)
        test_images, test_labels = data.images[test_rows], data.labels[test_rows]
        share = validation / (1 - test)
    if limit is not None and limit < len(rows):
        rows, _ = _cut(data, rows, len(rows) - limit, seed)
    train_rows, validation_rows = _cut(data, rows, share, seed)
    images = data.images[train_rows]
    normalization = Normalization.of(images)
    return Prepared(
        Tensors(normalization(images), _targets(data, train_rows)),
        Tensors(normalization(data.images[validation_rows]), _targets(data, validation_rows)),
        SealedTest(test_images, test_labels, normalization, marker),
        normalization,
        data.classes,
        (data.images.shape[3], *data.images.shape[1:3]),
        data.white,
        data.name,
    )


def _targets(data: ImageData, rows: Labels) -> torch.Tensor:
    return torch.from_numpy(data.labels[rows].astype(np.int64))


def _cut(data: ImageData, rows: Labels, held: float | int, seed: int) -> tuple[Labels, Labels]:
    """Rows that stay and rows that are held out, every class in both."""
    from sklearn.model_selection import train_test_split

    labels = data.labels[rows]
    try:
        stay, out = train_test_split(rows, test_size=held, random_state=seed, stratify=labels)
    except ValueError as error:
        raise _too_few(data, labels) from error
    present = np.unique(labels)
    if any(len(np.unique(data.labels[part])) < len(present) for part in (stay, out)):
        raise _too_few(data, labels)
    return np.sort(stay), np.sort(out)


def _too_few(data: ImageData, labels: NDArray[np.int64]) -> DataError:
    values, counts = np.unique(labels, return_counts=True)
    rare = int(values[np.argmin(counts)])
    return DataError(
        f"{data.name}: class {data.classes[rare]!r} has {counts.min()} of {len(labels)} images, too few to be in the "
        "training, the validation and the test part: add images of it, remove it, or hold out larger shares"
    )
