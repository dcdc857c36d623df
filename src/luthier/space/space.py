"""Space: named domains with conditions and constraints, and the encoding that samplers work on.

A configuration is a dict of stored values of its active parameters. Encoded, it is a row of X (n, d),
in the order of `names`: coordinates in [0, 1] for numeric and ordered parameters, the index for a
Choice, NaN where the parameter is inactive.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import SpaceError
from ..notebook import table
from ..types import Configuration, Floats, Label, Mask
from . import encoding, points
from .conditions import condition_of, known, listed, parents_first
from .domain import Domain, domain_from_json, domain_to_json
from .expression import parse
from .labelled import Choice, Ordinal
from .labels import shown
from .numeric import Float, Int

FORMAT = 1


class Space:
    """Holds an immutable search space.

    >>> import luthier as lt
    >>> space = lt.Space(
    ...     {"width": lt.Int(32, 512, step=32, default=64), "heads": lt.Ordinal([1, 2, 4, 8], default=4)},
    ...     require=["width % heads == 0"],
    ... )
    >>> space.defaults()
    {'width': 64, 'heads': 4}
    >>> lt.Space.from_json(space.to_json()) == space
    True

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
            check_name(name)
            if not isinstance(domain, Float | Int | Choice | Ordinal):
                raise SpaceError(f"parameter {name!r} is {domain!r}: it must be a Float, Int, Choice or Ordinal")
        expressions = tuple(parse(text) for text in self.require)
        for expression in expressions:
            known(expression, f"require={expression.text!r}", self.parameters)
        conditions = {name: condition_of(name, self.parameters) for name in self.parameters}
        self._layout = encoding.Layout(self.parameters, conditions, parents_first(conditions), expressions)
        self.names = self._layout.names  # parameters in the order of the columns
        if any(isinstance(domain.when, str) for domain in self.domains):
            self.snap(np.full((1, len(self)), np.nan))  # raises where an expression makes no sense for the values
        if self.require:
            points.check_not_empty(self._layout, self.size)

    # -- what it is

    @property
    def index(self) -> dict[str, int]:
        """Column of every parameter."""
        return self._layout.index

    @property
    def domains(self) -> tuple[Domain, ...]:
        """Domains in the order of the columns."""
        return self._layout.domains

    @property
    def is_choice(self) -> Mask:
        """(d,) which columns hold indices of a Choice."""
        return self._layout.is_choice

    @property
    def sizes(self) -> Floats:
        """(d,) number of values of each parameter; inf for a continuum."""
        return self._layout.sizes

    @property
    def bins(self) -> Floats:
        """(d,) number of equal bins in [0, 1] of each column; inf for continua, log integers and choices."""
        return self._layout.bins

    @property
    def size(self) -> float:
        """How many combinations of values there are, exactly; inf where a parameter is a continuum."""
        sizes = [domain.size for domain in self.domains]
        return math.inf if None in sizes else math.prod(size for size in sizes if size is not None)

    @property
    def order(self) -> tuple[str, ...]:
        """Parameters in an order in which each comes after those that it depends on."""
        return self._layout.order

    @property
    def is_flat(self) -> bool:
        """Whether every parameter is always active."""
        return self._layout.is_flat

    def parents(self, name: str) -> tuple[str, ...]:
        """Return the parameters that decide whether `name` is active; empty if it always is."""
        condition = self._layout.conditions[name]
        return () if condition is None else condition.names

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

    def _repr_html_(self) -> str:
        rows = [(name, domain, "" if domain.when is None else domain.when) for name, domain in self.parameters.items()]
        caption = f"space of {len(self)} parameters" + (f", require {list(self.require)}" if self.require else "")
        return table(caption, ("name", "domain", "when"), rows)

    # -- the encoding

    def active(self, X: Floats) -> Mask:
        """Return which parameters are active, decided by the coordinates alone.

        Args:
            X: (n, d) encoded rows; values in columns of inactive parameters are ignored.

        Returns:
            (n, d) booleans.
        """
        return encoding.active(self._layout, X)

    def feasible(self, X: Floats) -> Mask:
        """(n,) which rows satisfy every `require`; rows as `active` leaves them (NaN where inactive)."""
        return encoding.feasible(self._layout, X)

    def from_unit(self, U: Floats) -> Floats:
        """Return encoded rows of points of the unit cube: snapped to what exists, NaN where inactive.

        Args:
            U: (n, d) in [0, 1]; also for a Choice, whose index is floor(u · k).
        """
        return encoding.from_unit(self._layout, U)

    def snap(self, X: Floats) -> Floats:
        """Return the nearest encoded rows that exist: inside the bounds, at bin centres, NaN where inactive.

        A NaN in a column that is active means that nothing was proposed for it; it becomes the middle.
        """
        return encoding.snap(self._layout, X)

    def encode(self, configurations: Sequence[Mapping[str, Label]]) -> Floats:
        """Return rows (n, d) of configurations; NaN for parameters that a configuration lacks.

        Values outside a numeric range give coordinates outside [0, 1]: a range may have changed.

        Raises:
            SpaceError: an unknown choice.
        """
        return encoding.encode(self._layout, configurations)

    def decode(self, X: Floats) -> list[Configuration]:
        """Return configurations of encoded rows; a NaN column is left out."""
        return encoding.decode(self._layout, X)

    def decode_one(self, u: Floats) -> Configuration:
        """Return the configuration of one point (d,) of the unit cube: `decode(from_unit(u))`, without the arrays."""
        return encoding.decode_one(self._layout, u)

    # -- points

    def sample(self, rng: np.random.Generator, n: int) -> Floats:
        """n encoded rows, uniform over the unit cube less what `require` forbids.

        Raises:
            SpaceError: hardly anything satisfies `require`.
        """
        return points.sample(self._layout, rng, n)

    def defaults(self) -> Configuration:
        """Return the default configuration: defaults where given, else the middle of the range or the first choice.

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
        """Return the stored form of a full configuration.

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

    def known(self, params: Mapping[str, Label]) -> Configuration:
        """Return the stored values that have a coordinate here.

        What was queued, or added from elsewhere, may have others before an objective has shown its domains.
        """
        return {name: value for name, value in params.items() if self._has_coordinate(name, value)}

    def _has_coordinate(self, name: str, value: Label) -> bool:
        try:
            return name in self.parameters and bool(np.isfinite(self.parameters[name].encode([value])).all())
        except (SpaceError, TypeError, ValueError, OverflowError):
            return False

    def check_partial(self, configuration: Mapping[str, Any]) -> Configuration:
        """Return the stored form of some parameters' values.

        Raises:
            SpaceError: an unknown parameter, or a value outside its domain.
        """
        stored: Configuration = {}
        for name, value in configuration.items():
            if name not in self.parameters:
                raise SpaceError(f"there is no parameter {name!r}: {listed(self.parameters)}")
            try:
                stored[name] = self.parameters[name].stored(value)
            except SpaceError as error:
                raise SpaceError(f"parameter {name!r}: {error}") from error
        return stored

    def restore(self, configuration: Mapping[str, Label]) -> dict[str, Any]:
        """Return the values behind stored labels: what an objective works with.

        Values that the space lacks, such as a choice that it had before, are left as they are.
        """
        restored: dict[str, Any] = dict(configuration)
        for name, label in configuration.items():
            domain = self.parameters.get(name)
            if isinstance(domain, Choice | Ordinal) and label in domain:
                restored[name] = domain.restored(label)
        return restored

    # -- other spaces, and JSON

    def with_(self, **domains: Domain) -> Space:
        """Return a space with more, or other, parameters."""
        return Space({**self.parameters, **domains}, self.require)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads back; of choices that are not JSON, the labels alone."""
        return {
            "format": FORMAT,
            "parameters": {name: domain_to_json(domain) for name, domain in self.parameters.items()},
            "require": list(self.require),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any] | str) -> Space:
        """Return the space of a JSON object or its text.

        Raises:
            SpaceError: it is not a space, or of a newer format.
        """
        try:
            if isinstance(data, str):
                data = json.loads(data)
            assert not isinstance(data, str)
            if data["format"] > FORMAT:
                raise SpaceError(
                    f"the space has format {data['format']}, this version of Luthier reads up to {FORMAT}: upgrade it"
                )
            return Space({name: domain_from_json(x) for name, x in data["parameters"].items()}, data.get("require", ()))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, SpaceError):
                raise
            raise SpaceError(f"this is not the JSON of a space: {error!r}") from error


def check_name(name: Any) -> None:
    """Raise `SpaceError` unless a parameter can have that name."""
    if not isinstance(name, str) or not name:
        raise SpaceError(f"a parameter's name is {shown(name)}: it must be a non-empty string")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise SpaceError(
            f"a parameter's name is {shown(name)}: it has half of a character (a lone surrogate): remove it"
        ) from None
