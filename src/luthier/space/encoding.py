"""The encoding: configurations as rows of numbers, which is what samplers and models work on.

Encoded, a configuration is a row of X (n, d), in the order of the parameters: coordinates in [0, 1] for numeric and
ordered ones, the index for a Choice, NaN where a parameter is inactive. Everything here is a pure function of a
`Layout`, which describes what the columns stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..types import Configuration, Floats, Label, Mask
from .conditions import AllOf, Condition, bin_of
from .domain import Domain
from .expression import Expression
from .labelled import Choice, pick
from .numeric import Float, Int

_FEW = 8  # configurations that are encoded faster value by value
_EXACT = 2**53  # whole numbers up to which floats hold each
_LARGEST = 10**300  # beyond it, a number of values counts as infinite


@dataclass(frozen=True, eq=False)
class Layout:
    """What the columns of X stand for, and what of it is worked out once.

    Args:
        parameters: domains by name, in the order of the columns.
        conditions: when each exists.
        order: names, parents first.
        require: what every configuration satisfies.
    """

    parameters: Mapping[str, Domain]
    conditions: Mapping[str, Condition]
    order: tuple[str, ...]
    require: tuple[Expression, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Parameters in the order of the columns."""
        return tuple(self.parameters)

    @cached_property
    def index(self) -> dict[str, int]:
        """Column of every parameter."""
        return {name: j for j, name in enumerate(self.names)}

    @cached_property
    def domains(self) -> tuple[Domain, ...]:
        """Domains in the order of the columns."""
        return tuple(self.parameters.values())

    @cached_property
    def is_choice(self) -> Mask:
        """(d,) which columns hold indices of a Choice."""
        return np.array([isinstance(x, Choice) for x in self.domains], dtype=bool)

    @cached_property
    def sizes(self) -> Floats:
        """(d,) number of values of each parameter; inf for a continuum."""
        sizes = [np.inf if x.size is None or x.size > _LARGEST else float(x.size) for x in self.domains]
        return np.array(sizes, dtype=np.float64)

    @cached_property
    def bins(self) -> Floats:
        """(d,) number of equal bins in [0, 1] of each column; inf for continua, log integers and choices."""
        uneven = [isinstance(x, Choice) or getattr(x, "on_log_scale", False) for x in self.domains]
        return np.where(np.array(uneven, dtype=bool), np.inf, self.sizes)

    @cached_property
    def is_flat(self) -> bool:
        """Whether every parameter is always active."""
        return all(condition is None for condition in self.conditions.values())

    @cached_property
    def conditional(self) -> tuple[tuple[Condition, tuple[str, ...], list[int], list[int]], ...]:
        """Conditions in the order in which they are decided: each with its parents, their columns, and the columns
        of the parameters that share it."""
        found: dict[Any, tuple[Condition, tuple[str, ...], list[int], list[int]]] = {}
        for name in self.order:
            condition = self.conditions[name]
            if condition is None:
                continue
            key = (
                condition.text
                if isinstance(condition, Expression)
                else tuple((parent, allowed.tobytes()) for parent, allowed in condition.allowed)
            )
            parents = condition.names
            entry = found.setdefault(key, (condition, parents, [self.index[p] for p in parents], []))
            entry[3].append(self.index[name])
        return tuple(found.values())

    @cached_property
    def nearest(self) -> tuple[Floats, Floats, NDArray[np.intp], NDArray[np.intp], Floats]:
        """What `snap` needs: middles (d,), upper bounds (d,), the columns of choices, those of equal bins and how many
        bins each has."""
        middle, top = np.where(self.is_choice, 0.0, 0.5), np.where(self.is_choice, self.sizes - 1, 1.0)
        even = np.isfinite(self.bins) & np.array(
            [x.lattice.is_small if isinstance(x, Float | Int) and x.lattice else True for x in self.domains], dtype=bool
        )
        columns = np.flatnonzero(even)
        return middle, top, np.flatnonzero(self.is_choice), columns, self.bins[columns]

    @cached_property
    def log_ints(self) -> tuple[NDArray[np.intp], Floats, Floats, Floats, Floats]:
        """Whole numbers on a log scale: columns (k,), bounds (k,), and logarithms of the bins' bounds (k,)."""
        found = [(j, x) for j, x in enumerate(self.domains) if isinstance(x, Int) and x.on_log_scale]
        bounds = np.array([(x.low, x.high, *x.logs) for _, x in found], dtype=np.float64)
        low, high, log_low, log_high = bounds.reshape(-1, 4).T
        return np.array([j for j, _ in found], dtype=np.intp), low, high, log_low, log_high

    @cached_property
    def lines(
        self,
    ) -> tuple[tuple[str, ...], Callable[[Mapping[str, Label]], Any], slice | list[int], Floats, Floats]:
        """Continua with `is_line`, which are encoded at once: names, their getter, columns, lower bounds, widths."""
        found = [
            (name, j, domain.low, domain.high - domain.low)
            for j, (name, domain) in enumerate(self.parameters.items())
            if isinstance(domain, Float) and domain.is_line
        ]
        columns = [j for _, j, _, _ in found]
        everywhere: slice | list[int] = slice(None) if len(found) == len(self.names) else columns
        low, width = (np.array([x[k] for x in found], dtype=np.float64) for k in (2, 3))
        names = tuple(x[0] for x in found)
        return names, itemgetter(*(names or ("",))), everywhere, low, width

    @cached_property
    def not_lines(self) -> tuple[tuple[int, str, Domain], ...]:
        """Column, name and domain of every other parameter."""
        lines = set(self.lines[0])
        return tuple((j, name, x) for j, (name, x) in enumerate(self.parameters.items()) if name not in lines)

    @cached_property
    def coordinates(self) -> tuple[tuple[str, Callable[[Label], float]], ...]:
        """For every parameter the function from a stored value to the encoded coordinate."""
        return tuple((name, x.coordinate) for name, x in self.parameters.items())

    @cached_property
    def values(self) -> tuple[tuple[str, Callable[[float], Label]], ...]:
        """For every parameter the function from an encoded coordinate to the stored value."""
        return tuple((name, x.value if isinstance(x, Choice) else x.at) for name, x in self.parameters.items())

    @cached_property
    def at(self) -> tuple[tuple[str, Callable[[float], Label]], ...]:
        """For every parameter the function from a unit coordinate to the stored value."""
        return tuple(
            (name, partial(pick, x.labels) if isinstance(x, Choice) else x.at) for name, x in self.parameters.items()
        )

    @cached_property
    def straight(self) -> tuple[tuple[str, float, float], ...] | None:
        """Name and bounds of every parameter, where all are continua on a linear scale and always there."""
        domains = [x for x in self.domains if isinstance(x, Float) and x.size is None and not x.on_log_scale]
        if not self.is_flat or len(domains) < len(self.domains):
            return None
        return tuple((name, x.low, x.high) for name, x in zip(self.names, domains, strict=True))

    @cached_property
    def one_by_one(self) -> tuple[_Step, ...] | None:
        """How one configuration is made, parents first; None where that takes columns."""
        conditions = [c for c in self.conditions.values() if c is not None]
        parents = {parent for c in conditions for parent in c.names}
        bins = {parent: _unit_bin(self.parameters[parent]) for parent in parents}
        if any(isinstance(c, Expression) for c in conditions) or None in bins.values():
            return None
        functions = dict(self.at)
        steps = []
        for name in self.order:
            condition = self.conditions[name]
            allowed = condition.allowed if isinstance(condition, AllOf) else ()
            tests = tuple((parent, frozenset(values.astype(int).tolist())) for parent, values in allowed)
            steps.append((name, self.index[name], functions[name], tests, bins.get(name)))
        return tuple(steps)


_Step: TypeAlias = tuple[
    str, int, Callable[[float], Label], tuple[tuple[str, frozenset[int]], ...], Callable[[float], int] | None
]
"""A parameter: its name and column, the value at a unit coordinate, which bins of its parents it needs, and, where it
is a parent, the bin of a unit coordinate."""


def _unit_bin(domain: Domain) -> Callable[[float], int] | None:
    """The function from a unit coordinate to the number of the value, as `bin_of` numbers them; None if unknown."""
    size = domain.size
    if isinstance(domain, Int) and domain.on_log_scale:
        return partial(_distance, domain.at, domain.low) if domain.size <= _EXACT else None
    if size is None or (isinstance(domain, Float | Int) and not (domain.lattice and domain.lattice.is_small)):
        return None
    return partial(_bin, size)


def _distance(at: Callable[[float], int], low: int, u: float) -> int:
    return at(u) - low


def _bin(size: int, u: float) -> int:
    k = int(u * size)
    return k if 0 <= k < size else size - 1 if k > 0 else 0


def active(layout: Layout, X: Floats) -> Mask:
    """(n, d) which parameters are active in rows X (n, d); what stands in columns of inactive ones is ignored."""
    columns = np.ascontiguousarray(X.T)  # (d, n): it is worked out column by column
    mask = np.ones(columns.shape, dtype=bool)
    bins: dict[str, Floats] = {}
    for condition, parents, places, children in layout.conditional:
        held: Mask = np.logical_and.reduce([mask[place] for place in places])
        if isinstance(condition, Expression):
            held &= ~np.isnan(columns[places]).any(axis=0)
            held &= condition({p: column(layout, X, p) for p in parents})
        elif isinstance(condition, AllOf):
            for parent, allowed in condition.allowed:
                if parent not in bins:  # NaN, which is never allowed, where the parent is missing
                    bins[parent] = bin_of(layout.parameters[parent], columns[layout.index[parent]])
                held &= _is_among(bins[parent], allowed)
        mask[children] = held
    return np.ascontiguousarray(mask.T)


def _is_among(bins: Floats, allowed: Floats) -> Mask:
    """(n,) which bins are allowed; comparing with the first and the last is enough where all between them are."""
    found: Mask
    if len(allowed) and allowed[-1] - allowed[0] == len(allowed) - 1:
        found = (bins >= allowed[0]) & (bins <= allowed[-1])
    else:
        found = np.logical_or.reduce(bins == allowed[:, None], axis=0)
    return found


def feasible(layout: Layout, X: Floats) -> Mask:
    """(n,) which rows satisfy every `require`; rows as `snap` leaves them (NaN where inactive)."""
    good = np.ones(len(X), dtype=bool)
    for expression in layout.require:
        there = ~np.isnan(X[:, [layout.index[name] for name in expression.names]]).any(axis=1)
        held = expression({name: column(layout, X, name) for name in expression.names}) if len(X) else good
        good &= held | ~there
    return good


def column(layout: Layout, X: Floats, name: str) -> NDArray[Any]:
    """Return values of one parameter as expressions see them: float64, or objects for labels that are not numbers."""
    domain, u = layout.parameters[name], X[:, layout.index[name]]
    if isinstance(domain, Float | Int):
        return domain.decode(u)
    missing = np.isnan(u)
    indices = domain.decode(np.where(missing, 0.0, u)).astype(np.intp)
    if all(isinstance(label, bool | int | float) for label in domain.labels):
        return np.where(missing, np.nan, np.array(domain.labels, dtype=np.float64)[indices])
    table = np.empty(domain.size, dtype=object)
    table[:] = domain.labels
    return table[indices]


def from_unit(layout: Layout, U: Floats) -> Floats:
    """Return encoded rows of points of the unit cube (n, d): snapped to what exists, NaN where inactive."""
    X = np.array(U, dtype=np.float64)
    chosen = layout.is_choice
    if chosen.any():
        k = layout.sizes[chosen]
        X[:, chosen] = np.minimum(np.floor(X[:, chosen] * k), k - 1)
    return snap(layout, X)


def snap(layout: Layout, X: Floats) -> Floats:
    """Return the nearest encoded rows that exist: inside the bounds, at bin centres, NaN where inactive.

    A NaN in a column that is active means that nothing was proposed for it; it becomes the middle.
    """
    middle, top, choices, columns, bins = layout.nearest
    X = np.where(np.isnan(X), middle, X)
    np.minimum(np.maximum(X, 0.0, out=X), top, out=X)
    if len(choices):
        X[:, choices] = np.round(X[:, choices])
    if len(columns):
        X[:, columns] = (np.minimum(np.floor(X[:, columns] * bins), bins - 1) + 0.5) / bins
    columns, low, high, a, b = layout.log_ints
    if len(columns):
        values = np.minimum(np.maximum(np.round(np.exp(a + X[:, columns] * (b - a))), low), high)
        X[:, columns] = (np.log(values) - a) / (b - a)
    if not layout.is_flat:
        X[~active(layout, X)] = np.nan
    return X


def encode(layout: Layout, configurations: Sequence[Mapping[str, Label]]) -> Floats:
    """Return rows (n, d) of configurations; NaN for parameters that a configuration lacks.

    Values outside a numeric range give coordinates outside [0, 1]: a range may have changed.

    Raises:
        SpaceError: an unknown choice.
    """
    if len(configurations) <= _FEW:
        try:
            few = [[f(c[name]) if name in c else np.nan for name, f in layout.coordinates] for c in configurations]
        except (TypeError, ValueError, OverflowError):  # values of other kinds
            pass
        else:
            return np.array(few, dtype=np.float64).reshape(len(few), len(layout.names))
    X = np.full((len(configurations), len(layout.names)), np.nan)
    names, get_all, columns, low, width = layout.lines
    if names:
        try:
            values = list(map(get_all, configurations))
        except KeyError:  # somewhere, some are inactive
            values = [[c.get(name, np.nan) for name in names] for c in configurations]
        X[:, columns] = np.array(values, dtype=np.float64).reshape(-1, len(names)) / width - low / width
    for j, name, domain in layout.not_lines:
        rows = [i for i, c in enumerate(configurations) if name in c]
        if rows:
            X[rows, j] = domain.encode([configurations[i][name] for i in rows])
    return X


def decode(layout: Layout, X: Floats) -> list[Configuration]:
    """Return configurations of encoded rows; a NaN column is left out."""
    values = layout.values
    return [{name: value(u) for (name, value), u in zip(values, row, strict=True) if u == u} for row in X.tolist()]


def decode_one(layout: Layout, u: Floats) -> Configuration:
    """Return the configuration of one point (d,) of the unit cube: `decode` of `from_unit`, without the arrays."""
    row = u.tolist()
    if layout.straight is not None:
        return {
            name: x if low <= (x := low * (1 - v) + high * v) <= high else min(max(x, low), high)
            for (name, low, high), v in zip(layout.straight, row, strict=True)
        }
    if layout.is_flat:
        return {name: at(x) for (name, at), x in zip(layout.at, row, strict=True)}
    if layout.one_by_one is None:
        return decode(layout, from_unit(layout, u[None, :]))[0]
    values: Configuration = {}
    bins: dict[str, int] = {}
    for name, j, at, tests, bin_at in layout.one_by_one:
        for parent, allowed in tests:
            if bins.get(parent) not in allowed:
                break
        else:
            values[name] = at(row[j])
            if bin_at is not None:
                bins[name] = bin_at(row[j])
    return values if layout.order == layout.names else {name: values[name] for name in layout.names if name in values}


def combinations(layout: Layout, start: int, stop: int) -> Floats:
    """Return encoded rows of the combinations with these numbers, where every parameter has finitely many values."""
    numbers, U = np.arange(start, stop), np.full((stop - start, len(layout.names)), 0.5)
    for j, size in enumerate(layout.sizes.astype(np.int64).tolist()):
        U[:, j] = (numbers % size + 0.5) / size
        numbers = numbers // size
    return from_unit(layout, U)
