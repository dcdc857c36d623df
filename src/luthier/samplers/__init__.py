"""Samplers: each proposes configurations; `protocol.py` says what one is."""

from .auto import AutoSampler as AutoSampler
from .gp import GPSampler as GPSampler
from .protocol import Sampler as Sampler
