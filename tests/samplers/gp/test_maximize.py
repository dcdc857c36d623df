from __future__ import annotations

import json

import numpy as np
import pytest

from luthier.samplers.gp.acquisition import Acquisition
from luthier.samplers.gp.maximize import _count, _grid, maximize
from luthier.samplers.tried import Tried
from luthier.space import Choice, Int, Ordinal, Space
from luthier.surrogates.gp.kernel import Embedding
from luthier.surrogates.gp.posterior import condition
from luthier.testing.samplers import LARGE_SPACES, SPACES


def acquisition(space, n=20, seed=0):
    rng = np.random.default_rng(seed)
    embedding = Embedding(space)
    X = space.sample(rng, n)
    theta = np.concatenate([np.full(embedding.groups, 0.3), [0.0, -6.0], np.zeros(2 * len(embedding.numeric))])
    y = rng.standard_normal(n)
    posterior = condition(embedding, theta, embedding(X), y)
    return Acquisition([(posterior, float(y.min()))]), embedding, X[np.argsort(y)[:5]], X


def none(space):
    return Tried(np.empty((0, len(space))))


@pytest.mark.parametrize("name", [n for n in SPACES if n != "no parameter"])
def test_better_than_random_points_and_exists(name):
    space = SPACES[name]
    part, embedding, incumbents, _ = acquisition(space)
    row = maximize(space, embedding, part, incumbents, none(space), np.random.default_rng(0))
    np.testing.assert_allclose(space.snap(row[None])[0], row, atol=1e-12)
    assert space.feasible(row[None])[0]
    many = space.sample(np.random.default_rng(1), 2000)
    assert part.value(embedding(row[None]))[0] >= part.value(embedding(many)).max() - 1e-9


@pytest.mark.parametrize("name", ["choices", "two points", "ordinal", "steps"])
def test_every_point_once_until_none_is_left(name):
    space = SPACES[name]
    part, embedding, incumbents, _ = acquisition(space)
    tried, seen = none(space), set()
    size = int(np.prod(space.sizes))
    for _ in range(size):
        row = maximize(space, embedding, part, incumbents, tried, np.random.default_rng(0))
        assert row not in tried
        tried = tried.with_rows(row[None])
        seen.add(json.dumps(space.decode(row[None])[0]))
    assert len(seen) == size
    assert maximize(space, embedding, part, incumbents, tried, np.random.default_rng(0)) in tried


def test_a_larger_discrete_space_is_gone_through_without_repeats():
    space = Space({"a": Int(1, 40), "b": Int(1, 40)})
    part, embedding, incumbents, X = acquisition(space)
    tried = Tried(X)
    for _ in range(20):
        row = maximize(space, embedding, part, incumbents, tried, np.random.default_rng(0))
        assert row not in tried
        tried = tried.with_rows(row[None])


class Counted:
    """An acquisition that counts the rows that it is asked for."""

    def __init__(self, inner):
        self.inner, self.asked, self.screened = inner, 0, 0

    def value(self, F):
        self.asked += len(F)
        return self.inner.value(F)

    def rough(self, F):
        self.screened += len(F)
        return self.inner.rough(F)

    def value_and_gradient(self, F):
        return self.inner.value_and_gradient(F)


def test_most_candidates_are_only_screened():
    space = SPACES["floats"]
    part, embedding, incumbents, _ = acquisition(space)
    counted = Counted(part)
    maximize(space, embedding, counted, incumbents, none(space), np.random.default_rng(0))
    assert counted.asked < counted.screened / 3


def test_the_number_of_points_is_exact() -> None:
    assert _count(LARGE_SPACES["22 choices of 8"]) == 8**22  # 0 in 64 bits
    assert _count(LARGE_SPACES["64 whole numbers of 32 bits"]) == 2 ** (32 * 64)  # beyond any float
    assert _count(LARGE_SPACES["two points among 80 of one value"]) == 8
    assert _count(LARGE_SPACES["a float among 40 choices"]) == np.inf
    assert _count(Space({})) == 1


def test_all_points_of_a_small_space() -> None:
    space = Space({"c": Choice(["a", "b", "c"]), "n": Int(1, 4, log=True), "o": Ordinal([1, 2]), "k": Int(5, 5)})
    points = space.decode(space.snap(_grid(space)))
    expected = [{"c": c, "n": n, "o": o, "k": 5} for c in "abc" for n in (1, 2, 3, 4) for o in (1, 2)]
    assert points == expected
    many = LARGE_SPACES["two points among 80 of one value"]
    found = {(p["x"], p["y"]) for p in many.decode(many.snap(_grid(many)))}
    assert found == {(x, y) for x in "ab" for y in (1, 2, 3, 4)}
