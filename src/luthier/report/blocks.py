"""What a report is made of: sections of blocks, all plain text until the template escapes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import plotly.graph_objects as go

from ..plots.theme import shown


@dataclass(frozen=True)
class Text:
    """A paragraph; `strong` for the sentence that matters."""

    kind: ClassVar[str] = "text"
    text: str
    strong: bool = False


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    kind: ClassVar[str] = "facts"
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Cell:
    """A table's cell: what is read, and what it is sorted by (None: last)."""

    text: str
    key: float | str | None = None
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table; `sortable` by a click on a heading, `tall` in a box that scrolls."""

    kind: ClassVar[str] = "table"
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    sortable: bool = False
    tall: bool = False


@dataclass(frozen=True)
class Picture:
    """A figure with what it shows; `half` may stand beside another, and one below its `width` in pixels scrolls."""

    kind: ClassVar[str] = "picture"
    figure: go.Figure
    caption: str
    half: bool = False
    width: int = 0


Block: TypeAlias = Text | Facts | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading with blocks."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def anchor(self) -> str:
        """Its id in the page."""
        return "-".join(word for word in "".join(c if c.isalnum() else " " for c in self.title.lower()).split())


@dataclass(frozen=True)
class Card:
    """One of the few numbers at the top."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Summary:
    """The answer."""

    sentence: str
    params: tuple[tuple[str, str], ...]
    cards: tuple[Card, ...]


def cell(value: Any, mark: str = "") -> Cell:
    """The cell of a value."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return Cell(shown(value), None if value is None else str(value), mark)
    return Cell(shown(value), float(value) if value == value else None, mark or "number")


def facts(values: Mapping[str, object] | Sequence[tuple[str, object]]) -> Facts:
    """Names with their values as text; what is None is left out."""
    pairs = values.items() if isinstance(values, Mapping) else values
    return Facts(tuple((str(name), _plain(value)) for name, value in pairs if value is not None))


def duration(seconds: float) -> str:
    """A time that people read: 0.42 s, 38 s, 12 min 5 s, 3 h 20 min, 2 d 4 h."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} = {_plain(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return shown(value) if isinstance(value, float) else str(value)
