"""Choice and Ordinal: one of several values, without and with an order; values that never change.

A Choice is the index of its label; the values of an Ordinal stand at the centres of equal bins of [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..errors import SpaceError
from ..types import Floats, Label
from .labels import When, label_key, label_of, normal_when


def pick(labels: tuple[Label, ...], u: float) -> Label:
    """The label in whose bin a unit coordinate lies."""
    return labels[min(max(int(u * len(labels)), 0), len(labels) - 1)]


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
