"""Bayesian optimisation with a Gaussian process: `sampler.py` says how its parts work together."""

from .expected import expected_order as expected_order
from .sampler import GPSampler as GPSampler
