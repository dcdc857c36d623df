"""Parameters may have any name."""

import keyword

import numpy as np
import pytest

from luthier.errors import SpaceError
from luthier.space import Choice, Float, Int, Space
from luthier.space.growing import GrowingSpace

NAMES = [
    *keyword.kwlist,
    *keyword.softkwlist,
    "µ", "ﬁ", "ªb", " ", "a b", "a.b", "1x", "a'b", 'a"b', "a`b", "a\\b", "a\nb", "a\0b", "🙂",
    "x" * 10_000, "min", "q_0",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:12]))
def test_a_condition_is_learned_under_any_name(name):
    growing = GrowingSpace()
    growing.meet(name, Int(0, 2))
    growing.meet("child", Float(0, 1))
    growing.learn([{name: 0}, {name: 1, "child": 0.5}, {name: 2, "child": 0.1}])
    space = growing.space
    assert space.parameters["child"].when == {name: (1, 2)}
    assert space.active(space.encode([{name: 0}, {name: 2}]))[:, 1].tolist() == [False, True]
    assert Space.from_json(space.to_json()) == space
    assert Space({name: Int(0, 2), "y": Float(0, 1, when={name: 2})}).parents("y") == (name,)


@pytest.mark.parametrize("name", [name for name in NAMES if "`" not in name and len(name) < 900], ids=ascii)
def test_an_expression_names_any_parameter_between_backquotes(name):
    space = Space({name: Int(0, 9), "y": Float(0, 1, when=f"`{name}` >= 5")}, require=[f"`{name}` != 7"])
    assert space.parents("y") == (name,)
    assert space.active(space.encode([{name: 4}, {name: 5}]))[:, 1].tolist() == [False, True]
    assert space.feasible(space.encode([{name: 7}, {name: 8}])).tolist() == [False, True]


def test_letters_are_read_as_they_are_written():
    micro, mu = "\u00b5", "\u03bc"  # Python takes both for the second
    space = Space({micro: Int(0, 9), mu: Int(0, 9)}, require=[f"{micro} < {mu}"])
    assert space.feasible(space.encode([{micro: 1, mu: 2}, {micro: 2, mu: 1}])).tolist() == [True, False]
    with pytest.raises(SpaceError, match="only looks like it"):
        Space({micro: Int(0, 9)}, require=[f"{mu} > 1"])


@pytest.mark.parametrize(
    ("parameters", "text", "message"),
    [
        ({"lambda": Int(0, 9)}, "lambda >= 1", "between backquotes"),
        ({"True": Int(0, 9), "x": Int(0, 9)}, "x > True", "write `True` for it"),
        ({"x": Int(0, 9)}, "-" * 500 + "x > 0", "nested more than 60 deep"),
        ({"x": Choice(["a", "b"]), "y": Float(0, 1, when="x > 3")}, "y >= 0", "cannot be evaluated"),
        ({"x": Int(0, 9)}, "`y` > 3", "names 'y', which is not a parameter"),
    ],
)
def test_an_expression_that_cannot_work_is_refused_when_the_space_is_made(parameters, text, message):
    with pytest.raises(SpaceError, match=message):
        Space(parameters, require=[text])


def test_a_backquote_in_a_string_is_a_character():
    space = Space({"x": Choice(["`a`", "b"])}, require=["x == '`a`'"])
    assert space.decode(space.sample(np.random.default_rng(0), 1)) == [{"x": "`a`"}]


@pytest.mark.parametrize("name", ["", None, 3, "\ud800", ["x"]])
def test_what_is_not_a_name_changes_nothing(name):
    growing = GrowingSpace()
    growing.meet("x", Float(0, 1))
    with pytest.raises(SpaceError, match="a parameter's name is"):
        growing.meet(name, Float(0, 1))
    assert growing.meet("y", Float(0, 1)) and growing.space.names == ("x", "y")


def test_ranges_may_change_under_a_learned_condition():
    growing = GrowingSpace()
    growing.meet("n", Int(1, 3))
    growing.meet("c", Float(0, 1))
    growing.learn([{"n": 1, "c": 0.5}, {"n": 2}, {"n": 3, "c": 0.5}])
    assert growing.space.parameters["c"].when == {"n": (1, 3)}
    growing.meet("n", Int(2, 5))
    assert growing.space.parameters["c"].when == {"n": (3,)}
    growing = GrowingSpace()
    growing.meet("n", Int(1, 3))
    growing.meet("c", Float(0, 1))
    growing.learn([{"n": 1}, {"n": 2, "c": 0.5}])
    growing.meet("n", Int(1, 5))
    assert growing.space.parameters["c"].when == {"n": (2, 3, 4, 5)}
    growing.meet("n", Int(1, 2**63))
    assert growing.space.parameters["c"].when is None


def test_many_conditional_choices_are_explained():
    rng = np.random.default_rng(0)
    growing = GrowingSpace()
    for i in range(17):
        growing.meet(f"e{i}", Choice(["none", "conv", "pool"]))
        growing.meet(f"op{i}", Choice(list("abcdefgh")))
    trials = []
    for _ in range(60):
        edges = {f"e{i}": ["none", "conv", "pool"][rng.integers(3)] for i in range(17)}
        trials.append(edges | {f"op{i}": "a" for i in range(17) if edges[f"e{i}"] != "none"})
    growing.learn(trials)
    assert all(set(growing.space.parameters[f"op{i}"].when[f"e{i}"]) == {"conv", "pool"} for i in range(17))
