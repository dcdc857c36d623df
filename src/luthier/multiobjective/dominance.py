"""Which of several results no other beats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def non_dominated(losses: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) which rows of losses (n, m), less being better, no other row dominates; equal rows all count."""
    n = len(losses)
    keep = np.ones(n, dtype=bool)
    order = np.lexsort(losses.T[::-1])  # a row can only be dominated by one before it
    front: list[int] = []
    for i in order:
        if front:
            rest = losses[front]
            keep[i] = not ((rest <= losses[i]).all(axis=1) & (rest < losses[i]).any(axis=1)).any()
        if keep[i]:
            front.append(int(i))
    return keep
