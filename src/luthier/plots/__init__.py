"""Pictures as plotly figures, from a history or from the numbers of `analysis` and `confirm`."""

from ._plotly import plotly as _plotly  # noqa: F401  first, so that its absence is explained
from .confirmation import plot_confirmation as plot_confirmation
from .curves import plot_learning_curves as plot_learning_curves
from .effect import plot_effect as plot_effect
from .heatmap import plot_heatmap as plot_heatmap
from .history import plot_history as plot_history
from .importance import plot_importance as plot_importance
from .parallel import plot_parallel as plot_parallel
from .timeline import plot_timeline as plot_timeline
