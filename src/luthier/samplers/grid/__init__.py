"""Grid search."""

from .sampler import GridSampler as GridSampler
