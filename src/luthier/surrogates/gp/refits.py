"""When hyperparameters are fitted, and from where: a pure function of the data that is cheap to go on with.

A fit that starts at the last optimum is several times cheaper than one that starts afresh, but what it finds
depends on the one before. So the sizes at which fits are made are fixed, every `_PERIOD`-th of them starts
afresh, and those between start at the one before; each uses the first m observations alone. Whoever comes
with n observations can therefore make the same chain of at most `_PERIOD` fits, whether or not the others
are still in the cache: a study that was killed and resumed goes on as one that was not.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np

from ...types import Floats
from .fit import fit, spread, starts
from .kernel import Embedding

_PERIOD = 8
_FRESH, _WARM = 30, 6  # iterations of L-BFGS
_KEPT = 256  # fits in the cache
ACTIVE = 500  # observations a process takes at most


def refit_sizes(n: int) -> list[int]:
    """The sizes up to n at which hyperparameters are fitted: every max(1, m/50) from 2 on."""
    sizes, m = [], 2
    while m <= n:
        sizes.append(m)
        m += max(1, m // 50)
    return sizes


def subset(y: Floats, most: int | None = None) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Indices of at most so many observations (ACTIVE): the best half, and of the rest the latest."""
    most = ACTIVE if most is None else most
    if len(y) <= most:
        return np.arange(len(y))
    best = np.argsort(y, kind="stable")[: most // 2]
    rest = np.setdiff1d(np.arange(len(y)), best)[-(most - len(best)) :]
    return np.sort(np.concatenate([best, rest]))


class Fits:
    """Fitted hyperparameters by what they were fitted to; holds nothing that could not be computed again."""

    def __init__(self) -> None:
        self._cache: OrderedDict[Hashable, Floats] = OrderedDict()

    def theta(
        self, key: Hashable, embedding: Embedding, X: Floats, raw: Floats, targets: Callable[[int], Floats]
    ) -> Floats:
        """θ for n observations.

        Args:
            key: of the space and the target.
            embedding: of the space.
            X: (n, d) encoded rows.
            raw: (n, k) all that `targets` depends on, row by row.
            targets: standardised values (m,) of the first m rows.
        """
        chain = self._chain(key, X, raw)
        done = next((i for i in reversed(range(len(chain))) if chain[i][1] in self._cache), -1)
        theta = self._cache[chain[done][1]] if done >= 0 else None
        for m, k in chain[done + 1 :]:
            F, y = _data(embedding, X, targets, m)
            begin, iterations = (starts(embedding), _FRESH) if theta is None else ([theta], _WARM)
            theta = self._cache[k] = fit(embedding, F, y, begin, iterations)
        self._keep([k for _, k in chain])
        return starts(embedding)[0] if theta is None else theta

    def root(
        self, key: Hashable, embedding: Embedding, X: Floats, raw: Floats, targets: Callable[[int], Floats]
    ) -> Floats:
        """A root of the covariance of θ (see `spread`) for n >= 2 observations, as the chain's first fit has it.

        It changes slowly and costs as much as a dozen fits' steps, so it is not made anew for every fit.
        """
        m, k = self._chain(key, X, raw)[0]
        if ("root", k) not in self._cache:
            theta = self.theta(key, embedding, X[:m], raw[:m], targets)
            F, y = _data(embedding, X, targets, m)
            self._cache["root", k] = spread(theta, embedding, F, y)
        self._keep([("root", k)])
        return self._cache["root", k]

    def _chain(self, key: Hashable, X: Floats, raw: Floats) -> list[tuple[int, Hashable]]:
        """Sizes and keys of the fits that lead to n observations, from the last fresh one on."""
        sizes = refit_sizes(len(X))
        return [(m, (key, m, _digest(X[:m], raw[:m]))) for m in sizes[(len(sizes) - 1) // _PERIOD * _PERIOD :]]

    def _keep(self, keys: list[Hashable]) -> None:
        for k in keys:
            if k in self._cache:
                self._cache.move_to_end(k)
        while len(self._cache) > _KEPT:
            self._cache.popitem(last=False)


def _data(embedding: Embedding, X: Floats, targets: Callable[[int], Floats], m: int) -> tuple[Floats, Floats]:
    """Features and values of those of the first m observations that a process takes."""
    y = targets(m)
    chosen = subset(y)
    return embedding(X[:m][chosen]), y[chosen]


def _digest(*arrays: Floats) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for a in arrays:
        digest.update(np.ascontiguousarray(a).tobytes())
    return digest.digest()
