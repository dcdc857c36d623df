"""Says which extra is missing where plotly is not installed."""

from __future__ import annotations

from ..errors import MissingDependency

try:
    import plotly as plotly
except ImportError as error:
    raise MissingDependency("pictures need plotly: pip install 'luthier[report]'") from error
