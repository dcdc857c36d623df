"""Where the acquisition is greatest: many candidates, the best of them refined, all of them configurations."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...space import Choice, Domain, Int, Space
from ...surrogates.gp.kernel import Embedding
from ...types import Floats
from ..tried import Tried
from .acquisition import Criterion
from .trust_region import Box

_ENUMERABLE = 1000  # spaces of at most this many points are looked through
_UNIFORM = 400
_LOCAL = 60  # perturbations of each incumbent
_SCREENED = 80  # of either kind, by the rough acquisition: only of these is the acquisition itself asked
_REFINED = 6
_CONTINUUM = 20  # a number with more values moves along the gradient and is rounded; others are exchanged
_ITERATIONS = 12


def maximize(
    space: Space,
    embedding: Embedding,
    acquisition: Criterion,
    incumbents: Floats,
    tried: Tried,
    rng: np.random.Generator,
    box: Box | None = None,
) -> Floats:
    """The encoded row (d,) with about the greatest acquisition among those that were not tried.

    Where everything was tried, the greatest of all.

    Args:
        space: what to search; every row that is returned exists in it.
        embedding: of the space.
        acquisition: what to maximise.
        incumbents: (k, d) the best rows known, the best first.
        tried: rows that must not come again.
        rng: for the candidates.
        box: where numbers may lie; None for all of the space.
    """
    search = _Search(space, embedding, acquisition, tried, rng, box)
    if _count(space) <= _ENUMERABLE:
        return search.best(_grid(space))
    spread, near = _candidates(space, incumbents, rng, box)
    top, values = search.top(near, _REFINED // 2)
    others, other_values = search.top(spread, _REFINED - len(top))
    return search.refine(np.concatenate([top, others]), np.concatenate([values, other_values]))


class _Search:
    """One maximisation: rows are dense (no NaN: inactive parameters keep a hidden value) until they are returned."""

    def __init__(
        self,
        space: Space,
        embedding: Embedding,
        acquisition: Criterion,
        tried: Tried,
        rng: np.random.Generator,
        box: Box | None,
    ) -> None:
        self.space, self.embedding, self.acquisition, self.tried, self.rng = space, embedding, acquisition, tried, rng
        self.low, self.high = (np.zeros(len(space)), np.ones(len(space))) if box is None else box
        numbers = np.zeros(len(space), dtype=bool)
        numbers[embedding.numeric] = True
        self.continua = numbers & (space.sizes > _CONTINUUM)
        self.discrete = np.flatnonzero(~self.continua & (space.sizes > 1))

    def values(self, D: Floats, rough: bool = False) -> Floats:
        """Acquisition at dense rows, or about that; -inf where `require` forbids them or they were tried."""
        X = self.space.snap(D)
        allowed = self.space.feasible(X)
        allowed &= ~self.tried.among(X)
        out = np.full(len(D), -np.inf)
        if allowed.any():
            ask = self.acquisition.rough if rough else self.acquisition.value
            out[allowed] = ask(self.embedding(X[allowed]))
        return out

    def top(self, D: Floats, k: int) -> tuple[Floats, Floats]:
        """The k dense rows of the greatest acquisition that may be proposed, and their values."""
        D = D[_greatest(self.values(D, rough=True), _SCREENED)]
        values = self.values(D)
        order = _greatest(values, k)
        return D[order], values[order]

    def best(self, D: Floats) -> Floats:
        """The best row to propose, snapped; of those tried where there is no other."""
        values = self.values(D)
        if not np.isfinite(values).any():
            X = self.space.snap(D)
            X = X[self.space.feasible(X)]
            return np.asarray(X[np.argmax(self.acquisition.value(self.embedding(X)))])
        return np.asarray(self.space.snap(D[[int(np.argmax(values))]])[0])

    def refine(self, D: Floats, values: Floats) -> Floats:
        """The best snapped row after gradient steps alternated with exchanges of discrete values.

        Args:
            D: (m, d) dense rows to begin with.
            values: (m,) of the acquisition there.
        """
        if len(D) == 0:  # every candidate was tried: the space is small or hardly anything is allowed
            return self.best(self.space.sample(self.rng, _ENUMERABLE))
        D, values = self._climbed(D, values)
        if len(self.discrete):
            stacks = np.stack(list(self._exchanges(D)))  # (e, m, d)
            before = values
            D, values = _better(D, values, stacks, self.values(stacks.reshape(-1, D.shape[1])).reshape(-1, len(D)))
            best = np.argsort(-values, kind="stable")[: _REFINED // 3]
            again = best[values[best] > before[best]]  # where an exchange helped, the continua may move again
            if len(again):
                D[again], values[again] = self._climbed(D[again], values[again])
        return np.asarray(self.space.snap(D[[int(np.argmax(values))]])[0])

    def _climbed(self, D: Floats, values: Floats) -> tuple[Floats, Floats]:
        moved = self._climb(D)
        return _better(D, values, moved[None], self.values(moved)[None])

    def _climb(self, D: Floats) -> Floats:
        """Rows moved up the acquisition along their active continua by one L-BFGS-B over all of them.

        Its bounds are those of the box or the cube, so a maximum on a face is reached exactly.
        """
        from scipy.optimize import minimize

        X = self.space.snap(D)
        F = self.embedding(X)
        numeric = self.embedding.numeric
        free = (self.continua & ~np.isnan(X))[:, numeric]  # (m, p)
        if not free.any():
            return D
        p = len(numeric)

        def negative(x: Floats) -> tuple[float, Floats]:
            F[:, :p][free] = x
            value, gradient = self.acquisition.value_and_gradient(F)
            return -float(value.sum()), -gradient[free]

        start = F[:, :p][free]
        found = minimize(
            negative,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(self.low[j], self.high[j]) for j in numeric[np.nonzero(free)[1]]],
            options={"maxiter": _ITERATIONS, "maxcor": 10},
        )
        moved = D.copy()
        columns = moved[:, numeric]
        columns[free] = found.x
        moved[:, numeric] = columns
        return moved

    def _exchanges(self, D: Floats) -> Iterator[Floats]:
        """Copies of all rows with one discrete value exchanged: every other one, or the neighbours of many."""
        for j in self.discrete:
            domain, size = self.space.domains[j], int(self.space.sizes[j])
            if isinstance(domain, Choice):
                columns = [np.full(len(D), float(k)) for k in range(size)]
            elif size <= 8:
                columns = [np.full(len(D), (k + 0.5) / size) for k in range(size)]
            else:
                columns = [np.clip(D[:, j] + step / size, 0.0, 1.0) for step in (-2, -1, 1, 2)]
            for column in columns:
                E = D.copy()
                E[:, j] = column
                yield E


def _greatest(values: Floats, k: int) -> NDArray[np.intp]:
    """Where the k greatest values are that are finite, the greatest first."""
    order = np.argsort(-values, kind="stable")[:k]
    return order[np.isfinite(values[order])]


def _better(D: Floats, values: Floats, others: Floats, other_values: Floats) -> tuple[Floats, Floats]:
    """Of every row (m, d) and its alternatives (e, m, d), the best; and its value."""
    best = np.argmax(other_values, axis=0)
    rows = np.arange(len(D))
    gain = other_values[best, rows] > values
    return np.where(gain[:, None], others[best, rows], D), np.where(gain, other_values[best, rows], values)


def _count(space: Space) -> float:
    """How many points there are: exact however many; inf where a parameter is a continuum."""
    sizes = [x.size for x in space.domains if x.size is not None]
    return math.prod(sizes) if len(sizes) == len(space) else math.inf


def _grid(space: Space) -> Floats:
    """All points of a small space as dense rows, the last parameter moving fastest."""
    X = np.empty((int(_count(space)), len(space)))
    repeats = len(X)
    for j, domain in enumerate(space.domains):  # (an array of one axis for each parameter has at most 64)
        axis = _axis(domain)
        repeats //= len(axis)
        X[:, j] = np.tile(np.repeat(axis, repeats), len(X) // (repeats * len(axis)))
    return X


def _axis(domain: Domain) -> Floats:
    """(k,) coordinates of all values of a domain."""
    size = domain.size
    assert size is not None
    if isinstance(domain, Choice):
        return np.arange(size, dtype=np.float64)
    if isinstance(domain, Int) and domain.on_log_scale and size > 1:
        return domain.encode(np.arange(domain.low, domain.high + 1, dtype=np.float64))
    return np.asarray((np.arange(size) + 0.5) / size)


def _candidates(space: Space, incumbents: Floats, rng: np.random.Generator, box: Box | None) -> tuple[Floats, Floats]:
    """Dense rows all over the space, or the box, and around the incumbents."""
    d = len(space)
    numbers = ~space.is_choice
    spread = _dense(space, rng.random((_UNIFORM, d)))
    # an eighth of them is pushed onto faces, where optima often lie
    pushed = (rng.random((_UNIFORM // 8, d)) < rng.random((_UNIFORM // 8, 1))) & numbers
    spread[::8] = np.where(pushed, np.round(spread[::8]), spread[::8])
    if space.require:  # where little is allowed, uniform points are not
        spread[1::4] = _filled(space, space.sample(rng, len(spread[1::4])), rng)
    if len(incumbents) == 0:
        return spread, spread[:0]

    base = np.repeat(_filled(space, incumbents, rng), _LOCAL, axis=0)
    m = len(base)
    moved = rng.random((m, d)) < np.maximum(rng.random((m, 1)), 1.0 / d)
    sigma = 10.0 ** rng.uniform(-2.5, -0.5, (m, 1))
    shifted = np.where(numbers, np.clip(base + sigma * rng.standard_normal((m, d)), 0.0, 1.0), base)
    exchanged = _dense(space, rng.random((m, d)))
    near = np.where(moved, np.where(numbers, shifted, exchanged), base)
    faces = np.repeat(base[::_LOCAL][:2], 2 * d, axis=0)  # the two best with one coordinate on a face
    rows = np.arange(len(faces))
    column = rows // 2 % d
    faces[rows, column] = np.where(numbers[column], rows % 2, faces[rows, column])
    near = np.concatenate([near, faces])
    if box is None:
        return spread, near
    low, high = box
    kept = rng.random(spread.shape) < 0.5  # categories have no box: half of them stay as the best has them
    other = np.where(kept, base[0], spread)
    return np.where(numbers, low + spread * (high - low), other), np.where(numbers, np.clip(near, low, high), near)


def _dense(space: Space, U: Floats) -> Floats:
    """Points of the unit cube with indices in the columns of choices."""
    return np.where(space.is_choice, np.floor(U * np.where(space.is_choice, space.sizes, 1.0)), U)


def _filled(space: Space, X: Floats, rng: np.random.Generator) -> Floats:
    """Encoded rows with random hidden values where they are inactive."""
    return np.where(np.isnan(X), _dense(space, rng.random(X.shape)), X)
