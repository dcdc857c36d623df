"""Images without labels, brought to the shape and the brightness that a model was trained on."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import DataError
from . import arrays, formats
from .brightness import Span, unit_of
from .data import Images, check_source
from .layout import find_files, printable
from .pixels import Reading, read_files

_log = logging.getLogger("luthier")

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as Pillow turns RGB to grey


class ModelImages(np.ndarray[Any, Any]):
    """Images (n, h, w, c) that were brought to a unit of brightness; what is computed from them is a plain array.

    They are read-only, and a copy forgets its unit when values are assigned to it, as these may be of another.

    Attributes:
        white: full brightness in them; None where it is not known.
    """

    white: float | None = None

    def __array_finalize__(self, source: object) -> None:
        self.white = getattr(source, "white", None)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.white = None

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """Results of arithmetic are of no unit that is known."""
        return np.asarray(array)[()] if return_scalar else np.asarray(array)


def _marked(images: Images, white: float) -> ModelImages:
    out = images.view(ModelImages)
    out.white = white
    out.flags.writeable = False
    return out


def load_unlabelled(
    source: str | Path,
    shape: tuple[int, int, int],
    white: float = 255.0,
    *,
    low: float = 0.0,
    reading: Reading | None = None,
    own_white: float | None = None,
    skip_broken: bool = False,
) -> tuple[list[str], ModelImages]:
    """Return names and images (n, h, w, c) of an .npz or .npy file, a folder of images or one image file.

    >>> import numpy as np
    >>> from luthier.tasks.image import load_unlabelled
    >>> np.save("digits.npy", np.full((3, 8, 8), 255, np.uint8))
    >>> names, images = load_unlabelled("digits.npy", (8, 8, 1))
    >>> names, images.shape
    (['0', '1', '2'], (3, 8, 8, 1))

    What was left out or taken for granted is logged.

    Args:
        source: an .npz with the key images (or x), or an .npy; a folder, names are paths within it; or a file.
        shape: (h, w, c) of the model: images are resized, and turned to grey or RGB.
        white: the model's pixel value of full brightness: images are scaled to it.
        low: the least pixel value that it was trained on.
        reading: how the files that it was trained on were read; None for 8 bits on white.
        own_white: full brightness in arrays, and in files of more than 8 bits; None to recognise it.
        skip_broken: leave out image files that cannot be read.

    Raises:
        DataError: nothing there, files that cannot be read (all are named), channels that cannot be converted, or
            brightness of a unit that is not recognised.
    """
    check_source(source)
    check_white(own_white)
    path = Path(source)
    if not path.exists():
        raise DataError(f"there is no file or folder {str(source)!r}: give images, a folder of them, or an .npz file")
    if path.is_dir():
        found = find_files(path)
        left_out = formats.left_out(found.others)
        if not found.images:
            why = "; ".join(left_out) or f"images are files ending in {formats.suffixes()}"
            raise DataError(f"{path} holds no images ({why})")
        files, names = found.images, [printable(p.relative_to(path)) for p in found.images]
        for note in left_out:
            _log.warning("%s: %s", path, note)
    elif path.suffix.lower() in (".npz", ".npy"):
        batch = arrays.read_images(path, shape)
        images = as_model_images(batch, shape, white, low=low, own_white=own_white, where=str(path))
        return [str(i) for i in range(len(images))], images
    elif formats.is_image(path.name):
        files, names = (path,), [printable(path.name)]
    else:
        need = "; ".join(formats.left_out({path.suffix.lower(): 1}))
        raise DataError(f"{path} is neither an image, a folder of images nor an .npz file ({need})")
    read = read_files(
        files, str(path), shape=shape, reading=reading or Reading(), white=own_white, skip_broken=skip_broken
    )
    for note in read.notes:
        _log.warning("%s: %s", path, note)
    return [names[row] for row in read.kept], _marked(_scaled(read.images, white / 255.0), white)


def as_model_images(
    images: NDArray[Any],
    shape: tuple[int, int, int],
    white: float = 255.0,
    *,
    low: float = 0.0,
    own_white: float | None = None,
    where: str = "the images",
) -> ModelImages:
    """Arrays in a model's shape and unit of brightness; a unit that is recognised is scaled, with a warning.

    Args:
        images: one or more; see `arrays.as_batch`.
        shape, white, low, own_white: as for `load_unlabelled`.
        where: what they are called in messages.

    Raises:
        DataError: axes, channels or values that cannot be what the model takes.
    """
    check_white(own_white)
    batch = arrays.as_batch(images, where, shape)
    own = images.white if isinstance(images, ModelImages) else None
    if own is not None:
        batch = _scaled(batch, white / own)
    else:
        unit = own_white if own_white is not None else unit_of(span := Span.of(batch), white, low, where)
        if unit != white:
            if own_white is None:
                _log.warning(
                    "%s: pixel values go up to %g, but full brightness is %g for the model: %g is taken for full "
                    "brightness in these images, and they are scaled; state white= (--white) if it is another",
                    *(where, span.high, white, unit),
                )
            batch = _scaled(batch, white / unit)
    return _marked(fit_shape(np.asarray(batch), shape, where), white)


def check_white(white: float | None) -> None:
    """Raise unless `white` is None or a positive number.

    Raises:
        DataError: it is not.
    """
    if white is not None and not (isinstance(white, int | float | np.number) and 0 < white < math.inf):
        raise DataError(f"white={white!r}: full brightness is a number above 0, such as 1, 255 or 65535")


def _scaled(images: Images, factor: float) -> Images:
    return images if factor == 1.0 else images.astype(np.float32) * np.float32(factor)


def fit_shape(images: Images, shape: tuple[int, int, int], where: str = "the images") -> Images:
    """Images (n, h, w, c) resized and turned to grey or RGB to fit `shape` (h, w, c).

    Raises:
        DataError: the channels cannot be converted.
    """
    height, width, channels = shape
    have = images.shape[3]
    if have != channels:
        if have == 4 and channels in (1, 3):
            images, have = images[..., :3], 3  # drop transparency
        if have == 3 and channels == 1:
            images = (images @ _LUMA)[..., None]
        elif have == 1 and channels == 3:
            images = np.repeat(images, 3, axis=3)
        elif have != channels:
            raise DataError(f"{where}: {have} channels, but the model takes {channels}: convert the images first")
    if images.shape[1:3] == (height, width):
        return images
    out = np.empty((len(images), *shape), dtype=np.float32)
    for i, image in enumerate(images):
        for c in range(channels):
            plane = Image.fromarray(np.ascontiguousarray(image[..., c], dtype=np.float32))
            out[i, ..., c] = np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR))
    return out
