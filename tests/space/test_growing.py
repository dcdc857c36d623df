import pytest

from luthier.errors import SpaceError
from luthier.space import Choice, Float, Int
from luthier.space.growing import GrowingSpace


def grown(domains, trials):
    growing = GrowingSpace()
    for name, domain in domains.items():
        growing.meet(name, domain)
    growing.learn(trials)
    return growing


def test_a_parameter_that_all_have_is_not_conditional():
    growing = grown({"a": Float(0, 1), "b": Int(0, 3)}, [{"a": 0.1, "b": 1}, {"a": 0.2, "b": 2}])
    assert growing.space.is_flat


def test_the_choice_that_explains_a_parameter_is_its_condition():
    growing = grown(
        {"opt": Choice(["sgd", "adam", "rms"]), "lr": Float(0, 1), "momentum": Float(0, 1)},
        [
            {"opt": "sgd", "lr": 0.1, "momentum": 0.9},
            {"opt": "adam", "lr": 0.1},
            {"opt": "rms", "lr": 0.5, "momentum": 0.1},
        ],
    )
    assert growing.space.parameters["momentum"].when == {"opt": ("sgd", "rms")}
    assert growing.space.parameters["lr"].when is None


def test_a_count_gives_a_threshold():
    domains = {"layers": Int(1, 4), **{f"w{i}": Int(8, 64) for i in range(1, 5)}}
    trials = [{"layers": n, **{f"w{i}": 8 for i in range(1, n + 1)}} for n in (1, 2, 4, 3)]
    growing = grown(domains, trials)
    assert growing.space.parameters["w1"].when is None
    assert [growing.space.parameters[f"w{i}"].when for i in (2, 3, 4)] == [
        {"layers": (2, 3, 4)},
        {"layers": (3, 4)},
        {"layers": (4,)},
    ]


def test_two_choices_together():
    trials = [{"a": a, "b": b, **({"c": 0.5} if a and b else {})} for a in (True, False) for b in (True, False)]
    growing = grown({"a": Choice([True, False]), "b": Choice([True, False]), "c": Float(0, 1)}, trials)
    assert growing.space.parameters["c"].when == {"a": (True,), "b": (True,)}


def test_what_nothing_explains_counts_as_always_there():
    growing = grown({"a": Choice([1, 2]), "c": Float(0, 1)}, [{"a": 1, "c": 0.5}, {"a": 1}, {"a": 2}])
    assert growing.space.is_flat
    assert not growing.learn([{"a": 1}])  # and it is not tried again for every trial


def test_later_trials_correct_what_was_learned():
    growing = grown({"a": Choice(["x", "y", "z"]), "c": Float(0, 1)}, [{"a": "x", "c": 0.5}, {"a": "y"}])
    assert growing.space.parameters["c"].when == {"a": ("x",)}
    assert growing.learn([{"a": "z", "c": 0.1}])
    assert growing.space.parameters["c"].when == {"a": ("x", "z")}


def test_a_range_may_change_but_choices_and_kinds_may_not():
    growing = grown({"a": Float(0, 1), "o": Choice(["x", "y"])}, [])
    assert growing.meet("a", Float(0, 2))
    assert growing.space.parameters["a"] == Float(0, 2)
    assert not growing.meet("a", Float(0, 2))
    with pytest.raises(SpaceError, match="'a' was Float and is now Int"):
        growing.meet("a", Int(0, 2))
    with pytest.raises(SpaceError, match=r"'o' was suggested with the choices \['x', 'y'\], now with \['x', 'z'\]"):
        growing.meet("o", Choice(["x", "z"]))
