"""TPESampler keeps the contract, and learns from all that trials show; how well it searches: test_convergence.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from luthier.history import History
from luthier.samplers import Sampler, TPESampler
from luthier.space import Choice, Float, Int, Space
from luthier.testing.samplers import SamplerContract, history_of
from luthier.trial import TrialRecord, TrialState

Objective = Callable[[Mapping[str, Any]], float]


class TestContract(SamplerContract):
    def make(self) -> TPESampler:
        return TPESampler()


class TestContractAtOnce(SamplerContract):
    examples = 10

    def make(self) -> TPESampler:
        return TPESampler(startup_trials=1, candidates=5, gamma=0.3, prior_weight=0.1)


def run(
    space: Space, f: Objective, sampler: Sampler, n: int, seed: int = 0, directions: Any = ("minimize",)
) -> History:
    history = History(space, directions)
    for k in range(n):
        (found,) = sampler.suggest(space, history, np.random.default_rng([seed, k]), 1)
        values = np.atleast_1d(np.asarray(f(found), dtype=float))
        history.put([TrialRecord(k, TrialState.COMPLETE, found, tuple(values.tolist()))])
    return history


BALL = Space({f"x{i}": Float(-5, 5) for i in range(4)})
TREE = Space(
    {
        "kind": Choice(["a", "b", "c"]),
        "x": Float(0, 1, when={"kind": "a"}),
        "y": Float(0, 1, when={"kind": "b"}),
        "n": Int(1, 20),
    }
)


def ball(p: Mapping[str, Any]) -> float:
    return sum((p[f"x{i}"] - i) ** 2 for i in range(4))


def tree(p: Mapping[str, Any]) -> float:
    branch = {"a": lambda: 0.2 + (p["x"] - 0.3) ** 2, "b": lambda: (p["y"] - 0.85) ** 2 * 4, "c": lambda: 1.0}
    return float(branch[p["kind"]]() + ((p["n"] - 7) / 20) ** 2)


def test_it_finds_a_corner_exactly() -> None:
    space = Space({"x": Float(0, 1), "y": Float(1e-4, 1, log=True)})
    history = run(space, lambda p: np.log(p["y"]) - 5 * p["x"], TPESampler(), 60)
    assert history.records[int(history.losses.argmin())].params == {"x": 1.0, "y": 1e-4}


def test_a_conditional_parameter_is_learned_from_the_trials_that_had_it() -> None:
    history = run(TREE, tree, TPESampler(), 60)
    late = [r.params["y"] for r in history.records[30:] if "y" in r.params]
    assert len(late) >= 15
    assert abs(float(np.median(late)) - 0.85) < 0.08  # type: ignore[arg-type]


def test_a_small_space_is_searched_without_repetition() -> None:
    space = Space({"a": Int(1, 5), "c": Choice(["x", "y", "z"])})
    history = run(space, lambda p: p["a"] + (p["c"] == "y"), TPESampler(), 15)
    assert len({tuple(r.params.values()) for r in history.records[6:]}) >= 8  # Sobol points may repeat in so few bins
    assert len({tuple(r.params.values()) for r in run(space, lambda p: p["a"], TPESampler(), 25).records}) == 15


def test_running_trials_push_others_away() -> None:
    history = run(BALL, ball, TPESampler(), 40)
    batch = BALL.encode(TPESampler().suggest(BALL, history, np.random.default_rng(1), 8))
    gaps = np.linalg.norm(batch[:, None] - batch[None], axis=2)
    assert gaps[np.triu_indices(8, 1)].min() > 1e-3


def test_a_region_that_fails_is_left() -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    history = History(space)
    for k in range(60):
        (found,) = TPESampler().suggest(space, history, np.random.default_rng(k), 1)
        x, y = float(found["x"]), float(found["y"])  # type: ignore[arg-type]
        failed = x > 0.5
        state = TrialState.FAIL if failed else TrialState.COMPLETE
        history.put([TrialRecord(k, state, found, None if failed else ((y - 0.5) ** 2,))])
    assert np.mean(history.is_complete[30:]) > 0.75


def test_infeasible_trials_are_worse_than_any_feasible_one() -> None:
    space = Space({"x": Float(0, 1)})
    history = History(space)
    for k in range(40):
        (found,) = TPESampler().suggest(space, history, np.random.default_rng(k), 1)
        x = float(found["x"])  # type: ignore[arg-type]
        history.put([TrialRecord(k, TrialState.COMPLETE, found, (-x,), constraints=(x - 0.6,))])
    assert np.abs(history.X[20:, 0] - 0.6).mean() < 0.15
    assert history.X[history.feasible].max() > 0.57


def test_two_objectives_spread_over_the_front() -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    history = run(
        space, lambda p: (p["x"] + p["y"], (1 - p["x"]) + p["y"]), TPESampler(), 80, directions=("minimize", "minimize")
    )  # type: ignore[arg-type]
    late = history.X[40:]
    assert late[:, 1].mean() < 0.2
    assert np.ptp(late[:, 0]) > 0.7


def test_scale_and_offset_of_the_values_do_not_matter() -> None:
    plain = run(BALL, ball, TPESampler(), 30)
    scaled = run(BALL, lambda p: 1e6 * ball(p) - 3e7, TPESampler(), 30)
    np.testing.assert_array_equal(plain.X, scaled.X)


def test_the_direction_is_respected() -> None:
    low = run(BALL, ball, TPESampler(), 30)
    high = run(BALL, lambda p: -ball(p), TPESampler(), 30, directions=("maximize",))
    np.testing.assert_array_equal(low.X, high.X)


def test_a_changed_range_keeps_the_old_trials() -> None:
    space = Space({"x": Float(0, 10), "y": Float(0, 1)})
    old = run(space, lambda p: abs(p["x"] - 4) + (p["y"] - 0.9) ** 2, TPESampler(), 60)
    narrow = old.under(Space({"x": Float(5, 10), "y": Float(0, 1)}))
    found = narrow.space.encode(TPESampler().suggest(narrow.space, narrow, np.random.default_rng(0), 10))
    assert (found[:, 1] > 0.6).mean() >= 0.8


@pytest.mark.parametrize("n", [2000, 20_000])
def test_many_trials_cost_no_more_components(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from luthier.samplers.tpe import sampler

    sizes = list[int]()

    class Counting(sampler.Parzen):
        def __init__(self, space: Space, X: Any, *args: Any, **kwargs: Any) -> None:
            sizes.append(len(X))
            super().__init__(space, X, *args, **kwargs)

    monkeypatch.setattr(sampler, "Parzen", Counting)
    history = history_of(BALL, n)
    TPESampler().suggest(BALL, history, np.random.default_rng(0), 1)
    assert sizes == [25, 500]


@pytest.mark.parametrize(
    "wrong",
    [{"startup_trials": 0}, {"candidates": 0}, {"gamma": 0.0}, {"gamma": 1.0}, {"prior_weight": 0.0}],
)
def test_arguments_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TPESampler(**wrong)
