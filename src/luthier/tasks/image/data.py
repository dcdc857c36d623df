"""Labelled images in memory, and `load_images`, which brings them there from a name, a folder or a file."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError

Images: TypeAlias = NDArray[Any]
"""(n, h, w, c): uint8, or float32 where the values are no bytes."""

Labels: TypeAlias = NDArray[np.int64]
"""(n,) indices into the classes."""

KNOWN = ("digits", "fashion-mnist")

MEMORY = 4 * 2**30  # bytes of pixels that are loaded at most: a search holds them four times over, as float32


@dataclass(frozen=True, eq=False)
class ImageData:
    """Labelled images; checked when made.

    Attributes:
        images: (n, h, w, c) uint8 or float32.
        labels: (n,) indices into `classes`.
        classes: their names.
        name: what the data set is called in messages.
        test: images and labels of a test part that came with the data; None if it has none.
        white: the pixel value of full brightness: 255 for bytes, 16 for digits, 1 for floats up to 1.

    Raises:
        DataError: no images, one class only, counts or shapes that do not match, values that are not finite.
    """

    images: Images
    labels: Labels
    classes: tuple[str, ...]
    name: str
    test: tuple[Images, Labels] | None = None
    white: float = 255.0

    def __post_init__(self) -> None:
        self._check_part(self.images, self.labels, "")
        if len(np.unique(self.labels)) < 2:
            raise DataError(
                f"{self.name}: all {len(self.labels)} images are of one class: a classifier needs two or more"
            )
        if self.test is not None:
            self._check_part(*self.test, " (test part)")
            if self.test[0].shape[1:] != self.images.shape[1:]:
                raise DataError(
                    f"{self.name}: the test images have the shape {self.test[0].shape[1:]}, "
                    f"the others {self.images.shape[1:]}: bring them to one size"
                )

    def _check_part(self, images: Images, labels: Labels, part: str) -> None:
        where = f"{self.name}{part}"
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise DataError(
                f"{where}: labels of shape {labels.shape} and type {labels.dtype}: they must be (n,) whole numbers, "
                "indices into the classes"
            )
        if images.ndim != 4:
            raise DataError(f"{where}: images of shape {images.shape}: they must be (n, height, width, channels)")
        if images.size == 0:
            raise DataError(f"{where}: there are no images (shape {images.shape}): give at least a few for each class")
        if len(images) != len(labels):
            raise DataError(f"{where}: {len(images)} images but {len(labels)} labels: each image needs exactly one")
        if labels.min() < 0 or labels.max() >= len(self.classes):
            raise DataError(
                f"{where}: labels run from {labels.min()} to {labels.max()}, but there are {len(self.classes)} classes"
            )
        if images.dtype.kind == "f" and not np.isfinite(images).all():
            row = int(np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))[0])
            raise DataError(f"{where}: image {row} holds NaN or infinity: repair or remove it")


def load_images(source: str | Path, size: tuple[int, int] | None = None) -> ImageData:
    """The labelled images behind a name, a folder or a file.

    Args:
        source: "digits" (1,797 images of 8x8, scikit-learn's); "fashion-mnist" (70,000 of 28x28, Debian's package);
            a folder of idx files (`train-images-idx3-ubyte[.gz]` and so on); a folder with one folder of images
            for each class; or an .npz file of images and labels.
        size: height and width for a folder of images; None for the size that most of them have.

    Raises:
        DataError: it cannot be read or cannot be learned from; the message names the file and what to do.
    """
    from . import arrays, folders, idx

    path = Path(source)
    if size is None and source == "digits":
        return _digits()
    if size is None and source == "fashion-mnist":
        return idx.fashion_mnist()
    if source not in KNOWN and not path.exists():
        raise DataError(_unknown(str(source)))
    if path.is_dir() and not idx.is_there(path):
        return folders.load(path, size)
    if size is not None:
        raise DataError(f"size={size} is for folders of images, and {path} is none: leave it out")
    if path.is_dir():
        return idx.load(path)
    if path.suffix.lower() == ".npz":
        return arrays.load(path)
    raise DataError(
        f"{path} is neither a folder nor an .npz file: give a folder with a folder of images for each class, "
        "a folder of idx files, or an .npz file with the keys images and labels"
    )


def _unknown(source: str) -> str:
    close = difflib.get_close_matches(source, KNOWN, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"there is no file or folder {source!r}, and no data set of that name (known: {', '.join(KNOWN)}){hint}"


def _digits() -> ImageData:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = bunch.images.astype(np.uint8)[..., None]  # whole numbers 0..16
    return ImageData(
        images, bunch.target.astype(np.int64), tuple(str(x) for x in bunch.target_names), "digits", white=16.0
    )
