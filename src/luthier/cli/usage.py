"""WrongUsage: options that exclude each other, or an unknown choice; ends with 2, as typer's own errors do."""

from __future__ import annotations

from ..errors import LuthierError


class WrongUsage(LuthierError):
    """The command cannot be run as it was written."""
