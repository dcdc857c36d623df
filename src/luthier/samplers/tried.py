"""Whether two configurations are the same: answered here alone.

They are if their encoded rows agree to about a billionth of each parameter's range, and lack the same parameters.
So what rounding does to a value on its way to the objective and back makes no difference, and no sampler comes as
close to a point as that to learn something new.

Each row gets a mark, a whole number: the same for rows that are the same. Two that differ have the same mark once in
10^19 pairs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..history import History
from ..types import Floats, Mask, Rows

Marks = NDArray[np.uint64]

_GRAINS = 1e9 * 0.9**0.5  # to a range; irrational, so that no value of a grid lies where two grains meet
_FOLD = np.uint64(32)


class Tried:
    """A set of encoded rows, which never changes.

    >>> import luthier as lt
    >>> from luthier.samplers.tried import Tried
    >>> space = lt.Space({"x": lt.Float(0, 1), "n": lt.Int(1, 3)})
    >>> tried = Tried(space.encode([{"x": 0.5, "n": 1}]))
    >>> tried.among(space.encode([{"x": 0.5 + 1e-15, "n": 1}, {"x": 0.5, "n": 2}])).tolist()
    [True, False]

    Args:
        X: (n, d) encoded rows; NaN where a parameter is inactive or unknown.
    """

    def __init__(self, X: Floats) -> None:
        self._marks = np.unique(marks(X))

    def __contains__(self, row: Floats) -> bool:
        return bool(self.among(row[None])[0])

    def among(self, X: Floats) -> Mask:
        """Return which rows (m, d) are in the set."""
        if len(self._marks) == 0:
            return np.zeros(len(X), dtype=bool)
        wanted = marks(X)
        places = np.minimum(np.searchsorted(self._marks, wanted), len(self._marks) - 1)
        return np.asarray(self._marks[places] == wanted)

    def with_rows(self, X: Floats) -> Tried:
        """Return the set with more rows (m, d)."""
        more = Tried(X)
        more._marks = np.union1d(self._marks, more._marks)
        return more


def marks(X: Floats) -> Marks:
    """Return the marks (n,) of encoded rows (n, d)."""
    if len(X) == 0:  # of running trials, most often
        return np.empty(0, dtype=np.uint64)
    with np.errstate(over="ignore"):  # far outside of the range, where it was another
        grains = np.rint(X * _GRAINS)
    grains += 0.0  # no -0.0
    grains[np.isnan(grains)] = np.nan  # one NaN for all
    bits = grains.view(np.uint64)
    bits ^= bits >> _FOLD  # whole numbers have zeros in their low bits, where products keep them
    bits *= _weights(X.shape[1])
    return np.asarray(bits.sum(axis=1, dtype=np.uint64))


def marks_of_trials(history: History, rows: Sequence[int] | Rows) -> list[int]:
    """Return the marks of trials; values that the space does not know count by their text."""
    X = history.X[np.asarray(rows, dtype=np.intp)]
    encoded = np.count_nonzero(~np.isnan(X), axis=1).tolist()
    found: list[int] = marks(X).tolist()
    for i, row in enumerate(rows):
        params = history.records[row].params
        if len(params) != encoded[i]:
            found[i] ^= hash(json.dumps(dict(params), sort_keys=True)) % 2**64
    return found


@lru_cache(maxsize=64)
def _weights(d: int) -> Marks:
    """(d,) odd numbers at random, always the same."""
    return np.random.default_rng(0).integers(0, 2**64, d, dtype=np.uint64) | np.uint64(1)
