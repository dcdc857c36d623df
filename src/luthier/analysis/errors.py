"""What analysis raises."""

from __future__ import annotations

from ..errors import LuthierError


class AnalysisError(LuthierError, ValueError):
    """The trials do not suffice for an explanation: too few, or all of the same value."""
