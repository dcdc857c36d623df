"""GridSampler: each combination once, in an even order, whatever the size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import luthier as lt
from luthier.errors import SearchSpaceExhausted, SpaceError
from luthier.history import History
from luthier.samplers.grid import GridSampler
from luthier.samplers.grid.spread import Spread
from luthier.space import Choice, Float, Int, Ordinal, Space
from luthier.testing.samplers import LARGE_SPACES, SamplerContract, spaces
from luthier.trial import TrialRecord, TrialState
from luthier.types import Configuration

RNG = np.random.default_rng(0)


class TestContract(SamplerContract):
    distinct = False

    def make(self) -> GridSampler:
        return GridSampler(points=4)


def run(space: Space, sampler: GridSampler, batch: int = 1, limit: int = 10_000) -> list[Configuration]:
    history, found = History(space), list[Configuration]()
    while len(found) < limit:
        try:
            new = sampler.suggest(space, history, RNG, batch)
        except SearchSpaceExhausted:
            return found
        history.put([TrialRecord(len(history) + i, TrialState.RUNNING, c) for i, c in enumerate(new)])
        found += new
    raise AssertionError("it does not end")


def run_some(space: Space, sampler: GridSampler, n: int) -> list[Configuration]:
    return sampler.suggest(space, History(space), RNG, n)


def keys(found: list[Configuration] | list[Mapping[str, Any]]) -> list[str]:
    return sorted(json.dumps(x, sort_keys=True) for x in found)


@pytest.mark.parametrize("batch", [1, 7])
def test_every_combination_once(batch: int) -> None:
    space = Space({"x": Float(0, 1), "lr": Float(1e-4, 1, log=True), "n": Int(1, 3), "c": Choice(["a", "b"])})
    expected = [
        {"x": x, "lr": lr, "n": n, "c": c}
        for x in (0.0, 0.5, 1.0)
        for lr in space.parameters["lr"].decode(np.array([0, 0.5, 1])).tolist()
        for n in (1, 2, 3)
        for c in "ab"
    ]
    assert keys(run(space, GridSampler(points=3), batch)) == keys(expected)


def test_points_by_name() -> None:
    space = Space({"x": Float(0, 4), "n": Int(1, 100), "o": Ordinal([1, 2, 4]), "s": Float(0, 1, step=0.01)})
    found = run(space, GridSampler(points={"x": 2, "n": 3, "o": 2, "s": 1, "absent": 9}))
    assert {c["x"] for c in found} == {0.0, 4.0}
    assert {1, 100} < {c["n"] for c in found}
    assert {c["o"] for c in found} == {1, 2, 4}
    assert len(found) == 2 * 3 * 3


def test_inactive_parameters_do_not_multiply() -> None:
    space = Space(
        {
            "kind": Choice(["sgd", "adam"]),
            "momentum": Float(0, 1, when={"kind": "sgd"}),
            "nesterov": Choice([True, False], when="momentum > 0.5"),
            "beta": Float(0, 1, when={"kind": "adam"}),
            "n": Int(1, 2),
        }
    )
    found = run(space, GridSampler(points=3))
    assert len(found) == len(set(keys(found))) == 2 * ((2 + 2) + 3)  # momentum 0, ½, 1 × nesterov; beta
    assert GridSampler(points=3).size(space) == len(found)


def test_forbidden_combinations_are_left_out() -> None:
    space = Space({"width": Int(1, 12), "heads": Int(1, 4)}, require=["width % heads == 0"])
    found = run(space, GridSampler())
    assert keys(found) == keys([{"width": w, "heads": h} for w in range(1, 13) for h in range(1, 5) if w % h == 0])


def test_what_was_tried_elsewhere_is_left_out() -> None:
    space = Space({"x": Float(0.001, 1, log=True), "n": Int(1, 5)})
    whole = run(space, GridSampler())
    history = History(space)
    history.put(TrialRecord(i, TrialState(2 + i % 3), c) for i, c in enumerate(whole[3:10]))
    history.put([TrialRecord(7, TrialState.COMPLETE, {"x": 0.77, "n": 1}), TrialRecord(8, TrialState.FAIL, {"n": 2})])
    left = whole[:3] + whole[10:]
    left.remove(next(c for c in left if c["n"] == 2))  # the failure before x was asked for
    assert GridSampler().suggest(space, history, RNG, 25) == left


@given(spaces())
@settings(deadline=None, max_examples=25)
def test_any_space_ends_without_repeating(space: Space) -> None:
    sampler = GridSampler(points=dict.fromkeys(space.names, 2))
    found = run(space, sampler, batch=100_000, limit=100_000) if sampler.size(space) < 100_000 else []
    assert len(found) == len(set(keys(found)))
    if found and not space.require:
        assert len(found) == sampler.size(space)


@given(st.lists(st.integers(1, 6), max_size=5))
@settings(deadline=None, max_examples=60)
def test_the_order_is_one_to_one(sizes: list[int]) -> None:
    spread = Spread(sizes)
    levels = spread(np.arange(spread.size))
    assert len({tuple(row) for row in levels.tolist()}) == spread.size
    assert (levels >= 0).all()
    assert (levels < np.array(sizes, dtype=np.int64)).all()


def test_a_prefix_covers_every_parameter_evenly() -> None:
    space = Space({f"x{j}": Float(0, 1) for j in range(4)})
    found = GridSampler(points=5).suggest(space, History(space), RNG, 312)  # half of 625
    X = space.encode(found)
    for j in range(4):
        counts = np.unique(np.round(X[:, j] * 4), return_counts=True)[1]
        assert counts.max() - counts.min() <= 0.15 * 312 / 5
        for i in range(j):  # and every pair of them
            pairs = np.unique(np.round(X[:, [i, j]] * 4), axis=0, return_counts=True)[1]
            assert len(pairs) == 25
            assert pairs.max() <= 2.5 * 312 / 25


def test_a_grid_of_any_size_starts_at_once() -> None:
    space = Space({**{f"x{j}": Float(0, 1) for j in range(40)}, "n": Int(1, 10**10), "m": Int(1, 10**9, log=True)})
    found = GridSampler(points=10).suggest(space, History(space), RNG, 200)
    assert GridSampler(points=10).size(space) == 10**59
    assert len(set(keys(found))) == 200
    assert np.std([float(c["x0"]) for c in found]) > 0.25  # type: ignore[arg-type]


def test_a_grid_of_any_number_of_branches_starts_at_once() -> None:
    space = Space({"n": Int(1, 2_000_000), "x": Float(0, 1, when="n > 10")})
    found = run_some(space, GridSampler(), 300)
    assert len(set(keys(found))) == 300
    assert sum("x" in c for c in found) > 290
    with pytest.raises(SpaceError, match="cannot be counted"):
        GridSampler().size(space)
    assert GridSampler(points={"n": 4}).size(space) == 1 + 3 * 5


def test_conditions_that_do_not_meet_multiply_no_branches() -> None:
    space = LARGE_SPACES["34 conditional choices"]
    assert GridSampler().size(space) == (2 * 7 + 5) ** 17
    found = run_some(space, GridSampler(), 300)
    assert len(set(keys(found))) == 300
    counts = np.bincount([list("abcdefg").index(str(c["input3"])) for c in found], minlength=7)
    assert counts.min() > 0


def test_a_chain_of_conditions_is_counted_without_its_inactive_part() -> None:
    space = Space({f"c{i}": Choice(list("abcd"), when={f"c{i - 1}": "a"} if i else None) for i in range(60)})
    assert GridSampler().size(space) == 59 * 3 + 4
    assert len(set(keys(run(space, GridSampler(), batch=50)))) == 59 * 3 + 4


def test_many_children_of_one_branch() -> None:
    space = LARGE_SPACES["100 conditional on one"]
    assert GridSampler().size(space) == 2 * 9**50
    assert len(set(keys(run_some(space, GridSampler(), 200)))) == 200


@pytest.mark.parametrize("points", [0, {"x": 0}])
def test_no_points_are_refused(points: Any) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        GridSampler(points=points)


def test_listed_values_exactly_as_they_are() -> None:
    rates = [1e-3, 3e-4, 0.07, 1e-5]
    space = Space(
        {"lr": Float(1e-5, 1, log=True), "x": Float(-3, 7), "n": Int(1, 4096, log=True), "s": Int(2, 20, step=3)}
    )
    listed = {"lr": rates, "x": [0.1, 0.3], "n": [1, 17], "s": (5, 20)}
    found = run(space, GridSampler(listed))
    assert keys(found) == keys(
        [{"lr": a, "x": b, "n": c, "s": d} for a in rates for b in (0.1, 0.3) for c in (1, 17) for d in (5, 20)]
    )
    assert GridSampler(listed).size(space) == len(found) == 32


def test_listed_choices_numbers_of_points_and_what_is_not_named() -> None:
    size, other = object(), object()
    space = Space(
        {
            "optimizer": Choice(["sgd", "adam", "lion"]),
            "batch": Ordinal([16, 32, 64, 128]),
            "model": Ordinal({"S": size, "L": other}),
            "flag": Choice([True, 1, None]),
            "x": Float(0, 1),
            "y": Float(0, 1),
            "s": Float(0, 1, step=0.25),
        }
    )
    listed = {"optimizer": ["lion", "sgd"], "batch": [128, 16], "model": [other], "flag": [1], "x": [0.25], "y": 3}
    found = run(space, GridSampler({**listed, "s": [0.25, 0.75]}))
    assert len(found) == 2 * 2 * 1 * 1 * 1 * 3 * 2
    assert {(c["optimizer"], c["batch"], c["model"]) for c in found} == {
        (o, b, "L") for o in ("lion", "sgd") for b in (16, 128)
    }
    assert {json.dumps(c["flag"]) for c in found} == {"1"}
    assert {c["s"] for c in found} == {0.25, 0.75}
    assert {c["y"] for c in found} == {0.0, 0.5, 1.0}
    assert len(run(space, GridSampler(listed))) == 2 * 2 * 3 * 5


def test_a_decimal_step_takes_decimal_values() -> None:
    space = Space({"d": Float(0, 1, step=0.1)})
    found = run(space, GridSampler({"d": [0.3, 0.7, 0.1 + 0.2]}))
    assert [round(float(c["d"]), 12) for c in found] in ([0.3, 0.7], [0.7, 0.3])  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [list, tuple, np.array, iter, range])
def test_any_iterable_lists_values_and_each_counts_once(kind: Any) -> None:
    values = range(2, 5) if kind is range else kind([2, 3, 3, 4, 2])
    assert [c["n"] for c in run(Space({"n": Int(1, 9)}), GridSampler({"n": values}))] in (
        [2, 3, 4],
        [4, 3, 2],
        [3, 2, 4],
        [2, 4, 3],
        [3, 4, 2],
        [4, 2, 3],
    )


def test_values_closer_than_the_encoding_tells_apart_do_not_repeat() -> None:
    found = run(Space({"x": Float(0, 1e9)}), GridSampler({"x": [1.0, 1.0000000001, 2.0]}))
    assert {c["x"] for c in found} == {1.0, 1.0000000001, 2.0}
    assert 1 <= len(run(Space({"x": Float(-1e15, 1e15)}), GridSampler({"x": [0.0, 1e-3]}))) <= 2


@pytest.mark.parametrize("log", [False, True])
def test_whole_numbers_that_no_double_holds(log: bool) -> None:
    low = 2**62
    space = Space({"x": Int(low, low + 10, log=log)})
    assert {c["x"] for c in run(space, GridSampler())} == set(range(low, low + 11))
    assert [c["x"] for c in run(space, GridSampler({"x": 3}))] in [
        list(x) for x in permutations([low, low + 5, low + 10])
    ]
    assert {c["x"] for c in run(space, GridSampler({"x": [low + 1, low + 3]}))} == {low + 1, low + 3}
    steps = Space({"x": Int(low, low + 10, step=3)})
    assert {c["x"] for c in run(steps, GridSampler())} == {low, low + 3, low + 6, low + 9}


@pytest.mark.parametrize(
    "domain",
    [
        Int(0, 2**63 - 1),
        Int(-(10**300), 10**300),
        Int(1, 2**62, log=True),
        Int(2**62, 2**62 + 2**40, log=True),
        Float(0, 1, step=1e-17),
        Float(1e-300, 1e300, log=True),
        Float(-1e308, 1e308),
    ],
    ids=lambda domain: repr(domain)[:40],
)
def test_a_range_of_more_values_than_doubles_tell_apart_is_a_continuum(domain: Int | Float) -> None:
    found = [c["x"] for c in run(Space({"x": domain}), GridSampler())]
    assert len(found) == len(set(found)) == 5
    ends = domain.encode([min(found), max(found)])
    np.testing.assert_allclose(ends, [0, 1], atol=0.02)
    listed = [domain.low, domain.value(0.3), domain.value(0.8)]
    assert sorted(c["x"] for c in run(Space({"x": domain}), GridSampler({"x": listed}))) == sorted(listed)


def test_listed_parents_and_children() -> None:
    space = Space({"n": Int(1, 50), "x": Float(0, 1, when="n > 10")})
    found = run(space, GridSampler({"n": [1, 20], "x": [0.125]}))
    assert keys(found) == keys([{"n": 1}, {"n": 20, "x": 0.125}])


def test_listed_values_that_require_forbids_are_left_out() -> None:
    space = Space({"w": Int(1, 64), "h": Int(1, 8)}, require=["w % h == 0"])
    assert keys(run(space, GridSampler({"w": [6, 9], "h": [2, 3]}))) == keys(
        [{"w": 6, "h": 2}, {"w": 6, "h": 3}, {"w": 9, "h": 3}]
    )


@pytest.mark.parametrize(
    ("domain", "value", "why"),
    [
        (Float(0, 1), 1.5, r"1.5 is outside \[0"),
        (Float(0, 1, step=0.25), 0.3, "nearest is 0.25"),
        (Float(0, 1), "high", "not a number"),
        (Float(0, 1), float("nan"), "nan"),
        (Int(0, 9), 2.5, "not a whole number"),
        (Int(0, 9, step=3), 4, "nearest is 3"),
        (Int(0, 10, step=3), 10, "nearest is 9"),
        (Int(2**62, 2**62 + 9, step=3), 2**62 + 5, f"nearest is {2**62 + 6}"),
        (Choice(["a", "b"]), "c", "'a', 'b'"),
        (Ordinal([16, 32]), 24, "16, 32"),
    ],
)
def test_a_value_outside_its_domain(domain: Any, value: Any, why: str) -> None:
    space = Space({"p": domain})
    with pytest.raises(SpaceError, match=f"lists .*'p'.*{why}"):
        GridSampler({"p": [value]}).suggest(space, History(space), RNG, 1)


@pytest.mark.parametrize(
    "points", [0, -1, True, 2.5, None, "lr", [1, 2], {"x": []}, {"x": "ab"}, {"x": 0.1}, {"x": {"a": 1}}]
)
def test_what_is_neither_a_number_nor_a_list_is_refused(points: Any) -> None:
    with pytest.raises(ValueError, match="points"):
        GridSampler(points)


def test_a_declared_space_refuses_lists_of_unknown_names_at_once() -> None:
    space = Space({"lr": Float(0, 1)})
    with pytest.raises(SpaceError, match="'layers', which is not a parameter of the space: they are 'lr'"):
        lt.create_study(space=space, sampler=GridSampler({"lr": [0.1], "layers": [1, 2]}))
    with pytest.raises(SpaceError, match="7 for parameter 'lr'"):
        lt.create_study(space=space, sampler=GridSampler({"lr": [7]}))
    study = lt.create_study(space=space, sampler=GridSampler({"lr": [0.1, 0.9], "layers": 3}))
    study.optimize(lambda trial: trial.params["lr"])
    assert sorted(t.params["lr"] for t in study.trials) == [0.1, 0.9]
