"""What the commands print with: people read stderr, scripts read stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..space import Domain, Float, Int


def error_console() -> Console:
    """A console on stderr, as it is now (tests and pipes change it)."""
    return Console(stderr=True)


def output_console() -> Console:
    """A console on stdout that cuts nothing: a wide table wraps in the terminal, and stays whole in a pipe."""
    return Console(width=10_000)


def print_json(data: Any) -> None:
    """JSON on stdout, for scripts."""
    sys.stdout.write(json.dumps(data, indent=2) + "\n")


class Speaker:
    """Says what a workflow does, step by step, and keeps it for the report.

    Args:
        total: how many steps there are.
    """

    def __init__(self, total: int) -> None:
        self._console = error_console()
        self._total = total
        self._number = 0
        self.said: list[tuple[str, dict[str, str]]] = []

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._number += 1
        self.said.append((title, {}))
        self._console.print(f"\n[bold]{self._number}/{self._total}  {title}[/]", highlight=False)

    def fact(self, name: str, value: object, keep: bool = True) -> None:
        """Say a fact of this step; `keep` it for the report."""
        if keep:
            self.said[-1][1][name] = str(value)
        self._console.print(f"     [dim]{escape(name)}[/]  {escape(str(value))}", highlight=False, soft_wrap=True)

    def line(self, text: str, style: str = "") -> None:
        """Say a sentence that the report does not need."""
        self._console.print(f"     {escape(text)}", style=style, highlight=False, soft_wrap=True)

    def table(self, table: Table) -> None:
        """Show a table."""
        from rich.padding import Padding

        self._console.print(Padding(table, (0, 0, 0, 5)))


def plain_table(*columns: str, numbers: tuple[str, ...] = ()) -> Table:
    """A table without lines; columns named in `numbers` are set to the right."""
    table = Table(box=None, pad_edge=False, header_style="dim", show_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    return table


def describe(domain: Domain) -> str:
    """A domain in a few words: its range, scale and condition."""
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


def short(value: object) -> str:
    """A value in a few characters."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
