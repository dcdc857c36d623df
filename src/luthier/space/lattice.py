"""Lattice: evenly spaced numbers, worked out with whole numbers, so that 3 · 0.1 is 0.3 and 2**63 - 1 is itself.

Value k is (first + k · step) / scale with Python's whole numbers, k = 0 … size - 1. Its coordinate is the centre of
bin k of `size` equal bins of [0, 1]. A coordinate has 53 bits: up to 2**52 values, each has a coordinate of its own;
of more, that many are told apart, and the two ends are among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..types import Floats

_BINS = 2**50  # bins up to which arithmetic on doubles finds the right one
_WHOLE = 2**53  # whole numbers up to which doubles hold each
_TENS = 10**22  # powers of ten up to which doubles hold each
_TABLE = 2**14  # values that are held in a table where doubles do not suffice


@dataclass(frozen=True)
class Lattice:
    """Numbers (first + k · step) / scale, k = 0 … size - 1.

    Args:
        first, step, scale: whole numbers; step and scale are positive.
        size: how many there are.
        last: the last one, where it is not what the formula gives; None where it is.
        real: whether the values are floats; else they are ints, and scale is 1.
    """

    first: int
    step: int
    scale: int
    size: int
    last: float | None = None
    real: bool = False

    @property
    def is_small(self) -> bool:
        """Whether doubles tell all the bins apart."""
        return self.size <= _BINS

    def value(self, k: int) -> Any:
        """Value k."""
        if not self.real:
            return self.first + k * self.step
        return self.last if self.last is not None and k == self.size - 1 else (self.first + k * self.step) / self.scale

    @cached_property
    def at(self) -> Callable[[float], Any]:
        """The function from a coordinate to the value in whose bin it lies; it can be pickled."""
        if not self.is_small:
            return partial(_value_of_many, self)
        if not self.real:
            return partial(_whole, self.first, self.step, self.size, self.size - 1)
        return partial(_real, self.first, self.step, self.scale, self.size, self.size - 1, self.last)

    @cached_property
    def _is_exact(self) -> bool:
        """Whether doubles hold all whole numbers of the formula, so that it can be worked out on columns."""
        largest = max(abs(self.first), abs(self.first + (self.size - 1) * self.step))
        return self.is_small and largest <= _WHOLE and self.scale <= _TENS

    @cached_property
    def _table(self) -> Floats:
        return np.array([self.value(k) for k in range(self.size)], dtype=np.float64)

    def bin(self, u: Floats) -> Floats:
        """Return the bin k of every coordinate, as a float; NaN of NaN."""
        return np.clip(np.floor(u * self.size), 0, self.size - 1)

    def centre(self, u: Floats) -> Floats:
        """Return the centre of the bin of every coordinate."""
        return (self.bin(u) + 0.5) / self.size if self.is_small else np.clip(u, 0.0, 1.0)

    def decode(self, u: Floats) -> Floats:
        """Return the value of every coordinate, as the nearest float."""
        if self._is_exact:
            k = self.bin(u)
            x = (float(self.first) + k * float(self.step)) / float(self.scale)
            return x if self.last is None else np.where(k == self.size - 1, self.last, x)
        missing = np.isnan(u)
        if self.size <= _TABLE:
            k = np.where(missing, 0.0, self.bin(u)).astype(np.intp)
            return np.where(missing, np.nan, self._table[k])
        return np.array([np.nan if x != x else float(self.at(x)) for x in u.ravel().tolist()]).reshape(u.shape)

    @cached_property
    def is_even(self) -> bool:
        """Whether the coordinate of x is (round((x - low) / step) + 0.5) / size with doubles."""
        spread = (self.size - 1) * (self.step / self.scale)
        return self.is_small and (self.real or self._is_exact) and math.isfinite(spread)

    def encode(self, values: Sequence[Any] | Floats) -> Floats:
        """The centre of the bin of every value, which is the nearest to it; outside [0, 1] for values outside."""
        if self.is_small and (self.real or self._is_exact):
            x, low, step = as_floats(values), self.first / self.scale, self.step / self.scale
            gaps = (x - low) / step if self.is_even else x / step - low / step
            return (np.round(gaps) + 0.5) / self.size
        return np.array([self._centre_of(x) for x in values], dtype=np.float64)

    @cached_property
    def coordinate(self) -> Callable[[Any], float]:
        """The function from one value to its coordinate: `encode` without an array; it can be pickled."""
        if self.is_even:
            return partial(_even_coordinate, self.first / self.scale, self.step / self.scale, self.size)
        return self._coordinate

    def _coordinate(self, value: Any) -> float:
        return float(self.encode([value])[0])

    def _centre_of(self, value: Any) -> float:
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, float) and not math.isfinite(value):
            return value
        # the centre (2k + 1) / 2·size of the bin of k = (value · scale - first) / step, rounded to the nearest
        up, down = value.as_integer_ratio() if self.real else (int(value), 1)
        k = (2 * (up * self.scale - self.first * down) + self.step * down) // (2 * self.step * down)
        try:
            return (2 * k + 1) / (2 * self.size)
        except OverflowError:
            return math.inf if k > 0 else -math.inf

    def nearest(self, value: float) -> Any:
        """The value of the lattice that is meant by this one, which may be off by what rounding does; else itself."""
        if not self.is_small:
            return value
        low, step = self.first / self.scale, self.step / self.scale
        found = self.value(min(max(round(value / step - low / step), 0), self.size - 1))
        return found if abs(found - value) <= 1e-9 * step else value


def whole_lattice(low: int, high: int, step: int) -> Lattice:
    """low, low + step, … up to high."""
    return Lattice(low, step, 1, (high - low) // step + 1)


def decimal_lattice(low: float, high: float, step: float) -> Lattice:
    """low, low + step, … up to high, each as its decimal fraction is written: 0.3 after 0.1 and 0.2.

    Whether high is one of them is decided within the rounding of the three numbers: 1 is 11 · (1 / 11).
    """
    from decimal import Decimal  # a millisecond that spaces without steps do not need

    parts = [Decimal(repr(x)).as_tuple() for x in (low, high, step)]
    places = max(0, *(-int(part.exponent) for part in parts))
    first, top, width = (
        (-1 if part.sign else 1) * int("".join(map(str, part.digits))) * 10 ** (places + int(part.exponent))
        for part in parts
    )
    slack = min(max(abs(first), abs(top)) >> 50, width // 1000)
    size = (top - first + slack) // width + 1
    formula = Lattice(first, width, 10**places, size, real=True)
    end, k = formula.value(size - 1), first + (size - 1) * width
    if size > 1 and (end > high or (abs(top - k) <= slack and len(repr(high)) < len(repr(end)))):
        return Lattice(first, width, 10**places, size, last=high, real=True)
    return formula


def as_floats(values: Sequence[Any] | Floats) -> Floats:
    """Return the values as floats; whole numbers that no float can hold as infinite ones."""
    try:
        return np.asarray(values, dtype=np.float64)
    except OverflowError:
        return np.array([_as_float(x) for x in values], dtype=np.float64)


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


# The scalar maps behind `at` and `coordinate`: module-level functions with `partial`, so that a domain can be pickled.


def _whole(first: int, step: int, size: int, top: int, u: float) -> int:
    k = int(u * size)
    return first + (k if 0 <= k <= top else top if k > 0 else 0) * step


def _real(first: int, step: int, scale: int, size: int, top: int, last: float | None, u: float) -> float:
    k = int(u * size)
    k = k if 0 <= k <= top else top if k > 0 else 0
    return last if k == top and last is not None else (first + k * step) / scale


def _even_coordinate(low: float, step: float, size: int, x: float) -> float:
    return (round((x - low) / step) + 0.5) / size


def _value_of_many(lattice: Lattice, u: float) -> Any:
    up, down = min(max(u, 0.0), 1.0).as_integer_ratio()
    return lattice.value(min(up * lattice.size // down, lattice.size - 1))
