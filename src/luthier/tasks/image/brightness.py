"""What full brightness is in an array, and how arrays of another unit are brought to a model's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError

_BITS = tuple(2.0**k - 1 for k in (10, 12, 14, 16))  # what cameras and scanners fill of 16 bits
_FEW = 32.0  # whole numbers up to this are a unit of their own, such as the 0..16 of the digits
_OVER = 1.5  # how far interpolation, or another subject, may go beyond full brightness


@dataclass(frozen=True)
class Span:
    """The least and the largest of some pixel values, and what kind of numbers they are.

    Attributes:
        low, high: 0 if there are none.
        whole: whether all are whole numbers.
        mean: of them.
        dtype: of the array.
    """

    low: float
    high: float
    whole: bool
    mean: float
    dtype: np.dtype[Any]

    @staticmethod
    def of(values: NDArray[Any]) -> Span:
        """That of an array."""
        whole = values.dtype.kind in "bui" or bool((values == np.floor(values)).all())
        return Span(
            float(values.min(initial=0)),
            float(values.max(initial=0)),
            whole,
            float(values.mean(dtype=np.float64)) if values.size else 0.0,
            values.dtype,
        )

    @property
    def top(self) -> float:
        """The value that is furthest from 0."""
        return max(-self.low, self.high)


def white_of(span: Span) -> float:
    """The value of full brightness, from the values of a whole data set.

    1 up to 1; a small unit such as 0..16 is taken as it is; 255 up to 255; above, whole numbers fill 10, 12, 14 or 16
    bits; everything else has its largest value.
    """
    top = span.top
    if top <= 1:
        return 1.0
    if top <= _FEW:
        return top
    if top <= 255:
        return 255.0
    if span.whole and span.low >= 0:
        return next((white for white in _BITS if top <= white), top)
    return top


def unit_of(span: Span, white: float, low: float, where: str) -> float:
    """The full brightness in images for a model whose own is `white`; equal to it if they are of one unit.

    Args:
        span: of the images.
        white: full brightness of what the model was trained on.
        low: the least value it was trained on.
        where: what the images are called in messages.

    Raises:
        DataError: they are in neither the model's unit nor one that can be told.
    """
    if low >= 0 and span.low < -0.05 * span.high:  # beyond what interpolation does
        raise DataError(
            f"{where}: there are pixel values down to {span.low:g}, and the model was trained on none below 0: "
            "give the pixels as they were before they were normalised"
        )
    top = span.top
    if top == 0 or low < 0:
        if top > _OVER * max(white, -low):
            raise _unclear(where, span, white)
        return white
    if span.dtype == np.bool_:
        return 1.0
    if span.dtype == np.uint8 and (white == 1 or white > 255) and top > 1:
        return 255.0
    if top <= 1 and white > 1:
        is_mask = span.whole and span.mean < 0.01  # a dark picture in bytes, rather than one of zeros and ones
        return white if is_mask or (white < 4 and not span.whole) else 1.0
    if top <= _OVER and white >= 4 and not span.whole:
        return 1.0
    if white > 255 and top <= 255:
        raise _unclear(where, span, white)
    if top <= _limit(span, white):
        return white
    if 127 < top <= 255:
        return 255.0
    if span.whole and 2**15 <= top < 2**16:
        return _BITS[-1]
    raise _unclear(where, span, white)


def within(span: Span, white: float, where: str) -> float:
    """`white`, if images of the depth that it belongs to can be of its unit.

    Raises:
        DataError: they go beyond it.
    """
    if span.top > _limit(span, white):
        raise _unclear(where, span, white)
    return white


def _limit(span: Span, white: float) -> float:
    """How far images of a unit can go: not beyond its bits, if it has any."""
    return white if white in _BITS and span.whole else _OVER * white


def _unclear(where: str, span: Span, white: float) -> DataError:
    return DataError(
        f"{where}: pixel values run from {span.low:g} to {span.high:g}, but full brightness was {white:g} where the "
        "model was trained: state what it is in these images, such as white=255 or white=4095 (--white)"
    )
