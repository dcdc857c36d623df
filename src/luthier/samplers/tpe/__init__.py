"""The tree-structured Parzen estimator."""

from .sampler import TPESampler as TPESampler
