"""The kernel: Matérn-5/2 over a Euclidean embedding of encoded rows.

Every parameter becomes one group of feature columns with one length scale, so that the squared distance of
two rows is a sum over groups of squared feature differences over ℓ²: numbers as they are, a category as a
one-hot row (w·1[≠] with w = 1/ℓ²). A number that is inactive stands in the middle of its range, a category
that is inactive at the origin, so two rows without it are at distance 0, and those with it are parted from
those without by the parameter that its condition is about. A sum of squares of differences is conditionally
negative definite, so the kernel is positive definite whatever the length scales are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...space import Choice, Space
from ...types import Floats

_HALF = np.sqrt(0.5)  # two one-hot rows that differ are then at distance 1
_REACH = 1.0  # how far outside the unit interval a coordinate (of a range that has changed) still counts


class Embedding:
    """Encoded rows of a space as features.

    Attributes:
        space: whose rows they are.
        numeric: (p,) columns of X that are numbers with more than one value; features [:, :p], in this order.
        group: (P,) the length scale of every feature.
        groups: number of length scales.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        domains = space.domains
        self.numeric = np.array(
            [j for j, x in enumerate(domains) if not isinstance(x, Choice) and x.size != 1], dtype=np.intp
        )
        self._choices = [(j, x.size) for j, x in enumerate(domains) if isinstance(x, Choice) and x.size > 1]
        widths = [1] * len(self.numeric) + [k for _, k in self._choices]
        self.groups = len(widths)
        self.group: NDArray[np.intp] = np.repeat(np.arange(self.groups), widths)

    def __call__(self, X: Floats) -> Floats:
        """Features (n, P) of encoded rows (n, d); NaN is inactive."""
        numbers = X[:, self.numeric]
        parts = [np.clip(np.where(np.isnan(numbers), 0.5, numbers), -_REACH, 1 + _REACH)]
        parts += [(X[:, j, None] == np.arange(k)) * _HALF for j, k in self._choices]
        return np.concatenate(parts, axis=1)


def squared_distances(A: Floats, B: Floats) -> Floats:
    """(..., n, m) squared Euclidean distances of the rows of A (..., n, P) and B (..., m, P)."""
    r2 = A @ np.swapaxes(-2.0 * B, -1, -2)
    r2 += np.einsum("...ij,...ij->...i", A, A)[..., None]
    r2 += np.einsum("...ij,...ij->...i", B, B)[..., None, :]
    return np.maximum(r2, 0.0, out=r2)


def matern52(r2: Floats) -> tuple[Floats, Floats]:
    """The Matérn-5/2 correlation at squared distances, and its derivative with respect to r²."""
    s = np.sqrt(5.0 * r2)
    e = np.exp(-s)
    s += 1.0
    s *= e
    e *= r2
    e *= 5.0 / 3.0
    e += s
    s *= -5.0 / 6.0
    return e, s
