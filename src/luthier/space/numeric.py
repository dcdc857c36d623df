"""The four kinds of parameter: Float, Int, Ordinal and Choice; values that never change.

Every domain maps its values to one coordinate and back. Numeric domains and Ordinal lie in the unit
interval: log and step are removed, integers and ordered values stand at the centres of equal bins.
A Choice is the index of its label. All maps work on whole columns.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import SpaceError
from ..trial import Label

Floats: TypeAlias = NDArray[np.float64]
_N = TypeVar("_N", int, float)
When: TypeAlias = Mapping[str, Any] | str | None
"""`{"optimizer": "sgd"}` or `{"optimizer": ("sgd", "rmsprop")}` (all keys must hold), or an expression such as
`"layers >= 3"`."""


def label_key(label: Label) -> str:
    """A key under which True, 1 and 1.0 differ."""
    return json.dumps(label)


def _finite(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise SpaceError(f"{name} is {value!r}: it must be a number")
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
            raise SpaceError("log=True and step= exclude each other: drop one of them")


# The scalar maps behind `at`: module-level functions with `partial`, so that a domain can be pickled.


def _constant(value: _N, _: float) -> _N:
    return value


def _line(low: float, high: float, u: float) -> float:
    x = low * (1 - u) + high * u  # exactly low at 0, high at 1
    return low if x < low else high if x > high else x


def _log_line(low: float, high: float, log_low: float, width: float, u: float) -> float:
    x = float(np.exp(log_low + u * width))  # not math.exp, which rounds differently
    return low if u <= 0 or x < low else high if u >= 1 or x > high else x


def _float_step(low: float, high: float, step: float, size: int, u: float) -> float:
    return min(low + min(max(math.floor(u * size), 0), size - 1) * step, high)


def _int_step(low: int, step: int, size: int, u: float) -> int:
    return int(low + float(min(max(math.floor(u * size), 0), size - 1)) * step)


def pick(labels: tuple[Label, ...], u: float) -> Label:
    """The label in whose bin a unit coordinate lies."""
    return labels[min(max(int(u * len(labels)), 0), len(labels) - 1)]


def _int_log_line(low: int, high: int, log_low: float, width: float, u: float) -> int:
    return min(max(round(float(np.exp(log_low + u * width))), low), high)


@dataclass(frozen=True)
class Float:
    """A real number in [low, high].

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
            object.__setattr__(self, "default", float(self.default))
            self.check(self.default)

    @cached_property
    def size(self) -> int | None:
        """How many values there are; None for a continuum."""
        if self.low == self.high:
            return 1
        if self.step is None:
            return None
        return math.floor((self.high - self.low) / self.step + 1e-9) + 1

    @cached_property
    def _logs(self) -> tuple[float, float]:
        return math.log(self.low), math.log(self.high)

    def check(self, value: Any) -> float:
        """The value as a float; `SpaceError` unless it lies in the range."""
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise SpaceError(f"{value!r} is not a number")
        if not self.low <= value <= self.high:
            raise SpaceError(f"{value} is outside [{self.low}, {self.high}]")
        return float(value)

    def encode(self, values: Sequence[Any] | Floats) -> Floats:
        """Coordinates of values; values outside the range give coordinates outside [0, 1]."""
        x = np.asarray(values, dtype=np.float64)
        if self.size == 1:
            return np.full(x.shape, 0.5)
        if self.size is not None:
            assert self.step is not None
            return (np.round((x - self.low) / self.step) + 0.5) / self.size
        if self.log:
            a, b = self._logs
            with np.errstate(divide="ignore", invalid="ignore"):
                return (np.log(x) - a) / (b - a)
        return x / (self.high - self.low) - self.low / (self.high - self.low)

    def decode(self, u: Floats) -> Floats:
        """Values at coordinates in [0, 1]; the exact bounds at 0 and 1."""
        u = np.asarray(u, dtype=np.float64)
        if self.size == 1:
            return np.full(u.shape, self.low)
        if self.size is not None:
            assert self.step is not None
            k = np.clip(np.floor(u * self.size), 0, self.size - 1)
            return np.minimum(self.low + k * self.step, self.high)
        if self.log:
            a, b = self._logs
            x = np.exp(a + u * (b - a))
        else:
            x = self.low * (1 - u) + self.high * u
        x = np.where(u <= 0, self.low, np.where(u >= 1, self.high, x))
        return np.clip(x, self.low, self.high)

    @cached_property
    def at(self) -> Callable[[float], float]:
        """The function from one coordinate to its value: `decode` without an array, and fast."""
        if self.size == 1:
            return partial(_constant, self.low)
        if self.size is not None:
            assert self.step is not None
            return partial(_float_step, self.low, self.high, self.step, self.size)
        if self.log:
            return partial(_log_line, self.low, self.high, self._logs[0], self._logs[1] - self._logs[0])
        return partial(_line, self.low, self.high)

    def value(self, u: float) -> float:
        """The value at one coordinate."""
        return self.at(u)

    def stored(self, value: Any) -> Label:
        """The value as it is stored."""
        return self.check(value)

    def restored(self, label: Label) -> Any:
        """The value behind what is stored."""
        return label


@dataclass(frozen=True)
class Int:
    """A whole number in [low, high].

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
    def size(self) -> int:
        """How many values there are."""
        return (self.high - self.low) // self.step + 1

    @cached_property
    def _logs(self) -> tuple[float, float]:
        # bins of width 1 around every integer, so that the ends are as likely as they should be
        return math.log(self.low - 0.5), math.log(self.high + 0.5)

    def check(self, value: Any) -> int:
        """The value as an int; `SpaceError` unless it is whole and in the range."""
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise SpaceError(f"{value!r} is not a number")
        if value != int(value):
            raise SpaceError(f"{value} is not a whole number")
        if not self.low <= value <= self.high:
            raise SpaceError(f"{value} is outside [{self.low}, {self.high}]")
        return int(value)

    def encode(self, values: Sequence[Any] | Floats) -> Floats:
        """Coordinates of values, at bin centres; outside [0, 1] for values outside the range."""
        x = np.asarray(values, dtype=np.float64)
        if self.size == 1:
            return np.full(x.shape, 0.5)
        if self.log:
            a, b = self._logs
            with np.errstate(divide="ignore", invalid="ignore"):
                return (np.log(x) - a) / (b - a)
        return (np.round((x - self.low) / self.step) + 0.5) / self.size

    def decode(self, u: Floats) -> Floats:
        """Values, whole numbers as floats, at coordinates in [0, 1]."""
        u = np.asarray(u, dtype=np.float64)
        if self.size == 1:
            return np.full(u.shape, float(self.low))
        if self.log:
            a, b = self._logs
            return np.clip(np.round(np.exp(a + u * (b - a))), self.low, self.high)
        return self.low + np.clip(np.floor(u * self.size), 0, self.size - 1) * self.step

    @cached_property
    def at(self) -> Callable[[float], int]:
        """The function from one coordinate to its value: `decode` without an array, and fast."""
        if self.size == 1:
            return partial(_constant, self.low)
        if self.log:
            return partial(_int_log_line, self.low, self.high, self._logs[0], self._logs[1] - self._logs[0])
        return partial(_int_step, self.low, self.step, self.size)

    def value(self, u: float) -> int:
        """The value at one coordinate."""
        return self.at(u)

    def stored(self, value: Any) -> Label:
        """The value as it is stored."""
        return self.check(value)

    def restored(self, label: Label) -> Any:
        """The value behind what is stored."""
        return label


def label_of(value: Any) -> Label:
    """The label under which a choice is stored: itself if it is a JSON scalar, else its name.

    Raises:
        SpaceError: it is infinite or NaN, or has no name that is the same tomorrow.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SpaceError(f"a choice is {value}: give it a label, {{'label': {value}}}")
        return value
    name = getattr(value, "__name__", None)
    if isinstance(name, str) and name != "<lambda>":
        return name
    if isinstance(value, tuple | list):
        return str(value)
    text = repr(value)
    if " at 0x" in text or name == "<lambda>":
        raise SpaceError(f"the choice {text} has no stable name: give labels, {{'label': {type(value).__name__}, ...}}")
    return text


def normal_when(when: When) -> dict[str, tuple[Label, ...]] | str | None:
    """The one form of a condition: None, an expression, or allowed labels by parent."""
    if when is None or isinstance(when, str):
        return when
    if not when:
        raise SpaceError("when={} names no parameter: drop it, or name one")
    return {
        parent: tuple(label_of(v) for v in (allowed if isinstance(allowed, list | tuple | set) else (allowed,)))
        for parent, allowed in when.items()
    }


class _Labelled:
    """What Choice and Ordinal share: values, each with a stored label."""

    labels: tuple[Label, ...]
    values: tuple[Any, ...]
    default: Any

    def _set_up(self, choices: Iterable[Any] | Mapping[str, Any]) -> None:
        if isinstance(choices, str):
            raise SpaceError(f"the choices are the string {choices!r}: give a list of them")
        if isinstance(choices, Mapping):
            labels, values = tuple(choices.keys()), tuple(choices.values())
        else:
            values = tuple(choices)
            labels = tuple(label_of(v) for v in values)
        if not labels:
            raise SpaceError("there are no choices: give at least one")
        index = {label_key(label): i for i, label in enumerate(labels)}
        if len(index) != len(labels):
            twice = next(x for x in labels if sum(label_key(x) == label_key(y) for y in labels) > 1)
            raise SpaceError(f"the choice {twice!r} stands there twice: remove one, or give labels of your own")
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "_index", index)
        if self.default is not None:
            object.__setattr__(self, "default", self.stored(self.default))

    @property
    def size(self) -> int:
        """How many choices there are."""
        return len(self.labels)

    def index(self, label: Label) -> int:
        """Position of a stored label; `SpaceError` if it is none of them."""
        try:
            return self._index[label_key(label)]  # type: ignore[attr-defined,no-any-return]
        except (KeyError, TypeError):
            shown = ", ".join(repr(x) for x in self.labels)
            raise SpaceError(f"{label!r} is not among the choices {shown}") from None

    def check(self, value: Any) -> Label:
        """The stored label of a choice; `SpaceError` if it is none."""
        return self.stored(value)

    def stored(self, value: Any) -> Label:
        """The label under which a choice (or its label) is stored."""
        for candidate in (lambda: value, lambda: label_of(value)):
            try:
                label = candidate()
                if label is None or isinstance(label, bool | int | float | str):
                    return self.labels[self.index(label)]
            except SpaceError:
                continue
        for i, v in enumerate(self.values):
            if v is value:
                return self.labels[i]
        self.index(value)  # raises with the list of choices
        raise AssertionError("unreachable")

    def restored(self, label: Label) -> Any:
        """The choice behind a stored label."""
        return self.values[self.index(label)]

    def _indices(self, values: Sequence[Any] | Floats) -> Floats:
        return np.array([self.index(v) for v in values], dtype=np.float64)


@dataclass(frozen=True, init=False, eq=False)
class Choice(_Labelled):
    """One of several values without an order.

    Args:
        choices: the values. JSON scalars are stored as they are, classes and functions by their name;
            anything else needs a label: pass a dict of label to value.
        default: where the search may start, and what a baseline uses: a choice or its label.
        when: the condition under which the parameter exists (see `When`); None for always.

    Raises:
        SpaceError: no choices, the same label twice, or a value without a stable label.
    """

    labels: tuple[Label, ...]
    values: tuple[Any, ...]
    default: Any
    when: When

    def __init__(self, choices: Iterable[Any] | Mapping[str, Any], default: Any = None, when: When = None) -> None:
        object.__setattr__(self, "default", default)
        object.__setattr__(self, "when", normal_when(when))
        self._set_up(choices)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Choice) and _domain_key(self) == _domain_key(other)

    def __hash__(self) -> int:
        return hash(("choice", *map(label_key, self.labels)))

    def encode(self, values: Sequence[Any] | Floats) -> Floats:
        """Index of every stored label."""
        return self._indices(values)

    def decode(self, u: Floats) -> Floats:
        """Whole indices, inside the range."""
        return np.clip(np.round(np.asarray(u, dtype=np.float64)), 0, self.size - 1)

    def value(self, u: float) -> Label:
        """The label at one coordinate."""
        return self.labels[min(max(round(u), 0), self.size - 1)]


@dataclass(frozen=True, init=False, eq=False)
class Ordinal(_Labelled):
    """One of several values in a meaningful order, such as `Ordinal([16, 32, 64, 128])`.

    Args:
        choices: the values from low to high; as for `Choice`.
        default: where the search may start, and what a baseline uses: a choice or its label.
        when: the condition under which the parameter exists (see `When`); None for always.

    Raises:
        SpaceError: no choices, the same label twice, or a value without a stable label.
    """

    labels: tuple[Label, ...]
    values: tuple[Any, ...]
    default: Any
    when: When

    def __init__(self, choices: Iterable[Any] | Mapping[str, Any], default: Any = None, when: When = None) -> None:
        object.__setattr__(self, "default", default)
        object.__setattr__(self, "when", normal_when(when))
        self._set_up(choices)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ordinal) and _domain_key(self) == _domain_key(other)

    def __hash__(self) -> int:
        return hash(("ordinal", *map(label_key, self.labels)))

    def encode(self, values: Sequence[Any] | Floats) -> Floats:
        """Bin centre of every stored label."""
        return (self._indices(values) + 0.5) / self.size

    def decode(self, u: Floats) -> Floats:
        """Whole indices at coordinates in [0, 1]."""
        return np.clip(np.floor(np.asarray(u, dtype=np.float64) * self.size), 0, self.size - 1)

    @cached_property
    def at(self) -> Callable[[float], Label]:
        """The function from one coordinate to its stored label, fast."""
        return partial(pick, self.labels)

    def value(self, u: float) -> Label:
        """The label at one coordinate."""
        return self.at(u)


def _domain_key(domain: Choice | Ordinal) -> tuple[Any, ...]:
    return tuple(map(label_key, domain.labels)), label_key(domain.default), domain.when


Domain: TypeAlias = Float | Int | Ordinal | Choice
