"""What the commands print with: progress goes to stderr, results to stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..space import Domain, Float, Int


def error_console() -> Console:
    """Return a console on stderr, as it is now (tests and pipes change it)."""
    return Console(stderr=True)


def summary_console() -> Console:
    """Return a console on stdout, as wide as the terminal."""
    return Console()


def output_console() -> Console:
    """Return a console on stdout that cuts nothing: a wide table wraps in the terminal, and stays whole in a pipe."""
    return Console(width=10_000)


def print_json(data: Any) -> None:
    """JSON on stdout, for scripts."""
    sys.stdout.write(json.dumps(data, indent=2) + "\n")


def wrapped(text: str, width: int, hang: str = "", used: int = 0) -> list[str]:
    """Return the lines of a text that is broken between words alone; a word that is too long for a line stays whole.

    Args:
        text: one paragraph.
        width: cells of a line; wide characters take two.
        hang: what every line after the first begins with.
        used: cells of the first line that are taken already.
    """
    lines, line, room = [], "", width - used
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and cell_len(longer) > room:
            lines.append(line)
            line, room = hang + word, width
        else:
            line = longer
    return [*lines, line]


def print_error(text: str, style: str = "bold red", label: str = "error:") -> None:
    """Print a message on stderr: wrapped in a terminal, on one line in a file, where it may be searched for."""
    console = error_console()
    lines = text.split("\n")
    if console.is_terminal:
        indent = " " * (len(label) + 1)
        lines = [part for i, one in enumerate(lines) for part in _indented(one, console.width, indent, i > 0)]
    console.print(f"[{style}]{label}[/] {escape(chr(10).join(lines))}", highlight=False, soft_wrap=True)


def _indented(text: str, width: int, indent: str, later: bool) -> list[str]:
    """One paragraph below a label that is as wide as `indent`."""
    lines = wrapped(text, width, indent, used=len(indent))
    return [indent + lines[0] if later and lines[0] else lines[0], *lines[1:]]


class Speaker:
    """Prints what a workflow does, step by step, in lines that fit the terminal.

    Args:
        console: where to; stderr by default.
        margin: how far everything but titles is set in, where the terminal is wide enough.
    """

    def __init__(self, console: Console | None = None, margin: int = 0) -> None:
        self._console = console or error_console()
        self._most = margin

    @property
    def _margin(self) -> str:
        return " " * (self._most if self._console.width >= 60 else min(self._most, 2))

    def step(self, number: int, total: int, title: str) -> None:
        """Begin a step."""
        self._console.print(f"\n[bold]{number}/{total}  {title}[/]", highlight=False)

    def fact(self, name: str, value: object) -> None:
        """Print a fact of this step."""
        margin = self._margin
        lines = wrapped(str(value), self._console.width, f"{margin}  ", used=cell_len(f"{margin}{name}  "))
        self._console.print(
            f"{margin}[dim]{escape(name)}[/]  {escape(chr(10).join(lines))}", highlight=False, soft_wrap=True
        )

    def line(self, text: str, style: str = "") -> None:
        """Print a sentence."""
        margin = self._margin
        lines = wrapped(text, self._console.width, f"{margin}  ", used=len(margin))
        self._console.print(f"{margin}{escape(chr(10).join(lines))}", style=style, highlight=False, soft_wrap=True)

    def place(self, name: str, path: object) -> None:
        """Print where something lies; never broken, so that it can be copied."""
        self._console.print(f"{self._margin}{escape(f'{name:8}{path}')}", highlight=False, soft_wrap=True)

    def table(self, table: Table) -> None:
        """Show a table."""
        from rich.padding import Padding

        self._console.print(Padding(table, (0, 0, 0, len(self._margin))))


def plain_table(*columns: str, numbers: tuple[str, ...] = ()) -> Table:
    """Return a table without lines; columns named in `numbers` are set to the right."""
    table = Table(box=None, pad_edge=False, header_style="dim", show_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    return table


def describe(domain: Domain) -> str:
    """Return a domain in a few words: its range, scale and condition."""
    if isinstance(domain, Float | Int):
        text = f"{domain.low:g} to {domain.high:g}"
        text += ", log" if domain.log else ""
        text += f", step {domain.step:g}" if domain.step not in (None, 1) else ""
    else:
        text = ", ".join(str(label) for label in domain.labels)
    if isinstance(domain.when, Mapping):
        text += "; if " + " and ".join(
            f"{name} is {' or '.join(map(str, allowed))}" for name, allowed in domain.when.items()
        )
    elif domain.when is not None:
        text += f"; if {domain.when}"
    return text
