"""The idx format of MNIST and its kin: a header of big-endian sizes, then bytes, often gzipped.

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from .data import ImageData, Images, Labels

FASHION = Path("/usr/share/datasets/fashion-mnist")
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

_UBYTE = 0x08  # the only element type that image sets use


def fashion_mnist() -> ImageData:
    """Fashion-MNIST of Debian's package: 60,000 images and a test part of 10,000.

    Raises:
        DataError: the package is not installed.
    """
    if not is_there(FASHION):
        raise DataError(
            f"fashion-mnist is not in {FASHION}: install it with `apt-get install dataset-fashion-mnist`, "
            "or give a folder that holds its four idx files"
        )
    return load(FASHION, "fashion-mnist", FASHION_CLASSES)


def is_there(folder: Path) -> bool:
    """Whether a folder holds the images of an idx data set."""
    return _find(folder, "train", "images") is not None


def load(folder: Path, name: str | None = None, classes: tuple[str, ...] | None = None) -> ImageData:
    """The data set of a folder of idx files; the t10k files, if there, are its test part.

    Raises:
        DataError: a file is missing, broken, or does not match another.
    """
    images, labels = _part(folder, "train")
    test = _part(folder, "t10k") if _find(folder, "t10k", "images") else None
    if classes is None:
        top = max(int(x.max(initial=0)) for x in (labels, labels if test is None else test[1]))
        classes = tuple(str(i) for i in range(top + 1))
    return ImageData(images, labels, classes, name or str(folder), test)


def _find(folder: Path, part: str, what: str) -> Path | None:
    """The file of a part under any of the spellings in use."""
    dims = 3 if what == "images" else 1
    for dash in "-.":
        for suffix in ("", ".gz"):
            path = folder / f"{part}-{what}{dash}idx{dims}-ubyte{suffix}"
            if path.is_file():
                return path
    return None


def _part(folder: Path, part: str) -> tuple[Images, Labels]:
    paths = [_find(folder, part, what) for what in ("images", "labels")]
    if paths[0] is None or paths[1] is None:
        raise DataError(
            f"{folder}: {part}-images-idx3-ubyte is there but {part}-labels-idx1-ubyte is not: add it (.gz or not)"
        )
    images, labels = read(paths[0], 3), read(paths[1], 1)
    if len(images) != len(labels):
        raise DataError(
            f"{paths[0].name} holds {len(images)} images but {paths[1].name} {len(labels)} labels in {folder}: "
            "they are not of the same set"
        )
    return images[..., None], labels.astype(np.int64)


def read(path: Path, dims: int) -> NDArray[Any]:
    """The uint8 array of an idx file.

    Raises:
        DataError: it is empty, cut short, or no idx file of that many dimensions.
    """
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":  # gzip, by its first bytes: downloads add and lose the suffix
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}): it may be cut short; fetch it again") from error
    head = 4 + 4 * dims
    if len(raw) < head or raw[0] or raw[1] or raw[2] != _UBYTE or raw[3] != dims:
        raise DataError(f"{path} is not an idx file of {dims} dimension(s) of bytes: fetch it again")
    shape = tuple(int(x) for x in np.frombuffer(raw, ">u4", dims, 4))
    if len(raw) - head != math.prod(shape):
        raise DataError(
            f"{path} says that it holds {math.prod(shape)} bytes of shape {shape}, but has {len(raw) - head}: "
            "it is cut short or damaged; fetch it again"
        )
    return np.frombuffer(raw, np.uint8, offset=head).reshape(shape)
