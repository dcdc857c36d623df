"""When hyperparameters are fitted, and from where: a pure function of the data that is cheap to continue.

A fit that starts at the last optimum is several times cheaper than one that starts afresh, but what it finds
depends on the one before. So the sizes at which fits are made are fixed, every `_PERIOD`-th of them starts
afresh, and those between start at the one before; each uses the first m observations alone. Whoever comes
with n observations can therefore make the same chain of at most `_PERIOD` fits, whether or not the others
are still in the cache: a study that was killed and resumed goes on as one that was not.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...types import Floats
from .fit import fit, spread
from .hyperparameters import starts
from .kernel import Embedding
from .targets import Target

_PERIOD = 8
_FRESH, _WARM = 30, 6  # iterations of L-BFGS
_KEPT = 256  # fits in the cache
ACTIVE = 500  # observations a process takes at most


def refit_sizes(n: int) -> list[int]:
    """Return the sizes up to n at which hyperparameters are fitted: every max(1, m/50) from 2 on."""
    sizes, m = [], 2
    while m <= n:
        sizes.append(m)
        m += max(1, m // 50)
    return sizes


def subset(y: Floats, most: int = ACTIVE) -> NDArray[np.intp]:
    """Return the indices of at most this many observations: the best half, and of the rest the latest."""
    if len(y) <= most:
        return np.arange(len(y))
    best = np.argsort(y, kind="stable")[: most // 2]
    rest = np.setdiff1d(np.arange(len(y)), best)[-(most - len(best)) :]
    return np.sort(np.concatenate([best, rest]))


class Fitting(Protocol):
    """Where hyperparameters come from."""

    @property
    def most(self) -> int:
        """How many observations a process takes."""
        ...

    def theta(self, embedding: Embedding, target: Target) -> Floats:
        """θ for a target; a pure function of it."""
        ...

    def root(self, embedding: Embedding, target: Target, theta: Floats) -> Floats:
        """A root of the covariance of that θ, see `spread`."""
        ...


@dataclass(frozen=True)
class Afresh:
    """A fit of its own for every target: for numbers that are others each time, where no chain helps.

    Attributes:
        starts: from how many places (see `starts`).
        iterations: of L-BFGS from each.
        most: how many observations a process takes.
    """

    starts: int
    iterations: int
    most: int = ACTIVE

    def theta(self, embedding: Embedding, target: Target) -> Floats:
        """θ for a target; see `Fitting`."""
        return fit(embedding, *_data(embedding, target, self.most), starts(embedding)[: self.starts], self.iterations)

    def root(self, embedding: Embedding, target: Target, theta: Floats) -> Floats:
        """A root of the covariance of that θ; see `Fitting`."""
        return spread(theta, embedding, *_data(embedding, target, self.most))


class Fits:
    """Fitted hyperparameters by what they were fitted to; holds nothing that could not be computed again.

    Args:
        most: how many observations a process takes.
    """

    def __init__(self, most: int = ACTIVE) -> None:
        self.most = most
        self._cache: OrderedDict[Hashable, Floats] = OrderedDict()

    def theta(self, embedding: Embedding, target: Target) -> Floats:
        """θ for a target; see `Fitting`."""
        chain = _chain(embedding, target)
        done = next((i for i in reversed(range(len(chain))) if chain[i][1] in self._cache), -1)
        theta = self._cache[chain[done][1]] if done >= 0 else None
        for m, k in chain[done + 1 :]:
            F, y = _data(embedding, target.first(m), self.most)
            begin, iterations = (starts(embedding), _FRESH) if theta is None else ([theta], _WARM)
            theta = self._cache[k] = fit(embedding, F, y, begin, iterations)
        self._keep([k for _, k in chain])
        return starts(embedding)[0] if theta is None else theta

    def root(self, embedding: Embedding, target: Target, theta: Floats) -> Floats:  # noqa: ARG002
        """A root of the covariance of θ for n >= 2 observations, as the chain's first fit has it; see `Fitting`.

        It changes slowly and costs as much as a dozen fits' steps, so it is not made anew for every fit.
        """
        m, k = _chain(embedding, target)[0]
        if ("root", k) not in self._cache:
            begun = target.first(m)
            F, y = _data(embedding, begun, self.most)
            self._cache["root", k] = spread(self.theta(embedding, begun), embedding, F, y)
        self._keep([("root", k)])
        return self._cache["root", k]

    def _keep(self, keys: list[Hashable]) -> None:
        for k in keys:
            if k in self._cache:
                self._cache.move_to_end(k)
        while len(self._cache) > _KEPT:
            self._cache.popitem(last=False)


def _chain(embedding: Embedding, target: Target) -> list[tuple[int, Hashable]]:
    """Sizes and keys of the fits that lead to n observations, from the last fresh one on."""
    sizes = refit_sizes(len(target))
    return [
        (m, (embedding.space, target.name, m, _digest(target.X[:m], target.raw[:m])))
        for m in sizes[(len(sizes) - 1) // _PERIOD * _PERIOD :]
    ]


def _data(embedding: Embedding, target: Target, most: int) -> tuple[Floats, Floats]:
    """Features and values of those observations that a process takes."""
    chosen = subset(target.y, most)
    return embedding(target.X[chosen]), target.y[chosen]


def _digest(*arrays: Floats) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for a in arrays:
        digest.update(np.ascontiguousarray(a).tobytes())
    return digest.digest()
