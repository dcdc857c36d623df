import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.errors import SpaceError
from luthier.space import Choice, Float, Int, Ordinal, Space
from luthier.space.partial import complete

SPACE = Space(
    {
        "optimizer": Choice(["sgd", "adam"], default="adam"),
        "learning_rate": Float(1e-5, 1e-1, log=True, default=1e-3),
        "momentum": Float(0, 0.99, when={"optimizer": "sgd"}),
        "layers": Int(1, 4),
        "width_2": Int(8, 256, log=True, when="layers >= 2"),
        "heads": Ordinal([1, 2, 4]),
        "nesterov": Choice([True, False], when="momentum > 0.5"),
    },
    require=["width_2 % heads == 0"],
)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Space({"a": Float(0, 1, when={"b": 1})}),
            "names 'b', which is not a parameter: the parameters are 'a'",
        ),
        (lambda: Space({"a": Float(0, 1, when="b > 1")}), "names 'b', which is not a parameter"),
        (
            lambda: Space({"a": Int(0, 1, when={"b": 1}), "b": Int(0, 1, when={"a": 1})}),
            "form a cycle: a -> b -> a",
        ),
        (lambda: Space({"a": Int(0, 1, when={"a": 1})}), "form a cycle: a -> a"),
        (
            lambda: Space({"o": Choice(["x", "y"]), "a": Int(0, 1, when={"o": "z"})}),
            "parent 'o': 'z' is not among the choices 'x', 'y'",
        ),
        (lambda: Space({"f": Float(0, 1), "a": Int(0, 1, when={"f": 0.5})}), "write when='f > ...' instead"),
        (lambda: Space({"a": 3}), "must be a Float, Int, Choice or Ordinal"),
        (lambda: Space({"": Float(0, 1)}), "must be a non-empty string"),
        (lambda: Space({"a": Float(0, 1)}, ["b > 1"]), "names 'b', which is not a parameter"),
        (lambda: Space({"a": Float(0, 1)}, ["open('x')"]), "not allowed"),
        (lambda: Space({"a": Float(0, 1)}, ["a > 2"]), "no configuration satisfies"),
        (lambda: Space({"a": Int(0, 3), "b": Choice(["x"])}, ["a > 2 and b == 'y'"]), "no configuration satisfies"),
        (lambda: Space({"a": Float(0, 1, default=0.2)}, ["a > 0.5"]).defaults(), "the defaults .* do not satisfy"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(SpaceError, match=message):
        make()


def test_one_allowed_point_of_many_is_found():
    space = Space({"a": Int(0, 99), "b": Int(0, 99)}, ["a == 17 and b == 71"])
    X = space.sample(np.random.default_rng(0), 1)
    assert space.decode(X) == [{"a": 17, "b": 71}]


def test_defaults_come_back_as_given():
    assert SPACE.defaults()["learning_rate"] == 1e-3
    assert SPACE.defaults()["optimizer"] == "adam"
    assert "momentum" not in SPACE.defaults()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, "there is no parameter 'extra'"),
        ({"learning_rate": 1.0}, "parameter 'learning_rate': 1.0 is outside"),
        ({"optimizer": "lamb"}, "'lamb' is not among the choices"),
        ({"layers": 1.5}, "not a whole number"),
        ({"momentum": 0.5}, "'momentum' is inactive here"),
        ({"width_2": 9, "heads": 2}, "does not satisfy"),
        ({"layers": None}, "not a number"),
    ],
)
def test_check_names_what_is_wrong(change, message):
    good = {"optimizer": "adam", "learning_rate": 0.01, "layers": 2, "width_2": 16, "heads": 2}
    assert SPACE.check(good) == good
    with pytest.raises(SpaceError, match=message):
        SPACE.check({**good, **change})
    with pytest.raises(SpaceError, match="'layers' is missing"):
        SPACE.check({k: v for k, v in good.items() if k != "layers"})


def test_samples_satisfy_the_space():
    X = SPACE.sample(np.random.default_rng(1), 500)
    for configuration in SPACE.decode(X):
        SPACE.check(configuration)
    assert np.allclose(SPACE.encode(SPACE.decode(X)), X, equal_nan=True)
    assert (SPACE.active(X) == ~np.isnan(X)).all()


def test_nothing_hangs_on_an_inactive_parent():
    space = Space(
        {"a": Choice(["x", "y"]), "b": Choice(["x", "y"], when={"a": "x"}), "c": Float(0, 1, when={"b": "x"})}
    )
    X = space.sample(np.random.default_rng(0), 200)
    for configuration in space.decode(X):
        assert ("c" in configuration) == (configuration["a"] == "x" and configuration.get("b") == "x")


def test_complete_keeps_what_is_fixed():
    rng = np.random.default_rng(0)
    suggested = {"optimizer": "adam", "learning_rate": 0.01, "layers": 1, "heads": 4}
    whole = complete(SPACE, {"optimizer": "sgd", "layers": 3}, suggested, rng)
    SPACE.check(whole)
    assert whole["optimizer"] == "sgd" and whole["layers"] == 3
    whole = complete(SPACE, {"momentum": 0.3}, suggested, rng)
    assert "momentum" not in whole
    with pytest.raises(SpaceError, match="fix other values"):
        complete(Space({"a": Int(0, 9), "b": Int(0, 9)}, ["a < b"]), {"a": 9}, {"a": 1, "b": 3}, rng)


def test_json_of_the_wrong_kind():
    for text in ("[]", "3", "{", '{"format": 1}', '{"format": 1, "parameters": {"a": {"type": "float"}}}'):
        with pytest.raises(SpaceError, match="not the JSON of a space"):
            Space.from_json(text)
    with pytest.raises(SpaceError, match="upgrade"):
        Space.from_json({"format": 99, "parameters": {}})
    with pytest.raises(SpaceError, match="unknown type"):
        Space.from_json({"format": 1, "parameters": {"a": {"type": "complex"}}})


@st.composite
def spaces(draw):
    domains = {}
    for i in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["float", "log", "step", "int", "logint", "choice", "ordinal"]))
        parents = [n for n, d in domains.items() if isinstance(d, Choice | Ordinal)]
        when = None
        if parents and draw(st.booleans()):
            parent = draw(st.sampled_from(parents))
            when = {parent: tuple(draw(st.sets(st.sampled_from(domains[parent].labels), min_size=1)))}
        match kind:
            case "float":
                high = draw(st.just(0.0) | st.floats(0.001, 5))  # not a range so small that floats are too few for it
                domain = Float(draw(st.just(0.0) | st.floats(-5, -0.001)), high, when=when)
            case "log":
                domain = Float(draw(st.floats(1e-4, 1)), draw(st.floats(1.001, 100)), log=True, when=when)
            case "step":
                domain = Float(0, draw(st.floats(0.5, 3)), step=draw(st.floats(0.1, 1)), when=when)
            case "int":
                domain = Int(draw(st.integers(-5, 0)), draw(st.integers(0, 9)), when=when)
            case "logint":
                domain = Int(1, draw(st.integers(1, 500)), log=True, when=when)
            case "choice":
                domain = Choice(list("abcd")[: draw(st.integers(1, 4))], when=when)
            case "ordinal":
                domain = Ordinal([1, 2, 4, 8][: draw(st.integers(1, 4))], when=when)
        domains[f"p{i}"] = domain
    return Space(domains)


@settings(deadline=None, max_examples=150)
@given(spaces(), st.integers(0, 2**32 - 1))
def test_any_space_round_trips(space, seed):
    assert Space.from_json(json.loads(json.dumps(space.to_json()))) == space
    X = space.sample(np.random.default_rng(seed), 20)
    configurations = space.decode(X)
    for configuration in configurations:
        assert space.check(configuration) == configuration
    again = space.encode(configurations)
    np.testing.assert_allclose(again, X, atol=1e-9)
    np.testing.assert_allclose(space.snap(X), X, atol=1e-9)
    assert space.feasible(X).all()
    assert space.check(space.defaults())
