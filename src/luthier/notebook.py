"""What a notebook shows of a study, a trial and a space: small HTML tables, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_LONGEST = 80


def short(value: object) -> str:
    """A value in at most 80 characters; a float with five significant digits."""
    text = f"{value:.5g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def table(caption: str, header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table; every cell is shortened and escaped."""
    from html import escape  # whose table of entities takes a millisecond to load

    head = "".join(f"<th>{escape(short(x))}</th>" for x in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(short(x))}</td>" for x in row) + "</tr>" for row in rows)
    top = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f"<table><caption>{escape(short(caption))}</caption>{top}<tbody>{body}</tbody></table>"
