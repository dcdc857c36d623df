"""Parzen estimators over a search space."""

from .density import Parzen as Parzen
from .evaluation import log_densities as log_densities
from .layout import layout as layout
