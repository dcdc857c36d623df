"""Float and Int: numbers in a range; values that never change.

They lie in the unit interval: log and step are removed, whole numbers stand at the centres of equal bins. All maps
work on whole columns, and on one value without an array.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np

from ..errors import SpaceError
from ..types import Floats, Label
from .labels import When, normal_when, shown
from .lattice import Lattice, as_floats, decimal_lattice, whole_lattice

_N = TypeVar("_N", int, float)


_MAX_INT = 10**300
_FAR = 1e6  # widths of a range between 0 and its lower bound, beyond which digits would be lost
_NARROW = 1e-9  # of its lower bound: a range this wide is the same on a linear and a log scale


def _finite(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise SpaceError(f"{name} is {shown(value)}: it must be a number")
    if isinstance(value, int) and abs(value) > _MAX_INT:
        raise SpaceError(f"{name} is {shown(value)}: whole numbers up to 1e300 are allowed")
    if not math.isfinite(value):
        raise SpaceError(f"{name} is {value}: it must be finite")


def _check_range(low: float, high: float, log: bool, step: float | None) -> None:
    _finite("low", low)
    _finite("high", high)
    if low > high:
        raise SpaceError(f"low={low} is greater than high={high}: swap them")
    if log and low <= 0:
        raise SpaceError(f"log=True needs low > 0, not {low}: raise low or drop log")
    if step is not None:
        _finite("step", step)
        if step <= 0:
            raise SpaceError(f"step={step} must be positive")
        if log and step != 1:
            raise SpaceError("log=True and step= cannot be combined: drop one of them")


def _inside(value: Any, low: float, high: float) -> Any:
    """The value; `SpaceError` unless it is a number in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise SpaceError(f"{shown(value)} is not a number")
    if not low <= value <= high:
        raise SpaceError(f"{shown(value)} is outside [{low}, {high}]")
    return value


# The scalar maps behind `at` and `coordinate`: module-level functions with `partial`, so that a domain can be pickled.


def _constant(value: _N, _: float) -> _N:
    return value


def _line(low: float, high: float, u: float) -> float:
    x = low * (1 - u) + high * u  # exactly low at 0, high at 1
    return low if x < low else high if x > high else x


def _log_line(low: float, high: float, log_low: float, width: float, u: float) -> float:
    if u <= 0 or u >= 1:  # the exponential of the upper end may overflow
        return low if u <= 0 else high
    x = float(np.exp(log_low + u * width))  # not math.exp, which rounds differently
    return low if x < low else high if x > high else x


def _int_log_line(low: int, high: int, log_low: float, width: float, u: float) -> int:
    x = round(float(np.exp(log_low + u * width)))
    return low if x < low else high if x > high else x


def _line_coordinate(shift: float, width: float, x: float) -> float:
    return x / width - shift


def _log_coordinate(log_low: float, width: float, x: float) -> float:
    if x > 0:
        return (float(np.log(x)) - log_low) / width  # not math.log, which rounds differently
    return -math.inf if x == 0 else math.nan


@dataclass(frozen=True)
class Float:
    """Takes a real number in [low, high].

    >>> import luthier as lt
    >>> optimizer = lt.Choice(["adamw", "sgd"], default="adamw")
    >>> rate = lt.Float(1e-5, 1e-1, log=True, default=1e-3)
    >>> momentum = lt.Float(0, 0.99, when={"optimizer": "sgd"}, default=0.9)
    >>> space = lt.Space({"optimizer": optimizer, "rate": rate, "momentum": momentum})
    >>> space.defaults()
    {'optimizer': 'adamw', 'rate': 0.001}

    Args:
        low: smallest value.
        high: largest value; with `step`, the largest value that is tried is low + k·step <= high.
        log: search on a log scale; low must be positive.
        step: distance between the values tried; None for all.
        default: where the search may start, and what a baseline uses; None for no opinion.
        when: the condition under which the parameter exists (see `When`); None for always.

    Raises:
        SpaceError: a bound is not a finite number, low > high, log with low <= 0 or with step.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    default: float | None = None
    when: When = field(default=None, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "when", normal_when(self.when))
        _check_range(self.low, self.high, self.log, self.step)
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        if self.step is not None:
            object.__setattr__(self, "step", float(self.step))
        if self.default is not None:
            object.__setattr__(self, "default", self.check(self.default))

    @cached_property
    def lattice(self) -> Lattice | None:
        """The values, where there is a step; None for a continuum."""
        return None if self.step is None else decimal_lattice(self.low, self.high, self.step)

    @cached_property
    def size(self) -> int | None:
        """How many values there are; None for a continuum."""
        if self.low == self.high:
            return 1
        return None if self.lattice is None else self.lattice.size

    @cached_property
    def on_log_scale(self) -> bool:
        """Whether coordinates are logarithms; those of a range too narrow to have different ones are not."""
        return self.log and self.high - self.low > _NARROW * self.low

    @cached_property
    def is_line(self) -> bool:
        """Whether coordinates are x / width - low / width: neither width nor low are out of proportion."""
        width = self.high - self.low
        return self.size is None and not self.on_log_scale and abs(self.low) <= _FAR * width < math.inf

    @cached_property
    def logs(self) -> tuple[float, float]:
        """The logarithms of the bounds, where coordinates are logarithms."""
        return math.log(self.low), math.log(self.high)

    def check(self, value: Any) -> float:
        """Return the value as a float; `SpaceError` unless it lies in the range.

        With a step, what rounding made of one of the values is that value: 0.1 + 0.2 is 0.3.
        """
        x = float(_inside(value, self.low, self.high))
        return x if self.lattice is None else float(self.lattice.nearest(x))

    def encode(self, values: Sequence[Any] | Floats) -> Floats:
        """Return coordinates of values; values outside the range give coordinates outside [0, 1]."""
        if self.size == 1:
            return np.full(np.shape(values), 0.5)
        if self.lattice is not None:
            return self.lattice.encode(values)
        x = as_floats(values)
        if self.on_log_scale:
            a, b = self.logs
            with np.errstate(divide="ignore", invalid="ignore"):
                return (np.log(x) - a) / (b - a)
        width = self.high - self.low
        if math.isinf(width):
            return (x / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return x / width - self.low / width if self.is_line else (x - self.low) / width

    def decode(self, u: Floats) -> Floats:
        """Return values at coordinates in [0, 1]; the exact bounds at 0 and 1."""
        u = np.asarray(u, dtype=np.float64)
        if self.size == 1:
            return np.full(u.shape, self.low)
        if self.lattice is not None:
            return self.lattice.decode(u)
        if self.on_log_scale:
            a, b = self.logs
            with np.errstate(over="ignore"):
                x = np.exp(a + u * (b - a))
        else:
            x = self.low * (1 - u) + self.high * u
        x = np.where(u <= 0, self.low, np.where(u >= 1, self.high, x))
        return np.clip(x, self.low, self.high)

    def snap(self, u: Floats) -> Floats:
        """Return the nearest coordinates of values."""
        if self.size == 1:
            return np.full(u.shape, 0.5)
        return np.clip(u, 0.0, 1.0) if self.lattice is None else self.lattice.centre(u)

    @cached_property
    def at(self) -> Callable[[float], float]:
        """The function from one coordinate to its value: `decode` without an array, and fast."""
        if self.size == 1:
            return partial(_constant, self.low)
        if self.lattice is not None:
            return self.lattice.at
        if self.on_log_scale:
            return partial(_log_line, self.low, self.high, self.logs[0], self.logs[1] - self.logs[0])
        return partial(_line, self.low, self.high)

    @cached_property
    def coordinate(self) -> Callable[[Any], float]:
        """The function from one value to its coordinate: `encode` without an array, and fast."""
        if self.size == 1:
            return partial(_constant, 0.5)
        if self.lattice is not None:
            return self.lattice.coordinate
        if self.on_log_scale:
            return partial(_log_coordinate, self.logs[0], self.logs[1] - self.logs[0])
        if self.is_line:
            return partial(_line_coordinate, self.low / (self.high - self.low), self.high - self.low)
        return self._coordinate

    def _coordinate(self, value: Any) -> float:
        return float(self.encode([value])[0])

    def value(self, u: float) -> float:
        """Return the value at one coordinate."""
        return self.at(u)

    def stored(self, value: Any) -> Label:
        """Return the value as it is stored."""
        return self.check(value)

    def restored(self, label: Label) -> Any:
        """Return the value behind what is stored."""
        return label


@dataclass(frozen=True)
class Int:
    """Takes a whole number in [low, high].

    >>> import luthier as lt
    >>> space = lt.Space({"width": lt.Int(32, 512, step=32, default=64), "layers": lt.Int(1, 4, default=2)})
    >>> space.defaults()
    {'width': 64, 'layers': 2}

    Args:
        low: smallest value.
        high: largest value; with `step`, the largest tried is low + k·step <= high.
        log: search on a log scale; low must be positive.
        step: distance between the values tried.
        default: where the search may start, and what a baseline uses; None for no opinion.
        when: the condition under which the parameter exists (see `When`); None for always.

    Raises:
        SpaceError: a bound is not whole, low > high, log with low <= 0 or with step > 1.
    """

    low: int
    high: int
    log: bool = False
    step: int = 1
    default: int | None = None
    when: When = field(default=None, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "when", normal_when(self.when))
        _check_range(self.low, self.high, self.log, self.step)
        for name in ("low", "high", "step"):
            x = getattr(self, name)
            if x != int(x):
                raise SpaceError(f"{name}={x} is not a whole number: use Float")
            object.__setattr__(self, name, int(x))
        if self.default is not None:
            object.__setattr__(self, "default", self.check(self.default))

    @cached_property
    def lattice(self) -> Lattice:
        """The values."""
        return whole_lattice(self.low, self.high, self.step)

    @property
    def size(self) -> int:
        """How many values there are."""
        return self.lattice.size

    @cached_property
    def on_log_scale(self) -> bool:
        """Whether coordinates are logarithms; those of a range too narrow to have different ones are not."""
        return self.log and self.high - self.low > _NARROW * self.low

    @cached_property
    def logs(self) -> tuple[float, float]:
        """The logarithms of the bounds of the bins, where coordinates are logarithms."""
        # bins of width 1 around every integer, so that the ends are as likely as they should be
        return math.log(self.low - 0.5), math.log(self.high + 0.5)

    def check(self, value: Any) -> int:
        """Return the value as an int; `SpaceError` unless it is whole and in the range."""
        if isinstance(value, float | np.floating) and not float(value).is_integer():
            raise SpaceError(f"{value} is not a whole number")
        return int(_inside(value, self.low, self.high))

    def encode(self, values: Sequence[Any] | Floats) -> Floats:
        """Return coordinates of values, at bin centres; outside [0, 1] for values outside the range."""
        if self.size == 1:
            return np.full(np.shape(values), 0.5)
        if not self.on_log_scale:
            return self.lattice.encode(values)
        a, b = self.logs
        with np.errstate(divide="ignore", invalid="ignore"):
            return (np.log(as_floats(values)) - a) / (b - a)

    def decode(self, u: Floats) -> Floats:
        """Return values at coordinates in [0, 1], as the nearest floats; `at` gives the whole numbers themselves."""
        u = np.asarray(u, dtype=np.float64)
        if self.size == 1:
            return np.full(u.shape, float(self.low))
        if not self.on_log_scale:
            return self.lattice.decode(u)
        a, b = self.logs
        return np.clip(np.round(np.exp(a + u * (b - a))), self.low, self.high)

    def snap(self, u: Floats) -> Floats:
        """Return the nearest coordinates of values."""
        if self.size == 1:
            return np.full(u.shape, 0.5)
        return self.encode(self.decode(u)) if self.on_log_scale else self.lattice.centre(u)

    @cached_property
    def at(self) -> Callable[[float], int]:
        """The function from one coordinate to its value: `decode` without an array, and fast."""
        if self.size == 1:
            return partial(_constant, self.low)
        if self.on_log_scale:
            return partial(_int_log_line, self.low, self.high, self.logs[0], self.logs[1] - self.logs[0])
        return self.lattice.at

    @cached_property
    def coordinate(self) -> Callable[[Any], float]:
        """The function from one value to its coordinate: `encode` without an array, and fast."""
        if self.size == 1:
            return partial(_constant, 0.5)
        if self.on_log_scale:
            return partial(_log_coordinate, self.logs[0], self.logs[1] - self.logs[0])
        return self.lattice.coordinate

    def value(self, u: float) -> int:
        """Return the value at one coordinate."""
        return self.at(u)

    def stored(self, value: Any) -> Label:
        """Return the value as it is stored."""
        return self.check(value)

    def restored(self, label: Label) -> Any:
        """Return the value behind what is stored."""
        return label
