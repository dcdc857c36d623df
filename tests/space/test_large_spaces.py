"""Spaces of hundreds of discrete parameters, whose combinations no machine number counts."""

import numpy as np
import pytest

from luthier.errors import SpaceError
from luthier.space import Choice, Float, Int, Ordinal, Space


def cells(conditional):
    """34 choices as in a cell of NAS-Bench-301: the operation of an edge matters where the edge is chosen."""
    edges = {f"edge{i}": Choice(["none", "conv", "pool"]) for i in range(17)}
    when = {f"edge{i}": ("conv", "pool") for i in range(17)}
    return edges | {
        f"op{i}": Choice(list("abcdefgh"), when={f"edge{i}": when[f"edge{i}"]} if conditional else None)
        for i in range(17)
    }


SPACES = {
    "22 choices of 8": {f"c{i}": Choice(list(range(8))) for i in range(22)},
    "34 conditional choices": cells(conditional=True),
    "300 discrete": {
        **{f"c{i}": Choice(list("abcde")) for i in range(100)},
        **{f"i{i}": Int(0, 1000) for i in range(100)},
        **{f"o{i}": Ordinal([1, 2, 4, 8]) for i in range(50)},
        **{f"s{i}": Float(0, 1, step=0.1) for i in range(50)},
    },
    "300 of one value": {f"c{i}": Choice(["only"]) for i in range(300)},
    "a chain of 100": {f"c{i}": Choice([0, 1], when={f"c{i - 1}": 1} if i else None) for i in range(100)},
}


@pytest.mark.parametrize("require", [(), "one"])
@pytest.mark.parametrize("name", SPACES)
def test_it_is_made_sampled_checked_and_read_back(name, require):
    parameters = SPACES[name]
    first = next(iter(parameters))
    space = Space(parameters, require=[f"{first} == {first}"] if require else ())
    X = space.sample(np.random.default_rng(0), 20)
    configurations = space.decode(X)
    assert [space.check(c) for c in configurations] == configurations
    np.testing.assert_array_equal(space.encode(configurations), X)
    np.testing.assert_array_equal(space.snap(X), X)
    u = np.random.default_rng(1).random(len(space))
    assert space.decode_one(u) == space.decode(space.from_unit(u[None, :]))[0]
    assert Space.from_json(space.to_json()) == space


def test_the_number_of_combinations_is_exact():
    assert Space(SPACES["22 choices of 8"]).size == 8**22  # a multiple of 2**64
    assert Space({"a": Int(0, 2**64), "b": Choice([1, 2])}).size == 2 * (2**64 + 1)
    assert Space({"a": Float(0, 1), "b": Choice([1, 2])}).size == np.inf
    assert Space({}).size == 1


def test_an_empty_space_of_many_parameters_is_refused():
    with pytest.raises(SpaceError, match="of 8 tried"):
        Space({**SPACES["300 of one value"], "a": Int(0, 7)}, require=["a > 7"])
    with pytest.raises(SpaceError, match="no configuration satisfies"):
        Space(SPACES["22 choices of 8"], require=["c0 > 7"])


def test_a_parent_with_more_values_than_floats_tell_apart():
    space = Space({"n": Int(1, 10**20, log=True), "x": Float(0, 1, when={"n": (1, 10**20)})})
    for u in (0.0, 0.5, 1.0):
        point = np.array([u, 0.3])
        assert space.decode_one(point) == space.decode(space.from_unit(point[None]))[0]
