"""The values that a grid gives to one parameter."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import SpaceError
from ...space import Choice, Domain, Float, Int, Ordinal
from ...space.labels import label_key
from ...types import Floats, Label

_MOST_VALUES = 2**50  # bins that doubles tell apart
_MOST_ON_LOG_SCALE = 2**44  # whole numbers up to which each comes back from its logarithm

Levels: TypeAlias = NDArray[Any]  # whole numbers: int64, or Python's where those could overflow
Wish: TypeAlias = int | tuple[str, ...] | None  # a number of points, keys of listed labels, or all there is


@dataclass(frozen=True)
class Axis:
    """The values of one parameter: levels 0 to size - 1 to coordinates, and back (-1 for none).

    Attributes:
        labels: exactly as they were listed; None for those that the coordinates give.
    """

    size: int
    coordinates: Callable[[Levels], Floats]
    levels: Callable[[Floats], NDArray[np.int64]]
    labels: tuple[Label, ...] | None = None


def axis(domain: Domain, wish: Wish, default: int) -> Axis:
    """Return the axis of a domain.

    Args:
        domain: of the parameter.
        wish: what was asked for by its name; a number of points thins out continua and numbers, not choices.
        default: points of a continuum that nothing was asked for.
    """
    if isinstance(wish, tuple):
        return _listed_axis(domain, tuple(json.loads(key) for key in wish))
    if isinstance(domain, Choice):
        return Axis(domain.size, lambda i: i.astype(np.float64), lambda u: np.round(u).astype(np.int64))
    size = domain.size
    if isinstance(domain, Ordinal):
        return _even_axis(domain.size)
    if size is None or _is_vast(domain) or (wish is not None and wish < size):
        u = np.linspace(0, 1, wish or default) if (wish or default) > 1 else np.array([0.5])
        return _table_axis(np.unique(domain.encode(domain.decode(u)) if size is None else domain.snap(u)))
    return _log_axis(domain, size) if isinstance(domain, Int) and domain.on_log_scale else _even_axis(size)


def _is_vast(domain: Float | Int) -> bool:
    """Whether there are too many values for doubles to tell their coordinates apart, so that it is a continuum."""
    if isinstance(domain, Int) and domain.on_log_scale:
        return domain.high > _MOST_ON_LOG_SCALE
    return domain.size is not None and domain.size > _MOST_VALUES


def listed(name: str, domain: Domain, values: Sequence[Any]) -> tuple[str, ...]:
    """Keys of the labels of listed values, each once, in their order.

    Raises:
        SpaceError: a value that the domain does not have.
    """
    keys: dict[str, None] = {}
    for value in values:
        try:
            label = domain.stored(value)
            if isinstance(domain, Int) and (off := (domain.check(value) - domain.low) % domain.step):
                below = int(value) - off
                nearest = below + domain.step if 2 * off > domain.step and below + domain.step <= domain.high else below
                raise SpaceError(f"{value} is not low + k * step; the nearest is {nearest}")
            if isinstance(domain, Float) and domain.step is not None and not _is_vast(domain):
                there = domain.value(float(domain.encode([label])[0]))
                if abs(there - float(value)) > 1e-9 * domain.step:
                    raise SpaceError(f"{value} is not low + k * step; the nearest is {there}")
        except SpaceError as error:
            raise SpaceError(
                f"GridSampler lists {value!r} for parameter {name!r}, which cannot have it: {error}; "
                "list other values, or change the parameter's range"
            ) from error
        keys[label_key(label)] = None
    return tuple(keys)


def _listed_axis(domain: Domain, labels: tuple[Label, ...]) -> Axis:
    coordinates = domain.encode(labels)
    first = np.sort(np.unique(coordinates, return_index=True)[1])  # two values may be too close to tell apart
    return _table_axis(coordinates[first], tuple(labels[i] for i in first))


def _table_axis(table: Floats, labels: tuple[Label, ...] | None = None) -> Axis:
    near = 1e-3 * (np.diff(np.sort(table)).min() if len(table) > 1 else 1.0)  # values come back with rounding errors

    def levels(u: Floats) -> NDArray[np.int64]:
        gap = np.abs(u[:, None] - table[None, :])
        i = gap.argmin(axis=1)
        return np.where(gap[np.arange(len(u)), i] <= near, i, -1)

    return Axis(len(table), lambda i: table[i.astype(np.intp)], levels, labels)


def _even_axis(size: int) -> Axis:
    """Of values at the centres of equal bins."""
    return Axis(size, lambda i: (i.astype(np.float64) + 0.5) / size, lambda u: _inside(np.floor(u * size), size))


def _log_axis(domain: Int, size: int) -> Axis:
    return Axis(
        size,
        lambda i: domain.encode(domain.low + i.astype(np.float64)),
        lambda u: np.where((u < 0) | (u > 1), -1, _inside(np.round(domain.decode(u) - domain.low), size)),
    )


def _inside(levels: Floats, size: int) -> NDArray[np.int64]:
    return np.where((levels >= 0) & (levels < size), levels, -1).astype(np.int64)
