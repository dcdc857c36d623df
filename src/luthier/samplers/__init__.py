"""Samplers: each proposes configurations; `protocol.py` says what one is."""

from .auto import AutoSampler as AutoSampler
from .gp import GPSampler as GPSampler
from .gp import expected_order as expected_order
from .grid import GridSampler as GridSampler
from .protocol import Sampler as Sampler
from .protocol import SuggestsOne as SuggestsOne
from .qmc import QMCSampler as QMCSampler
from .random import RandomSampler as RandomSampler
from .tpe import TPESampler as TPESampler
