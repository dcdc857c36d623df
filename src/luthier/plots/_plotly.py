"""Says which extra is missing where plotly is not installed."""

from __future__ import annotations

from ..errors import missing

try:
    import plotly as plotly
except ImportError as error:
    raise missing("pictures need plotly", "report") from error
