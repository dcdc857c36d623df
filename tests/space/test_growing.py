import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_a_condition_is_learned_from_the_first_trial_that_has_the_parameter():
    growing = GrowingSpace()
    growing.meet("layers", Int(1, 3))
    assert not growing.learn([{"layers": 1}])
    assert not growing.learn([{"layers": 1}])
    growing.meet("width", Int(8, 64))  # as the third trial asks for it
    assert not growing.learn([]), "it is running"
    assert growing.learn([{"layers": 2, "width": 8}])
    assert growing.space.parameters["width"].when == {"layers": (2, 3)}
    assert not growing.learn([{"layers": 1}, {"layers": 3, "width": 8}])


def test_what_nothing_explains_is_not_tried_again_for_every_trial(monkeypatch):
    growing = grown({"a": Choice(["x", "y"]), "b": Float(0, 1)}, [{"a": "x", "b": 0.5}, {"a": "y"}])
    growing.meet("c", Float(0, 1))
    growing.learn([{"a": "y", "c": 0.5}])  # not explained: trial 1 had the same values without it
    tried = []
    monkeypatch.setattr("luthier.space.growing.explanations", lambda *_: tried.append(1))
    growing.learn([{"a": "y"}, {"a": "y", "c": 0.5}, {"a": "x", "b": 0.1}, {"a": "x", "b": 0.1, "c": 0.1}] * 3)
    assert tried == [] and growing.space.parameters["b"].when == {"a": ("x",)}


OBJECTIVES = {
    "layers": lambda n: {"n": n % 4 + 1, **{f"w{i}": i + n for i in range(n % 4 + 1)}},
    "branches": lambda n: {"k": "abc"[n % 3], **({"x": n} if n % 3 == 1 else {"y": n, "m": n % 2} if n % 3 else {})},
    "two together": lambda n: {"a": n & 1, "b": n & 2, **({"c": n} if n & 1 and n & 2 else {})},
    "by chance": lambda n: {"a": n % 2, **({"c": n} if hash((n, 0.5)) % 3 == 0 else {})},
    "nested": lambda n: {"a": n % 3, **({"b": n % 2, **({"c": n} if n % 2 else {})} if n % 3 else {})},
}


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(OBJECTIVES)), st.lists(st.integers(0, 23), max_size=20), st.data())
def test_a_study_that_is_loaded_knows_what_one_that_went_on_knows(name, numbers, data):
    growing, trials = GrowingSpace(), []
    for n in numbers:
        params = OBJECTIVES[name](n)
        for parameter, value in params.items():
            growing.meet(parameter, Choice(list("abc")) if isinstance(value, str) else Int(0, 40))
        if data.draw(st.booleans()):  # else it failed
            trials.append(params)
            growing.learn([params])
        loaded = GrowingSpace(growing.domains)
        loaded.learn(trials)
        assert loaded.space == growing.space


def test_a_value_that_a_choice_does_not_have_can_be_learned_from():
    growing = GrowingSpace()
    for name, domain in {"k": Choice(["a", "b"]), "u": Int(0, 9), "v": Int(0, 9)}.items():
        growing.meet(name, domain)
    growing.learn([{"k": "a", "u": 1}, {"k": "b", "v": 1}, {"k": "a", "u": 2}, {"k": "b", "v": 3}])
    growing.learn([{"k": "zzz", "u": 5}])  # stored by another program, or before it was checked
    assert growing.space.parents("u") in ((), ("k",))
