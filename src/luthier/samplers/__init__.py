"""Samplers: each proposes configurations; `protocol.py` says what one is."""

from .protocol import Sampler as Sampler
