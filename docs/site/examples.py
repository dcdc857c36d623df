"""An extension of Griffe: what stands after `>>>` in a docstring is shown as code."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

EXAMPLE = re.compile(r"^( *)>>> .*\n(?:.*\S.*\n?)*", re.MULTILINE)  # to the next empty line


def fenced(text: str) -> str:
    """Return the docstring with a fence around each example."""

    def fence(found: re.Match[str]) -> str:
        margin, code = found[1], found[0].rstrip("\n")
        return f"{margin}```pycon\n{code}\n{margin}```\n"

    return EXAMPLE.sub(fence, text + "\n").rstrip("\n")


class Examples(Extension):
    """Fences the examples of every object as it is read."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Change the docstring in place."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
