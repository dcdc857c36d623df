"""WrongUsage: options that cannot go together, or a choice that there is not; ends with 2, as typer's own do."""

from __future__ import annotations

from ..errors import LuthierError


class WrongUsage(LuthierError):
    """The command cannot be run as it was written."""
