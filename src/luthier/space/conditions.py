"""When a parameter exists: conditions made ready for whole columns, and the order in which they are decided."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np

from ..errors import SpaceError
from ..types import Floats
from .domain import Domain
from .expression import Expression, parse
from .labelled import Choice, Ordinal
from .labels import shown
from .numeric import Float, Int


class AllOf(NamedTuple):
    """Every parent has one of some values: parents with the indices of the values that are allowed."""

    allowed: tuple[tuple[str, Floats], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The parents."""
        return tuple(name for name, _ in self.allowed)


Condition: TypeAlias = Expression | AllOf | None


def bin_of(domain: Domain, u: Floats) -> Floats:
    """Return which of its values every coordinate stands for, numbered from 0; NaN of NaN. Not for a continuum."""
    if isinstance(domain, Choice):
        return domain.snap(u)
    if isinstance(domain, Ordinal):
        return domain.decode(u)
    if domain.size == 1:
        return np.where(np.isnan(u), u, 0.0)
    if isinstance(domain, Int) and domain.on_log_scale:
        return domain.decode(u) - domain.low
    assert domain.lattice is not None
    return domain.lattice.bin(u)


def known(expression: Expression, where: str, parameters: Mapping[str, Domain]) -> None:
    """Raise `SpaceError` unless every name of the expression is a parameter."""
    for name in expression.names:
        if name not in parameters:
            normal = unicodedata.normalize("NFKC", name)
            same = [p for p in parameters if unicodedata.normalize("NFKC", p) == normal]
            hint = f"; {same[0]!r} only looks like it" if same else ""
            raise SpaceError(f"{where} names {shown(name)}, which is not a parameter{hint}: {listed(parameters)}")
    for word in expression.constants:
        if word in parameters and word not in expression.names:
            raise SpaceError(
                f"{where}: {word} is the constant there, not the parameter {word!r}: write `{word}` for it"
            )


def listed(parameters: Iterable[str]) -> str:
    """Return the names of parameters, for a message."""
    return "the parameters are " + (", ".join(map(shown, parameters)) or "none")


def condition_of(name: str, parameters: Mapping[str, Domain]) -> Condition:
    """Return the condition of a parameter; None if it is always there.

    Raises:
        SpaceError: it names what is not a parameter, or values that a parent does not have.
    """
    when = parameters[name].when
    if when is None:
        return None
    if isinstance(when, str):
        expression = parse(when)
        known(expression, f"when={when!r} of {shown(name)}", parameters)
        return expression
    found = []
    for parent, allowed in when.items():
        where = f"when= of {shown(name)}"
        if parent not in parameters:
            raise SpaceError(f"{where} names {shown(parent)}, which is not a parameter: {listed(parameters)}")
        domain = parameters[parent]
        if isinstance(domain, Float) and domain.size is None:
            raise SpaceError(f"{where}: {shown(parent)} is continuous: write when='{parent} > ...' instead")
        try:
            coordinates = np.asarray(domain.encode([domain.stored(x) for x in allowed]), dtype=np.float64)
        except SpaceError as error:
            raise SpaceError(f"{where}, parent {shown(parent)}: {error}") from error
        found.append((parent, np.unique(bin_of(domain, coordinates))))
    return AllOf(tuple(found))


def parents_first(conditions: Mapping[str, Condition]) -> tuple[str, ...]:
    """Return parameters in an order in which each comes after those that its condition names.

    Raises:
        SpaceError: the conditions run in a circle.
    """
    done: dict[str, None] = {}
    for start in conditions:
        stack, path = [(start, False)], dict[str, None]()
        while stack:
            name, leaving = stack.pop()
            if leaving:
                path.pop(name)
                done[name] = None
            elif name in path:
                names = list(path)
                circle = " -> ".join([*names[names.index(name) :], name])
                raise SpaceError(f"the conditions form a cycle: {circle}: drop one of these when=")
            elif name not in done:
                path[name] = None
                stack.append((name, True))
                condition = conditions[name]
                stack.extend((p, False) for p in reversed(condition.names if condition is not None else ()))
    return tuple(done)
