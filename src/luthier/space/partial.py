"""Partial configurations: completed by a suggestion, freed of what is inactive, compared with a whole one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from ..errors import SpaceError
from ..types import Configuration, Label
from .labels import label_key
from .numeric import Float, Int
from .space import Space

_ROWS = 1024  # of the unit cube that are tried for what a suggestion does not fit


def complete(
    space: Space, fixed: Mapping[str, Label], suggested: Mapping[str, Label], rng: np.random.Generator
) -> Configuration:
    """Return a full configuration with the fixed values, the rest as suggested, and by chance where need be.

    Fixed values of parameters that turn out to be inactive are left out.

    Raises:
        SpaceError: nothing that `require` allows has these fixed values.
    """
    rows = space.from_unit(rng.random((_ROWS, len(space))))
    chosen = space.encode([{**suggested, **fixed}])[0]
    fill = np.where(np.isnan(rows), 0.5, rows)
    for j, name in enumerate(space.names):
        if name in fixed:
            fill[:, j] = chosen[j]
    fill[0] = np.where(np.isnan(chosen), fill[0], chosen)  # the first row is the one that was suggested
    X = space.snap(fill)
    good = np.flatnonzero(space.feasible(X))
    if len(good) == 0:
        raise SpaceError(f"nothing with {dict(fixed)} satisfies require={list(space.require)}: fix other values")
    configuration = space.decode(X[good[:1]])[0]
    return {name: fixed.get(name, value) for name, value in configuration.items()}


def without_inactive(space: Space, partial: Mapping[str, Label]) -> Configuration:
    """Return the values without those of parameters that are inactive whatever the missing ones will be."""
    active = space.active(space.encode([partial]))[0]
    gone: set[str] = set()
    for name in space.order:
        parents = space.parents(name)
        known = all(p in partial and p not in gone for p in parents)
        if not active[space.index[name]] and (known or not gone.isdisjoint(parents)):
            gone.add(name)
    return {name: label for name, label in partial.items() if name not in gone}


def agrees(space: Space, configuration: Mapping[str, Label], partial: Mapping[str, Label]) -> bool:
    """Return whether a configuration has these values; 0.1 + 0.2 counts as 0.3 where steps are 0.1."""
    return all(
        name in configuration and _key(space, name, configuration[name]) == _key(space, name, label)
        for name, label in partial.items()
    )


def _key(space: Space, name: str, label: Label) -> str:
    domain = space.parameters.get(name)
    if isinstance(domain, Float | Int):
        with suppress(SpaceError):  # it was in the range once
            label = domain.check(label)
    return label_key(label)
