"""Grid search: every combination once, in an order that covers the space early."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ...errors import SpaceError
from ...history import History
from ...space import Space
from ...types import Configuration, Label
from ..options import clear_options
from .axes import Axis, Wish, axis, listed
from .combinations import Combinations
from .spread import Spread

_DEFAULT = 5


@clear_options
@dataclass(frozen=True)
class GridSampler:
    """All combinations, each once; the first half of them covers the space, not one half of it.

    >>> import luthier as lt
    >>> from luthier.samplers import GridSampler
    >>> grid = GridSampler({"lr": [1e-3, 1e-2], "layers": [1, 2, 3]})
    >>> study = lt.create_study(sampler=grid)
    >>> study.optimize(lambda t: t.suggest_float("lr", 1e-5, 1, log=True) * t.suggest_int("layers", 1, 8))
    >>> len(study.trials), study.best_params
    (6, {'lr': 0.001, 'layers': 1})

    What was tried is read from the history, running and failed trials included, so a grid can be resumed, shared by
    parallel workers, and begun by other samplers. Combinations are counted over active parameters alone, and those
    that `require` forbids are left out. The grid is never held in memory.

    An objective that defines its parameters as it runs shows its grid as it goes: the study ends when every
    combination of what it has asked for was tried. The space is not known before the first trial has run, so more
    workers than the grid has points may try some of them twice.

    Args:
        points: a mapping from a parameter's name to the list of its values, or to a number of points: values of a
            continuum, both ends included, on its own scale. One number alone is for all continua. A number by name
            thins out Int and stepped Float as well, which otherwise have all their values; more than 2^50 of them
            (2^44 on a log scale) count as a continuum. 5 by default, and for continua that are not named. A value that
            is listed twice counts once. Names that the space lacks are ignored, as long as an objective may still ask
            for them.

    Raises:
        ValueError: a number of points below 1, an empty list, or something that is neither.
    """

    points: int | Mapping[str, int | Iterable[Any]] = _DEFAULT

    is_finite: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if isinstance(self.points, Mapping):
            points = {name: _checked(f"points[{name!r}]", x) for name, x in self.points.items()}
            object.__setattr__(self, "points", points)
        elif isinstance(_checked("points", self.points), tuple):
            raise ValueError(f"points={self.points!r}: a list of values needs its parameter's name, {{'lr': [...]}}")

    def check_space(self, space: Space) -> None:
        """Raise `SpaceError` if a declared space lacks a parameter whose values are listed, or one of these values."""
        for name, wish in self._wishes().items():
            if isinstance(wish, tuple):
                if name not in space:
                    names = ", ".join(map(repr, space.names)) or "none"
                    raise SpaceError(
                        f"GridSampler lists values of {name!r}, which is not a parameter of the space: they are {names}"
                    )
                listed(name, space.parameters[name], wish)

    def suggest(self, space: Space, history: History, rng: np.random.Generator, n: int) -> list[Configuration]:  # noqa: ARG002
        """n configurations to try next, fewer if fewer are left; see `Sampler`.

        Raises:
            SearchSpaceExhausted: every combination was tried.
            SpaceError: a listed value that its parameter cannot have.
        """
        grid = self._grid(space)
        return grid.configurations(grid.next_rows(history, n))

    def suggest_one(self, space: Space, history: History, number: int, name: str) -> Label:
        """Return a value for a parameter that a running trial is the first to ask for; see `SuggestsOne`.

        That of the first free combination that agrees with what the trial has; where there is none, the one that is
        used least, first by trials that agree with this one, then by all.
        """
        grid_axis = _axis_of(space, name, self._wish(space, name), self._default)
        level = self._grid(space).next_level(history, number, space.index[name])
        if level is None:
            level = _least_used(grid_axis, history, number, space.index[name])
        if grid_axis.labels is not None:
            return grid_axis.labels[level]
        return space.parameters[name].value(float(grid_axis.coordinates(np.array([level]))[0]))

    def size(self, space: Space) -> int:
        """Return how many combinations there are, those that `require` forbids included.

        Raises:
            SpaceError: its conditions have too many branches to count.
        """
        return self._grid(space).size

    def _grid(self, space: Space) -> Combinations:
        return _grid_of(space, tuple(self._wish(space, name) for name in space.names), self._default)

    @property
    def _default(self) -> int:
        return self.points if isinstance(self.points, int) else _DEFAULT

    def _wishes(self) -> Mapping[str, Any]:
        return self.points if isinstance(self.points, Mapping) else {}

    def _wish(self, space: Space, name: str) -> Wish:
        wish = self._wishes().get(name)
        return listed(name, space.parameters[name], wish) if isinstance(wish, tuple) else wish


def _checked(what: str, points: Any) -> int | tuple[Any, ...]:
    """A number of points, or listed values as a tuple."""
    if isinstance(points, int | np.integer) and not isinstance(points, bool):
        if points < 1:
            raise ValueError(f"{what}={points}: a number of points must be at least 1")
        return int(points)
    if isinstance(points, str | bytes | Mapping) or not isinstance(points, Iterable):
        raise ValueError(f"{what}={points!r}: give a number of points, or a list of values")
    values = tuple(points.tolist() if isinstance(points, np.ndarray) else points)
    if not values:
        raise ValueError(f"{what} is empty: list at least one value, or leave the name out")
    return values


def _least_used(grid_axis: Axis, history: History, number: int, j: int) -> int:
    """The level of parameter j that trials have least, those that agree with trial `number` before the others."""
    X = history.X
    levels = Spread([grid_axis.size])(np.arange(min(grid_axis.size, len(X) + 1)))[:, 0]  # one of these is free, or all
    place = {int(level): i for i, level in enumerate(levels)}
    used = np.zeros((2, len(levels)), dtype=np.int64)  # by trials that agree, and by all
    known = np.flatnonzero(~np.isnan(X[number]) & (np.arange(X.shape[1]) != j))
    agrees = (np.isnan(X[:, known]) | (np.abs(X[:, known] - X[number, known]) < 1e-9)).all(axis=1)
    for i in np.flatnonzero(~np.isnan(X[:, j])):
        at = place.get(int(grid_axis.levels(X[i : i + 1, j])[0]))
        if at is not None and i != number:
            used[:, at] += (agrees[i], 1)
    return int(levels[np.lexsort(used[::-1])[0]])


@lru_cache(maxsize=16)
def _grid_of(space: Space, wishes: tuple[Wish, ...], default: int) -> Combinations:
    return Combinations(space, [axis(x, wish, default) for x, wish in zip(space.domains, wishes, strict=True)])


@lru_cache(maxsize=64)
def _axis_of(space: Space, name: str, wish: Wish, default: int) -> Axis:
    return axis(space.parameters[name], wish, default)
