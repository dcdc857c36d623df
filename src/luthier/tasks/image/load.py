"""`load_images`, which brings labelled images into memory from a name, a folder or a file."""

from __future__ import annotations

import difflib
import logging
from pathlib import Path

import numpy as np

from ...errors import DataError
from . import arrays, folders, idx
from .data import KNOWN, ImageData, check_size, check_source

_log = logging.getLogger("luthier")


def load_images(source: str | Path, size: tuple[int, int] | None = None, skip_broken: bool = False) -> ImageData:
    """Load the labelled images behind a name, a folder or a file.

    What was left out or taken for granted is in the `notes` of the result, and logged.

    >>> from luthier.tasks.image import load_images
    >>> load_images("digits").images.shape
    (1797, 8, 8, 1)

    Args:
        source: "digits" (1,797 images of 8x8, scikit-learn's); "fashion-mnist" (70,000 of 28x28, Debian's package);
            a folder of idx files (`train-images-idx3-ubyte[.gz]` and so on); a folder with one folder of images
            for each class, or with such folders in train, val and test; or an .npz file of images and labels.
        size: height and width for a folder of images; None for the size that most of them have.
        skip_broken: leave out image files that cannot be read, and images with NaN, instead of raising an error that
            lists them.

    Raises:
        DataError: it cannot be read or cannot be learned from; the message names the files and what to do.
    """
    data = read_data(source, size, skip_broken)
    for note in data.notes:
        _log.warning("%s: %s", data.name, note)
    return data


def read_data(source: str | Path, size: tuple[int, int] | None = None, skip_broken: bool = False) -> ImageData:
    """As `load_images`, for a caller that shows the notes itself."""
    check_source(source)
    check_size(size)
    path = Path(source)
    if size is None and source == "digits":
        return _digits()
    if size is None and source == "fashion-mnist":
        return idx.fashion_mnist()
    if source not in KNOWN and not path.exists():
        raise DataError(_unknown(str(source)))
    if path.is_dir() and not idx.is_there(path):
        return folders.load(path, size, skip_broken)
    if size is not None:
        raise DataError(f"size={size} applies only to folders of images, and {path} is not one: leave it out")
    if path.is_dir():
        return idx.load(path)
    if path.suffix.lower() == ".npz":
        return arrays.load(path, skip_broken)
    packed = path.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".rar", ".7z")
    raise DataError(
        f"{path} is neither a folder nor an .npz file: {'unpack it, and ' if packed else ''}give a folder with a "
        "folder of images for each class, a folder of idx files, or an .npz file with the keys images and labels"
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
