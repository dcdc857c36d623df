"""Space: named domains with conditions and constraints, and the encoding that samplers work on.

A configuration is a dict of stored values of its active parameters. Encoded, it is a row of X (n, d),
in the order of `names`: coordinates in [0, 1] for numeric and ordered parameters, the index for a
Choice, NaN where the parameter is inactive.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpaceError
from ..types import Configuration, Floats, Label, Mask
from .domain import Domain, domain_from_json, domain_to_json
from .expression import Expression, parse
from .labelled import Choice, Ordinal, pick
from .numeric import Float, Int

FORMAT = 1
_BATCH = 1024
_TRIES = 200_000  # uniform points that are tried before a space counts as empty


class Space:
    """An immutable search space.

    Args:
        parameters: domains by name.
        require: expressions that every configuration satisfies, such as `"width % heads == 0"`. One that
            names an inactive parameter asks nothing.

    Raises:
        SpaceError: a condition names an unknown parameter or runs in a circle, an expression is not
            allowed, or no configuration satisfies `require`.
    """

    def __init__(self, parameters: Mapping[str, Domain], require: Iterable[str] = ()) -> None:
        self.parameters: dict[str, Domain] = dict(parameters)
        self.require: tuple[str, ...] = (require,) if isinstance(require, str) else tuple(require)
        for name, domain in self.parameters.items():
            if not isinstance(name, str) or not name:
                raise SpaceError(f"a parameter's name is {name!r}: it must be a string that is not empty")
            if not isinstance(domain, Float | Int | Choice | Ordinal):
                raise SpaceError(f"parameter {name!r} is {domain!r}: it must be a Float, Int, Choice or Ordinal")
        self._require = tuple(parse(text) for text in self.require)
        for expression in self._require:
            self._known(expression, f"require={expression.text!r}")
        self._conditions = {name: self._condition(name) for name in self.parameters}
        self._order = self._sorted()
        if self._require:
            self._check_not_empty()

    # -- what it is

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
        return np.array([np.inf if x.size is None else x.size for x in self.domains])

    @cached_property
    def bins(self) -> Floats:
        """(d,) number of equal bins in [0, 1] of each column; inf for continua, log integers and choices."""
        return np.array(
            [
                np.inf if x.size is None or isinstance(x, Choice) or getattr(x, "log", False) else x.size
                for x in self.domains
            ]
        )

    @cached_property
    def is_flat(self) -> bool:
        """Whether every parameter is always active."""
        return not any(self._conditions.values())

    def parents(self, name: str) -> tuple[str, ...]:
        """The parameters that decide whether `name` is active; empty if it always is."""
        condition = self._conditions[name]
        if condition is None:
            return ()
        return condition.names if isinstance(condition, Expression) else tuple(condition)

    def __len__(self) -> int:
        return len(self.parameters)

    def __contains__(self, name: object) -> bool:
        return name in self.parameters

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and (list(self.parameters.items()), self.require) == (
            list(other.parameters.items()),
            other.require,
        )

    def __hash__(self) -> int:
        return hash((self.names, self.require))

    def __repr__(self) -> str:
        return f"Space({self.parameters!r}, require={list(self.require)!r})"

    # -- conditions

    def _known(self, expression: Expression, where: str) -> None:
        for name in expression.names:
            if name not in self.parameters:
                raise SpaceError(f"{where} names {name!r}, which is not a parameter: {self._listed()}")

    def _listed(self) -> str:
        return "the parameters are " + (", ".join(map(repr, self.parameters)) or "none")

    def _condition(self, name: str) -> Expression | dict[str, Floats] | None:
        """The condition of a parameter: an expression, or the allowed coordinates of each parent."""
        when = self.parameters[name].when
        if when is None:
            return None
        if isinstance(when, str):
            expression = parse(when)
            self._known(expression, f"when={when!r} of {name!r}")
            return expression
        condition = {}
        for parent, allowed in when.items():
            if parent not in self.parameters:
                raise SpaceError(f"when= of {name!r} names {parent!r}, which is not a parameter: {self._listed()}")
            domain = self.parameters[parent]
            if isinstance(domain, Float) and domain.size is None:
                raise SpaceError(f"when= of {name!r}: {parent!r} is a continuum: write when='{parent} > ...' instead")
            try:
                condition[parent] = np.asarray(domain.encode([domain.stored(x) for x in allowed]))
            except SpaceError as error:
                raise SpaceError(f"when= of {name!r}, parent {parent!r}: {error}") from error
        return condition

    def _sorted(self) -> tuple[str, ...]:
        """Parameters with parents first."""
        done: dict[str, None] = {}
        for start in self.parameters:
            stack, path = [(start, False)], list[str]()
            while stack:
                name, leaving = stack.pop()
                if leaving:
                    path.pop()
                    done[name] = None
                elif name in path:
                    circle = " -> ".join([*path[path.index(name) :], name])
                    raise SpaceError(f"the conditions run in a circle: {circle}: drop one of these when=")
                elif name not in done:
                    path.append(name)
                    stack.append((name, True))
                    stack.extend((p, False) for p in reversed(self.parents(name)))
        return tuple(done)

    def active(self, X: Floats) -> Mask:
        """Which parameters are active, decided by the coordinates alone.

        Args:
            X: (n, d) encoded rows; values in columns of inactive parameters are ignored.

        Returns:
            (n, d) booleans.
        """
        mask = np.ones(X.shape, dtype=bool)
        if self.is_flat:
            return mask
        for name in self._order:
            condition = self._conditions[name]
            if condition is None:
                continue
            j = self.index[name]
            parents = [self.index[p] for p in self.parents(name)]
            mask[:, j] = mask[:, parents].all(axis=1) & ~np.isnan(X[:, parents]).any(axis=1)
            if isinstance(condition, Expression):
                mask[:, j] &= condition({p: self._column(X, p) for p in condition.names})
            else:
                for parent, allowed in condition.items():
                    gap = np.abs(self._snapped(X, parent)[:, None] - allowed[None, :])  # (n, allowed)
                    mask[:, j] &= (gap < 1e-9).any(axis=1)
        return mask

    def feasible(self, X: Floats) -> Mask:
        """(n,) which rows satisfy every `require`; rows as `active` leaves them (NaN where inactive)."""
        good = np.ones(len(X), dtype=bool)
        for expression in self._require:
            there = ~np.isnan(X[:, [self.index[name] for name in expression.names]]).any(axis=1)
            held = expression({name: self._column(X, name) for name in expression.names}) if len(X) else good
            good &= held | ~there
        return good

    def _snapped(self, X: Floats, name: str) -> Floats:
        domain, u = self.parameters[name], X[:, self.index[name]]
        if isinstance(domain, Choice):
            return np.round(u)
        if isinstance(domain, Ordinal):
            return (domain.decode(u) + 0.5) / domain.size
        return domain.encode(domain.decode(u))

    def _column(self, X: Floats, name: str) -> NDArray[Any]:
        """Values of one parameter as expressions see them: float64, or objects for labels that are not numbers."""
        domain, u = self.parameters[name], X[:, self.index[name]]
        if isinstance(domain, Float | Int):
            return domain.decode(u)
        missing = np.isnan(u)
        indices = domain.decode(np.where(missing, 0.0, u)).astype(np.intp)
        if all(isinstance(label, bool | int | float) for label in domain.labels):
            return np.where(missing, np.nan, np.array(domain.labels, dtype=np.float64)[indices])
        table = np.empty(domain.size, dtype=object)
        table[:] = domain.labels
        return table[indices]

    # -- the encoding

    def from_unit(self, U: Floats) -> Floats:
        """Encoded rows of points of the unit cube: snapped to what exists, NaN where inactive.

        Args:
            U: (n, d) in [0, 1]; also for a Choice, whose index is floor(u · k).
        """
        X = np.array(U, dtype=np.float64)
        for j, domain in enumerate(self.domains):
            if isinstance(domain, Choice):
                X[:, j] = np.minimum(np.floor(X[:, j] * domain.size), domain.size - 1)
        return self.snap(X)

    def snap(self, X: Floats) -> Floats:
        """The nearest encoded rows that exist: inside the bounds, at bin centres, NaN where inactive.

        A NaN in a column that is active means that nothing was proposed for it; it becomes the middle.
        """
        middle, top, steps = self._nearest
        X = np.where(np.isnan(X), middle, X)
        np.minimum(np.maximum(X, 0.0, out=X), top, out=X)
        for j, name in steps:
            X[:, j] = self._snapped(X, name)
        if not self.is_flat:
            X[~self.active(X)] = np.nan
        return X

    @cached_property
    def _nearest(self) -> tuple[Floats, Floats, tuple[tuple[int, str], ...]]:
        """What `snap` needs: middles (d,), upper bounds (d,), and the columns with steps with their names."""
        middle, top = np.where(self.is_choice, 0.0, 0.5), np.where(self.is_choice, self.sizes - 1, 1.0)
        return middle, top, tuple((j, name) for j, name in enumerate(self.names) if self.domains[j].size is not None)

    def encode(self, configurations: Sequence[Mapping[str, Label]]) -> Floats:
        """Rows (n, d) of configurations; NaN for parameters that a configuration lacks.

        Values outside a numeric range give coordinates outside [0, 1]: a range may have changed.

        Raises:
            SpaceError: an unknown choice.
        """
        X = np.full((len(configurations), len(self)), np.nan)
        names, get_all, columns, low, width = self._lines
        if names:
            try:
                values = list(map(get_all, configurations))
            except KeyError:  # somewhere, some are inactive
                values = [[c.get(name, np.nan) for name in names] for c in configurations]
            X[:, columns] = np.array(values, dtype=np.float64).reshape(-1, len(names)) / width - low / width
        for j, name, domain in self._not_lines:
            rows = [i for i, c in enumerate(configurations) if name in c]
            if rows:
                X[rows, j] = domain.encode([configurations[i][name] for i in rows])
        return X

    @cached_property
    def _lines(
        self,
    ) -> tuple[tuple[str, ...], Callable[[Mapping[str, Label]], Any], slice | list[int], Floats, Floats]:
        """Continua on a linear scale, which are encoded at once: names, their getter, columns, lower bounds, widths."""
        found = [
            (name, j, domain.low, domain.high - domain.low)
            for j, (name, domain) in enumerate(self.parameters.items())
            if isinstance(domain, Float) and domain.size is None and not domain.log
        ]
        columns = [j for _, j, _, _ in found]
        everywhere: slice | list[int] = slice(None) if len(found) == len(self) else columns
        low, width = (np.array([x[k] for x in found], dtype=np.float64) for k in (2, 3))
        names = tuple(x[0] for x in found)
        return names, itemgetter(*(names or ("",))), everywhere, low, width

    @cached_property
    def _not_lines(self) -> tuple[tuple[int, str, Domain], ...]:
        """Column, name and domain of every other parameter."""
        lines = set(self._lines[0])
        return tuple((j, name, x) for j, (name, x) in enumerate(self.parameters.items()) if name not in lines)

    def decode(self, X: Floats) -> list[Configuration]:
        """Configurations of encoded rows; a NaN column is left out."""
        values = [(name, domain.value) for name, domain in self.parameters.items()]
        return [{name: value(u) for (name, value), u in zip(values, row, strict=True) if u == u} for row in X.tolist()]

    def decode_one(self, u: Floats) -> Configuration:
        """The configuration of one point (d,) of the unit cube: `decode(from_unit(u))`, without the arrays."""
        if self.is_flat:
            return {name: at(x) for (name, at), x in zip(self._at, u.tolist(), strict=True)}
        return self.decode(self.from_unit(u[None, :]))[0]

    @cached_property
    def _at(self) -> tuple[tuple[str, Callable[[float], Label]], ...]:
        """For every parameter the function from a unit coordinate to the stored value."""
        return tuple(
            (name, partial(pick, domain.labels) if isinstance(domain, Choice) else domain.at)
            for name, domain in self.parameters.items()
        )

    # -- points

    def sample(self, rng: np.random.Generator, n: int) -> Floats:
        """n encoded rows, uniform over the unit cube less what `require` forbids.

        Raises:
            SpaceError: hardly anything satisfies `require`.
        """
        if not self._require:
            return self.from_unit(rng.random((n, len(self))))
        found: list[Floats] = [np.empty((0, len(self)))]
        count, tried = 0, 0
        while count < n:
            X = self.from_unit(rng.random((_BATCH, len(self))))
            good = X[self.feasible(X)]
            found.append(good)
            count += len(good)
            tried += _BATCH
            if tried >= _TRIES and count == 0:
                raise self._empty(tried)
        return np.concatenate(found)[:n]

    def _check_not_empty(self) -> None:
        size = float(np.prod(self.sizes))
        if size <= _TRIES:
            grids = np.meshgrid(*[(np.arange(k) + 0.5) / k for k in self.sizes], indexing="ij")
            X = self.from_unit(np.stack([g.ravel() for g in grids], axis=1))
            if not self.feasible(X).any():
                raise self._empty(len(X))
        else:
            self.sample(np.random.default_rng(0), 1)

    def _empty(self, tried: int) -> SpaceError:
        return SpaceError(
            f"no configuration satisfies require={list(self.require)} (of {tried} tried): loosen it or widen the ranges"
        )

    def defaults(self) -> Configuration:
        """The default configuration: defaults where given, else the middle of the range or the first choice.

        Raises:
            SpaceError: it does not satisfy `require`.
        """
        row = np.full((1, len(self)), np.nan)
        for j, domain in enumerate(self.domains):
            if domain.default is not None:
                row[0, j] = domain.encode([domain.stored(domain.default)])[0]
        X = self.snap(row)
        if not self.feasible(X)[0]:
            raise SpaceError(f"the defaults {self.decode(X)[0]} do not satisfy require={list(self.require)}")
        configuration = self.decode(X)[0]
        for name, domain in self.parameters.items():  # exactly as given: decoding rounds in the last digit
            if name in configuration and domain.default is not None:
                configuration[name] = domain.stored(domain.default)
        return configuration

    @property
    def has_defaults(self) -> bool:
        """Whether any parameter names a default."""
        return any(domain.default is not None for domain in self.domains)

    def check(self, configuration: Mapping[str, Any]) -> Configuration:
        """The stored form of a full configuration.

        Raises:
            SpaceError: an unknown, missing or inactive parameter, a value outside its domain, or a
                `require` that does not hold.
        """
        stored = self.check_partial(configuration)
        X = self.encode([stored])
        active = self.active(X)[0]
        for j, name in enumerate(self.names):
            if active[j] and name not in stored:
                raise SpaceError(f"parameter {name!r} is missing")
            if not active[j] and name in stored:
                raise SpaceError(f"parameter {name!r} is inactive here (when={self.domains[j].when!r}): leave it out")
        if not self.feasible(X)[0]:
            raise SpaceError(f"{stored} does not satisfy require={list(self.require)}")
        return stored

    def check_partial(self, configuration: Mapping[str, Any]) -> Configuration:
        """The stored form of some parameters' values.

        Raises:
            SpaceError: an unknown parameter, or a value outside its domain.
        """
        stored: Configuration = {}
        for name, value in configuration.items():
            if name not in self.parameters:
                raise SpaceError(f"there is no parameter {name!r}: {self._listed()}")
            try:
                stored[name] = self.parameters[name].stored(value)
            except SpaceError as error:
                raise SpaceError(f"parameter {name!r}: {error}") from error
        return stored

    def complete(
        self, fixed: Mapping[str, Label], suggested: Mapping[str, Label], rng: np.random.Generator
    ) -> Configuration:
        """A full configuration with the fixed values, the rest as suggested, and by chance where need be.

        Fixed values of parameters that turn out to be inactive are left out.

        Raises:
            SpaceError: nothing that `require` allows has these fixed values.
        """
        rows = self.from_unit(rng.random((_BATCH, len(self))))
        chosen = self.encode([{**suggested, **fixed}])[0]
        fill = np.where(np.isnan(rows), 0.5, rows)
        for j, name in enumerate(self.names):
            if name in fixed:
                fill[:, j] = chosen[j]
        fill[0] = np.where(np.isnan(chosen), fill[0], chosen)  # the first row is the one that was suggested
        X = self.snap(fill)
        good = np.flatnonzero(self.feasible(X))
        if len(good) == 0:
            raise SpaceError(f"nothing with {dict(fixed)} satisfies require={list(self.require)}: fix other values")
        configuration = self.decode(X[good[:1]])[0]
        return {name: fixed.get(name, value) for name, value in configuration.items()}

    def restore(self, configuration: Mapping[str, Label]) -> dict[str, Any]:
        """The values behind stored labels: what an objective works with."""
        return {name: self.parameters[name].restored(label) for name, label in configuration.items()}

    # -- other spaces, and JSON

    def with_(self, **domains: Domain) -> Space:
        """A space with more, or other, parameters."""
        return Space({**self.parameters, **domains}, self.require)

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back; choices that are not JSON scalars keep their labels alone."""
        return {
            "format": FORMAT,
            "parameters": {name: domain_to_json(domain) for name, domain in self.parameters.items()},
            "require": list(self.require),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any] | str) -> Space:
        """The space of a JSON object or its text.

        Raises:
            SpaceError: it is not a space, or of a newer format.
        """
        try:
            if isinstance(data, str):
                data = json.loads(data)
            assert not isinstance(data, str)
            if data["format"] > FORMAT:
                raise SpaceError(
                    f"the space has format {data['format']}, this Luthier reads up to {FORMAT}: upgrade it"
                )
            return Space({name: domain_from_json(x) for name, x in data["parameters"].items()}, data.get("require", ()))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, SpaceError):
                raise
            raise SpaceError(f"this is not the JSON of a space: {error!r}") from error
