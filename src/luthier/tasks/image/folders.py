"""Images in files, read by Pillow: a folder with one folder for each class, or a flat folder without labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageOps

from ...errors import DataError
from .data import MEMORY, ImageData, Images, Labels

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})

_GREY = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L"})
_ORIENTATION = 0x0112  # EXIF: how a camera was held; from 5 on, width and height change places

_Header: TypeAlias = tuple[tuple[int, int], bool]  # (height, width), whether grey


def load(folder: Path, size: tuple[int, int] | None = None) -> ImageData:
    """The data set of a folder with one folder of images for each class.

    `train` and `test` folders that hold such folders each make a training and a test part; a `val` or
    `validation` folder beside them joins the training part, as the split is made anew. One size is made of many:
    the stated one, or what most images have. Grey if every image is, else RGB; transparency is dropped.

    Raises:
        DataError: no images, an empty class folder, an image that cannot be read (named), too many pixels.
    """
    inside = _folders(folder)
    if not inside:
        flat = any(_is_image(p) for p in folder.iterdir())
        problem = "holds images but no folders" if flat else "holds no folders and no idx files"
        raise DataError(f"{folder} {problem}: put the images of each class into a folder of its own, named after it")
    if {"train", "test"} <= set(inside):
        training = [inside[x] for x in ("train", "val", "validation") if x in inside]
        test = [inside["test"]]
    else:
        training, test = [folder], []
    classes = tuple(sorted({name for root in training for name in _folders(root)}))
    if not classes:
        raise DataError(f"{training[0]} holds no folders: put the images of each class into a folder of its own")
    files = _labelled(training, classes)
    test_files = _labelled(test, classes)
    headers = [_header(path) for path, _ in files + test_files]
    height, width = size or Counter(shape for shape, _ in headers).most_common(1)[0][0]
    channels = 1 if all(grey for _, grey in headers) else 3
    _check_memory(folder, len(headers), (height, width, channels))
    images, labels = _read_all(files, (height, width, channels))
    part = _read_all(test_files, (height, width, channels)) if test else None
    return ImageData(images, labels, classes, str(folder), part)


def _folders(root: Path) -> dict[str, Path]:
    return {p.name: p for p in sorted(root.iterdir()) if p.is_dir() and not p.name.startswith((".", "__"))}


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")


def list_images(folder: Path) -> list[Path]:
    """The image files of a folder and of the folders in it, sorted."""
    return sorted(p for p in folder.rglob("*") if _is_image(p))


def _labelled(roots: list[Path], classes: tuple[str, ...]) -> list[tuple[Path, int]]:
    """Every image file of the class folders under some roots, with the index of its class."""
    found: list[tuple[Path, int]] = []
    for root in roots:
        for name, folder in _folders(root).items():
            if name not in classes:
                raise DataError(f"{folder} is of a class that the training part lacks: add it there or remove it here")
            images = list_images(folder)
            if not images:
                raise DataError(
                    f"{folder} holds no images (looked for {', '.join(sorted(SUFFIXES))}): add some or remove it"
                )
            found += [(path, classes.index(name)) for path in images]
    return found


def _open(path: Path) -> Image.Image:
    """A lazy image: only its header has been read. An error names the file."""
    try:
        return Image.open(path)
    except Exception as error:  # Pillow's formats raise whatever they meet in a broken file
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read as an image ({error}): repair or remove it")


def _header(path: Path) -> _Header:
    with _open(path) as image:
        try:
            turned = image.getexif().get(_ORIENTATION, 1) >= 5
        except Exception as error:  # as above
            raise _broken(path, error) from error
        width, height = image.size
        return ((width, height) if turned else (height, width)), image.mode in _GREY


def _check_memory(folder: Path, n: int, shape: tuple[int, int, int]) -> None:
    needed = n * int(np.prod(shape))
    if needed > MEMORY:
        raise DataError(
            f"{folder}: {n} images of {shape[0]}x{shape[1]} with {shape[2]} channel(s) take {needed / 2**30:.1f} GiB, "
            f"more than {MEMORY / 2**30:.0f}: state a smaller size, such as size=(64, 64)"
        )


def _read_all(files: list[tuple[Path, int]], shape: tuple[int, int, int]) -> tuple[Images, Labels]:
    images = np.empty((len(files), *shape), dtype=np.uint8)
    for i, (path, _) in enumerate(files):
        images[i] = read_image(path, shape)
    return images, np.array([label for _, label in files], dtype=np.int64)


def read_image(path: Path, shape: tuple[int, int, int]) -> Images:
    """(h, w, c) uint8 of one file, resized and turned to grey (c = 1) or RGB (c = 3).

    Raises:
        DataError: it cannot be read, or c is neither 1 nor 3.
    """
    height, width, channels = shape
    if channels not in (1, 3):
        raise DataError(f"{path}: the model takes {channels} channels, but image files give 1 or 3: use an .npz file")
    with _open(path) as image:
        try:
            image.load()
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I;16"):  # 16 bits: convert() would clip, not scale
                upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
            mode = "L" if channels == 1 else "RGB"
            upright = upright.convert(mode)
            if upright.size != (width, height):
                upright = upright.resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(upright).reshape(shape)
        except Exception as error:  # as above
            raise _broken(path, error) from error
