"""Labelled images in memory, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from .brightness import Span, unit_of, white_of
from .pixels import Reading

Images: TypeAlias = NDArray[Any]
"""(n, h, w, c): uint8, or float32 where the values are not bytes."""

Labels: TypeAlias = NDArray[np.int64]
"""(n,) indices into the classes."""

KNOWN = ("digits", "fashion-mnist")


@dataclass(frozen=True, eq=False)
class ImageData:
    """Labelled images; checked when made.

    >>> import numpy as np
    >>> from luthier.tasks.image import ImageData
    >>> images = np.arange(4 * 8 * 8, dtype=np.uint8).reshape(4, 8, 8, 1)
    >>> data = ImageData(images, np.array([0, 1, 0, 1]), ("cat", "dog"), "pets")
    >>> data.classes, data.white
    (('cat', 'dog'), 255.0)

    Attributes:
        images: (n, h, w, c) uint8 or float32.
        labels: (n,) indices into `classes`.
        classes: their names.
        name: what the data set is called in messages.
        test: images and labels of a test part that came with the data; None if it has none.
        white: the pixel value of full brightness: 255 for bytes, 16 for digits, 1 for floats up to 1; None to see it
            from the images.
        validation: images and labels of a validation part that came with the data; None if it has none.
        reading: how image files became these pixel values, so that a model can read others in the same way.
        notes: remarks for its user, such as files that were left out.

    Raises:
        DataError: no images, one class only, counts, shapes or units of brightness that do not match, values that
            are not finite.
    """

    images: Images
    labels: Labels
    classes: tuple[str, ...]
    name: str
    test: tuple[Images, Labels] | None = None
    white: float | None = None
    validation: tuple[Images, Labels] | None = None
    reading: Reading = field(default_factory=Reading)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_part(self.images, self.labels, "")
        if len(np.unique(self.labels)) < 2:
            raise DataError(
                f"{self.name}: all {len(self.labels)} images are of one class: a classifier needs two or more"
            )
        for part, held in (("validation", self.validation), ("test", self.test)):
            if held is None:
                continue
            self._check_part(*held, f" ({part} part)")
            if held[0].shape[1:] != self.images.shape[1:]:
                raise DataError(
                    f"{self.name}: the {part} images have the shape {held[0].shape[1:]}, "
                    f"the others {self.images.shape[1:]}: bring them to one size"
                )
        span = Span.of(self.images)
        if self.white is None:
            object.__setattr__(self, "white", white_of(span))
        for part, held in (("validation", self.validation), ("test", self.test)):
            if held is not None:
                self._check_unit(held[0], span, part)

    def _check_part(self, images: Images, labels: Labels, part: str) -> None:
        where = f"{self.name}{part}"
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise DataError(
                f"{where}: labels of shape {labels.shape} and type {labels.dtype}: they must be (n,) whole numbers, "
                "indices into the classes"
            )
        if images.dtype.kind not in "buif":
            raise DataError(f"{where}: images of type {images.dtype}: they must be numbers")
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
            raise DataError(f"{where}: {not_finite(images)}: repair or remove them")

    def _check_unit(self, images: Images, trained: Span, part: str) -> None:
        """Raise unless a held-out part has the unit of the training part."""
        assert self.white is not None  # it is set when the data is made
        span, where = Span.of(images), f"{self.name} ({part} part)"
        if unit_of(span, self.white, trained.low, where) != self.white:
            raise DataError(
                f"{where}: pixel values run from {span.low:g} to {span.high:g}, in the training part from "
                f"{trained.low:g} to {trained.high:g}: bring them to one unit"
            )


def not_finite(images: Images) -> str:
    """Which images (n, h, w, c) hold NaN or infinity, in words."""
    rows = np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))
    more = f" and {len(rows) - 20} more" if len(rows) > 20 else ""
    return f"{len(rows)} of {len(images)} images hold NaN or infinity (rows {', '.join(map(str, rows[:20]))}{more})"


def check_source(source: object) -> None:
    """Raise unless `source` can be the name or the path of images.

    Raises:
        DataError: it cannot.
    """
    if not isinstance(source, str | Path) or not str(source).strip():
        kind = "an empty text" if isinstance(source, str) else f"a {type(source).__name__}"
        raise DataError(
            f"images are given as a name, a path or an ImageData, not as {kind}: arrays become an ImageData with "
            "ImageData(images, labels, classes, name)"
        )


def check_size(size: object) -> None:
    """Raise unless `size` is None or a height and a width.

    Raises:
        DataError: it is not.
    """
    if size is None:
        return
    pair = isinstance(size, tuple | list) and len(size) == 2
    if not (pair and all(isinstance(x, int | np.integer) and x > 0 for x in size)):  # type: ignore[attr-defined]
        raise DataError(f"size={size!r}: give height and width, such as size=(64, 64)")
