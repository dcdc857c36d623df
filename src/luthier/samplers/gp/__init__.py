"""Bayesian optimisation with a Gaussian process: `sampler.py` says how its parts work together."""

from .sampler import GPSampler as GPSampler
