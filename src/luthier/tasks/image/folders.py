"""Folders of images: one folder for each class, or a flat folder without labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import DataError
from . import formats, layout
from .data import ImageData, Images, Labels
from .pixels import read_files


@dataclass(frozen=True)
class _Listed:
    """The files of one part, with the indices of their classes, and what else there is.

    Attributes:
        files, labels: in order.
        others: suffixes of files that do not count as images.
        empty: class folders without images.
    """

    files: list[Path]
    labels: list[int]
    others: Counter[str]
    empty: list[Path]


def load(folder: Path, size: tuple[int, int] | None = None, skip_broken: bool = False) -> ImageData:
    """The data set of a folder with one folder of images for each class.

    Folders `train`, `val` and `test` (in any case; also `training`, `valid`, `validation`, `dev`, `testing`) that hold
    such folders each are a given split. One size is made of many: the stated one, or what most images have. Grey if
    every image is, else RGB; where an image is transparent, a background shows.

    Raises:
        DataError: no images, an empty class folder, images that cannot be read (all are named), too many pixels.
    """
    parts = layout.find_layout(folder)
    name = layout.printable(folder)
    classes = tuple(sorted({layout.class_name(path) for path in layout.folders_in(parts.train)}))
    if not classes:
        raise DataError(f"{layout.printable(parts.train)} holds no folders: put each class into a folder of its own")
    train = _list(parts.train, classes)
    if train.empty:
        listed = ", ".join(layout.printable(path) for path in train.empty)
        n = len(train.empty)
        there = "; ".join(formats.left_out(train.others))
        raise DataError(
            f"{listed} hold{'s' if n == 1 else ''} no images: add some or remove {'it' if n == 1 else 'them'} "
            f"({there or f'images are files ending in {formats.suffixes()}'})"
        )
    held = [None if root is None else _list(root, classes) for root in (parts.validation, parts.test)]
    listed_parts = [train, *(part for part in held if part is not None)]
    files = [path for part in listed_parts for path in part.files]
    read = read_files(files, name, size=size, skip_broken=skip_broken)
    others: Counter[str] = sum((part.others for part in listed_parts), Counter())
    notes = [*parts.notes, *formats.left_out(others), *read.notes]
    notes += [f"{layout.printable(p)} holds no images: left out" for part in held if part for p in part.empty]
    for root in filter(None, (parts.train, parts.validation, parts.test)):
        if n := layout.count_loose(root):
            what = "1 image lies" if n == 1 else f"{n} images lie"
            notes.append(f"{what} directly in {layout.printable(root)}, in no class folder: left out")
    start, arrays = 0, list[tuple[Images, Labels]]()
    for part in listed_parts:
        inside = (read.kept >= start) & (read.kept < start + len(part.files))
        arrays.append((read.images[inside], np.array(part.labels, dtype=np.int64)[read.kept[inside] - start]))
        start += len(part.files)
    images, labels = arrays.pop(0)
    gone = set(range(len(classes))) - set(labels.tolist())
    if gone:
        raise DataError(
            f"{name}: no image of class {classes[min(gone)]!r} can be read: repair them or remove the class"
        )
    validation, test = (arrays.pop(0) if part is not None else None for part in held)
    return ImageData(
        images,
        labels,
        classes,
        name,
        test,
        white=255.0,
        validation=validation,
        reading=read.reading,
        notes=tuple(notes),
    )


def _list(root: Path, classes: tuple[str, ...]) -> _Listed:
    """The files of the class folders under a root.

    Raises:
        DataError: one is of a class that is not among `classes`.
    """
    out = _Listed([], [], Counter(), [])
    for folder in layout.folders_in(root):
        found = layout.find_files(folder)
        out.others.update(found.others)
        name = layout.class_name(folder)
        if not found.images:
            out.empty.append(folder)
        elif name not in classes:
            raise DataError(
                f"{layout.printable(folder)} is of a class that the training part lacks{_similar(name, classes)}: add "
                "it there, or remove it here if it has no labels"
            )
        else:
            out.files.extend(found.images)
            out.labels.extend([classes.index(name)] * len(found.images))
    return out


def _similar(name: str, classes: tuple[str, ...]) -> str:
    same = [c for c in classes if c.casefold() == name.casefold()]
    return f" (it has {same[0]!r})" if same else ""
