"""Images without labels, brought to the shape and the brightness that a model was trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ...errors import DataError
from . import arrays, folders
from .data import Images

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as Pillow turns RGB to grey


def load_unlabelled(source: str | Path, shape: tuple[int, int, int], white: float = 255.0) -> tuple[list[str], Images]:
    """Names and images (n, h, w, c) of an .npz file, a folder of images or one image file.

    Args:
        source: an .npz with the key images (or x); a folder, names are paths within it; or a file.
        shape: (h, w, c) of the model: images are resized, and turned to grey or RGB.
        white: the model's pixel value of full brightness: images of files are scaled to it. Arrays are
            taken to be in the model's unit, unless they go beyond `white` within 0..255.

    Raises:
        DataError: nothing there, a file that cannot be read (named), channels that cannot be converted.
    """
    path = Path(source)
    if not path.exists():
        raise DataError(f"there is no file or folder {str(source)!r}: give images, a folder of them, or an .npz file")
    if path.is_dir():
        files = folders.list_images(path)
        if not files:
            raise DataError(f"{path} holds no images (looked for {', '.join(sorted(folders.SUFFIXES))})")
        return [str(p.relative_to(path)) for p in files], _scaled(_read_files(files, shape), white)
    if path.suffix.lower() == ".npz":
        images = arrays.read_images(path)
        if images.dtype == np.uint8 and images.max(initial=0) > white:
            images = _scaled(images, white)
        return [str(i) for i in range(len(images))], fit_shape(images, shape, str(path))
    if path.suffix.lower() not in folders.SUFFIXES:
        raise DataError(f"{path} is neither an image, a folder of images nor an .npz file")
    return [path.name], _scaled(_read_files([path], shape), white)


def _read_files(files: list[Path], shape: tuple[int, int, int]) -> Images:
    images = np.empty((len(files), *shape), dtype=np.uint8)
    for i, path in enumerate(files):
        images[i] = folders.read_image(path, shape)
    return images


def _scaled(images: Images, white: float) -> Images:
    return images if white == 255.0 else images.astype(np.float32) * np.float32(white / 255.0)


def fit_shape(images: Images, shape: tuple[int, int, int], where: str = "the images") -> Images:
    """Images (n, h, w, c) resized and turned to grey or RGB as `shape` (h, w, c) says.

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
