"""A report's HTML: one file that needs nothing from outside, with a policy that lets no other script run."""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from pathlib import Path
from typing import Any

from ..errors import missing
from .blocks import Picture, Section, Summary

_HERE = Path(__file__).parent / "templates"
_ROWS = 1000  # of a table that show at once


def render(title: str, subtitle: str, summary: Summary, sections: list[Section], version: str) -> str:
    """The page as text.

    Raises:
        MissingDependency: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise missing("a report needs Jinja2", "report") from error
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    # a parser turns \r\n into \n, so the hash must be that of \n; the files are ours, only these are not escaped
    library, script, style = (
        Markup(text.replace("\r\n", "\n"))
        for text in (get_plotlyjs(), (_HERE / "page.js").read_text("utf-8"), (_HERE / "page.css").read_text("utf-8"))
    )
    has_pictures = any(isinstance(block, Picture) for section in sections for block in section.blocks)
    scripts = [library, script] if has_pictures else [script]
    policy = (
        f"default-src 'none'; script-src {' '.join(map(_hash, scripts))}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["figure_json"] = lambda figure: Markup(figure_json(figure))
    return environment.get_template("page.html.j2").render(
        title=title,
        subtitle=subtitle,
        summary=summary,
        sections=sections,
        scripts=scripts,
        style=style,
        policy=policy,
        version=version,
        row_limit=_ROWS,
    )


def figure_json(figure: Any) -> str:
    """A figure as JSON that cannot end the script element it stands in."""
    text: str = figure.to_json(engine="json")
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def write_atomically(path: Path, text: str) -> None:
    """Put a file in place whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.absolute()  # "." has no name
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _hash(script: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"
