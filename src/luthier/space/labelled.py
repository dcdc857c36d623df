"""Choice and Ordinal: one of several values, without and with an order; values that never change.

A Choice is the index of its label; the values of an Ordinal stand at the centres of equal bins of [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from ..errors import SpaceError
from ..types import Floats, Label
from .labels import When, label_key, label_of, normal_when, shown

_LISTED = 20  # choices that an error lists


class Labels(NamedTuple):
    """Choices with their labels, where a dict of label to value would not do: True and 1 are one key of it."""

    labels: tuple[Label, ...]
    values: tuple[Any, ...]


def pick(labels: tuple[Label, ...], u: float) -> Label:
    """Return the label in whose bin a unit coordinate lies."""
    k, n = int(u * len(labels)), len(labels)
    return labels[k] if 0 <= k < n else labels[-1 if k > 0 else 0]


class _Labelled:
    """What Choice and Ordinal share: values, each with a stored label."""

    labels: tuple[Label, ...]
    values: tuple[Any, ...]
    default: Any
    when: When

    def _set_up(self, choices: Iterable[Any] | Mapping[str, Any] | Labels) -> None:
        if isinstance(choices, str):
            raise SpaceError(f"the choices are the string {choices!r}: give a list of them")
        if isinstance(choices, Labels):
            labels, values = tuple(map(_scalar, choices.labels)), choices.values
        elif isinstance(choices, Mapping):
            labels, values = tuple(map(_scalar, choices.keys())), tuple(choices.values())
        else:
            values = tuple(choices)
            labels = tuple(label_of(v) for v in values)
        if not labels:
            raise SpaceError("there are no choices: give at least one")
        index = {label_key(label): i for i, label in enumerate(labels)}
        if len(index) != len(labels):
            raise SpaceError(_twice(labels, values))
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "_index", index)
        object.__setattr__(self, "_by_type", {(type(label), label): i for i, label in enumerate(labels)})
        if self.default is not None:
            object.__setattr__(self, "default", self.stored(self.default))

    @property
    def size(self) -> int:
        """How many choices there are."""
        return len(self.labels)

    def __contains__(self, label: object) -> bool:
        """Whether it is one of the stored labels."""
        try:
            self.index(label)  # type: ignore[arg-type]
        except SpaceError:
            return False
        return True

    def index(self, label: Label) -> int:
        """Return position of a stored label; `SpaceError` unless it is one of them."""
        try:
            return self._by_type[type(label), label]  # type: ignore[attr-defined,no-any-return]
        except (KeyError, TypeError):
            pass
        try:
            return self._index[label_key(label)]  # type: ignore[attr-defined,no-any-return]
        except (KeyError, TypeError, ValueError):
            listed = ", ".join(map(shown, self.labels[:_LISTED])) + (", …" if self.size > _LISTED else "")
            raise SpaceError(f"{shown(label)} is not among the choices {listed}") from None

    def check(self, value: Any) -> Label:
        """Return the stored label of a choice; `SpaceError` unless it is one."""
        return self.stored(value)

    def stored(self, value: Any) -> Label:
        """Return the label under which a choice (or its label) is stored.

        A scalar is looked for among the labels first, anything else among the values: the very object before an
        equal one, and an equal one before the label that it would have by itself.
        """
        plain = value.item() if isinstance(value, np.generic) else value
        if plain is None or isinstance(plain, bool | int | float | str):
            try:
                return self.labels[self.index(plain)]
            except SpaceError:
                pass
        for same in (_is, _equals, _has_the_name):
            for label, own in zip(self.labels, self.values, strict=True):
                if same(own, plain):
                    return label
        try:
            return self.labels[self.index(label_of(value))]
        except SpaceError:
            self.index(value)  # raises with the list of choices
            raise

    def restored(self, label: Label) -> Any:
        """Return the choice behind a stored label."""
        return self.values[self.index(label)]

    @cached_property
    def _key(self) -> tuple[Any, ...]:
        return tuple(map(label_key, self.labels)), label_key(self.default), self.when

    @cached_property
    def has_objects(self) -> bool:
        """Whether any value is not its own label."""
        return any(value is not label for value, label in zip(self.values, self.labels, strict=True))

    def lacks_values_of(self, other: object) -> bool:
        """Return whether the other has objects where this one, which came out of a store, has labels in their place."""
        if not isinstance(other, _Labelled) or not other.has_objects or self.labels != other.labels:
            return False
        pairs = zip(self.values, self.labels, other.values, other.labels, strict=True)
        return any(own is label and theirs is not its for own, label, theirs, its in pairs)

    def _indices(self, values: Sequence[Any] | Floats) -> Floats:
        known = self._by_type  # type: ignore[attr-defined]
        try:
            return np.array([known[type(v), v] for v in values], dtype=np.float64)
        except (KeyError, TypeError):
            return np.array([self.index(v) for v in values], dtype=np.float64)


@dataclass(frozen=True, init=False, eq=False)
class Choice(_Labelled):
    """Takes one of several values without an order.

    >>> import luthier as lt
    >>> space = lt.Space({"optimizer": lt.Choice(["sgd", "adamw"]), "loss": lt.Choice({"l1": abs, "l2": pow})})
    >>> space.restore({"optimizer": "sgd", "loss": "l1"})
    {'optimizer': 'sgd', 'loss': <built-in function abs>}

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

    def __init__(
        self, choices: Iterable[Any] | Mapping[str, Any] | Labels, default: Any = None, when: When = None
    ) -> None:
        object.__setattr__(self, "default", default)
        object.__setattr__(self, "when", normal_when(when))
        self._set_up(choices)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Choice) and self._key == other._key)

    def __hash__(self) -> int:
        return hash(("choice", *map(label_key, self.labels)))

    def encode(self, values: Sequence[Any] | Floats) -> Floats:
        """Return index of every stored label."""
        return self._indices(values)

    def coordinate(self, label: Label) -> float:
        """Return the index of one stored label."""
        return float(self.index(label))

    def decode(self, u: Floats) -> Floats:
        """Return whole indices, inside the range."""
        return np.clip(np.round(np.asarray(u, dtype=np.float64)), 0, self.size - 1)

    def snap(self, u: Floats) -> Floats:
        """Return the nearest indices."""
        return np.clip(np.round(u), 0, self.size - 1)

    def value(self, u: float) -> Label:
        """Return the label at one coordinate."""
        return self.labels[min(max(round(u), 0), self.size - 1)]


@dataclass(frozen=True, init=False, eq=False)
class Ordinal(_Labelled):
    """Takes one of several values in a meaningful order, such as `Ordinal([16, 32, 64, 128])`.

    >>> import luthier as lt
    >>> space = lt.Space({"batch": lt.Ordinal([16, 32, 64], default=32)})
    >>> space.defaults()
    {'batch': 32}

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

    def __init__(
        self, choices: Iterable[Any] | Mapping[str, Any] | Labels, default: Any = None, when: When = None
    ) -> None:
        object.__setattr__(self, "default", default)
        object.__setattr__(self, "when", normal_when(when))
        self._set_up(choices)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Ordinal) and self._key == other._key)

    def __hash__(self) -> int:
        return hash(("ordinal", *map(label_key, self.labels)))

    def encode(self, values: Sequence[Any] | Floats) -> Floats:
        """Bin centre of every stored label."""
        return (self._indices(values) + 0.5) / self.size

    def coordinate(self, label: Label) -> float:
        """Return the bin centre of one stored label."""
        return (self.index(label) + 0.5) / self.size

    def decode(self, u: Floats) -> Floats:
        """Return whole indices at coordinates in [0, 1]."""
        return np.clip(np.floor(np.asarray(u, dtype=np.float64) * self.size), 0, self.size - 1)

    def snap(self, u: Floats) -> Floats:
        """Return the nearest bin centres."""
        return (self.decode(u) + 0.5) / self.size

    @cached_property
    def at(self) -> Callable[[float], Label]:
        """The function from one coordinate to its stored label, fast."""
        return partial(pick, self.labels)

    def value(self, u: float) -> Label:
        """Return the label at one coordinate."""
        return self.at(u)


def _scalar(label: Any) -> Label:
    if label is None or isinstance(label, bool | int | float | str | np.generic):
        return label_of(label)
    raise SpaceError(f"the label {shown(label)} of a choice is not a string or a number")


def _twice(labels: tuple[Label, ...], values: tuple[Any, ...]) -> str:
    keys = list(map(label_key, labels))
    i = next(i for i, key in enumerate(keys) if key in keys[:i])
    first, second = values[keys.index(keys[i])], values[i]
    if shown(first) == shown(second):
        return f"the choice {shown(second)} is listed twice: remove one, or give labels of your own"
    return (
        f"the choices {shown(first)} and {shown(second)} would both be stored as {shown(labels[i])}: give labels of "
        "your own, {'label': choice, ...}"
    )


def _is(own: Any, value: Any) -> bool:
    return own is value


def _equals(own: Any, value: Any) -> bool:
    try:
        same = type(own) is type(value) and bool(own == value)
        # (1,) and (True,) are equal, and two choices
        return same and (not isinstance(own, tuple | list | dict) or repr(own) == repr(value))
    except Exception:  # whatever the objects of a user make of ==
        return False


def _has_the_name(own: Any, value: Any) -> bool:
    try:
        return isinstance(value, str) and label_of(own) == value
    except SpaceError:
        return False
