"""Groups: parameters of one kind, encoded at once, since a call of NumPy costs as much for one column as for ten.

What comes out is what the domains' own `encode` and `snap` give, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..types import Floats, Label
from .domain import Domain
from .labelled import Choice, Ordinal
from .lattice import as_floats
from .numeric import Float, Int


class Group(NamedTuple):
    """Some parameters and how they are encoded.

    Attributes:
        columns: (k,) where they are.
        read: the function from configurations to values (n, k), NaN for parameters that one lacks.
        coordinates: the function from these to coordinates (n, k).
    """

    columns: NDArray[np.intp]
    read: Callable[[Sequence[Mapping[str, Label]]], Floats]
    coordinates: Callable[[Floats], Floats]


class LogInts(NamedTuple):
    """The whole numbers on a log scale: columns (k,), bounds (k,), and logarithms of the bins' bounds (k,)."""

    columns: NDArray[np.intp]
    low: Floats
    high: Floats
    log_low: Floats
    log_high: Floats

    def snap(self, u: Floats) -> Floats:
        """Return the nearest coordinates (n, k) of values."""
        x = np.round(np.exp(self.log_low + u * (self.log_high - self.log_low)))
        return _on_log_scale(self.log_low, self.log_high, np.minimum(np.maximum(x, self.low), self.high))


def groups_of(parameters: Mapping[str, Domain]) -> tuple[Group, ...]:
    """Return the groups of all parameters that can be encoded with others."""
    groups = []
    for formula in (_on_line, _on_log_scale, _on_lattice, _by_index):
        found = [(j, name, x) for j, (name, x) in enumerate(parameters.items()) if _encoding(x)[0] is formula]
        if not found:
            continue
        columns, names, domains = zip(*found, strict=True)
        constants = np.array([_encoding(x)[1] for x in domains], dtype=np.float64).T  # a row of each
        read = (
            partial(_indices, names, domains) if formula is _by_index else partial(_numbers, names, itemgetter(*names))
        )
        groups.append(Group(np.array(columns, dtype=np.intp), read, partial(formula, *constants)))
    return tuple(groups)


def is_alone(domain: Domain) -> bool:
    """Return whether a domain is in no group."""
    return _encoding(domain)[0] is None


def log_ints_of(domains: Sequence[Domain]) -> LogInts | None:
    """Return the whole numbers on a log scale; None if there are none."""
    found = [(j, x.low, x.high, *x.logs) for j, x in enumerate(domains) if isinstance(x, Int) and x.on_log_scale]
    if not found:
        return None
    columns, *rest = zip(*found, strict=True)
    return LogInts(np.array(columns, dtype=np.intp), *(np.array(x, dtype=np.float64) for x in rest))


def _encoding(domain: Domain) -> tuple[Callable[..., Floats] | None, tuple[float, ...]]:
    """The function from constants and values to coordinates, and a domain's constants; None for one that has none."""
    if isinstance(domain, Choice):
        return _by_index, (0.0, 1.0)
    if isinstance(domain, Ordinal):
        return _by_index, (0.5, float(domain.size))
    if isinstance(domain, Float) and domain.is_line:
        return _on_line, (domain.low, domain.high - domain.low)
    if domain.on_log_scale:
        return _on_log_scale, domain.logs
    lattice = domain.lattice
    if domain.size == 1 or lattice is None or not lattice.is_even:
        return None, ()
    return _on_lattice, (lattice.first / lattice.scale, lattice.step / lattice.scale, float(lattice.size))


def _on_line(low: Floats, width: Floats, x: Floats) -> Floats:
    return x / width - low / width


def _on_log_scale(log_low: Floats, log_high: Floats, x: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return (np.log(x) - log_low) / (log_high - log_low)


def _on_lattice(low: Floats, step: Floats, size: Floats, x: Floats) -> Floats:
    return (np.round((x - low) / step) + 0.5) / size


def _by_index(shift: Floats, size: Floats, index: Floats) -> Floats:
    return (index + shift) / size


def _numbers(
    names: Sequence[str], get_all: Callable[[Mapping[str, Label]], Any], configurations: Sequence[Mapping[str, Label]]
) -> Floats:
    """(n, k) numbers; whole ones that no float can hold are infinite."""
    try:
        values = list(map(get_all, configurations))
    except KeyError:  # somewhere, some are inactive
        values = [[c.get(name, np.nan) for name in names] for c in configurations]
    try:
        return np.array(values, dtype=np.float64).reshape(-1, len(names))
    except OverflowError:
        return np.stack([as_floats([c.get(name, np.nan) for c in configurations]) for name in names], axis=1)


def _indices(
    names: Sequence[str], domains: Sequence[Choice | Ordinal], configurations: Sequence[Mapping[str, Label]]
) -> Floats:
    """(n, k) positions of labels among the choices."""
    own = list(zip(names, domains, strict=True))
    rows = [[x.index(c[name]) if name in c else np.nan for name, x in own] for c in configurations]
    return np.array(rows, dtype=np.float64).reshape(-1, len(own))
