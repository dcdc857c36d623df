"""GridSampler in studies whose objective defines its parameters as it runs: every point once, none off the grid."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pytest

import luthier as lt
from luthier.errors import SpaceError
from luthier.history import History
from luthier.samplers import GridSampler
from luthier.samplers.grid.sampler import _grid_of
from luthier.trial import TrialRecord, TrialState


def points(study: Any) -> list[str]:
    return sorted(json.dumps(dict(t.params), sort_keys=True) for t in study.trials)


def each_once(study: Any, expected: list[dict[str, Any]]) -> None:
    assert points(study) == sorted(json.dumps(p, sort_keys=True) for p in expected)


def one(trial: lt.Trial) -> float:
    return trial.suggest_float("x", 0, 1)


def two(trial: lt.Trial) -> float:
    return trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 1, 2)


def branching(trial: lt.Trial) -> float:
    if trial.suggest_categorical("kind", ["a", "b"]) == "a":
        return trial.suggest_float("x", 0, 1)
    return trial.suggest_int("y", 1, 3)


BRANCHES = [*({"kind": "a", "x": i / 4} for i in range(5)), *({"kind": "b", "y": n} for n in (1, 2, 3))]


def test_five_points_are_five_trials() -> None:
    study = lt.create_study(sampler=GridSampler())
    study.optimize(one)
    each_once(study, [{"x": i / 4} for i in range(5)])
    study.optimize(one, n_trials=3)
    assert len(study.trials) == 5


def test_listed_values_are_what_the_objective_gets() -> None:
    study = lt.create_study(sampler=GridSampler({"lr": [1e-3, 1e-2, 0.3], "layers": [3, 1], "act": ["relu"]}))

    def objective(trial: lt.Trial) -> float:
        lr = trial.suggest_float("lr", 1e-5, 1, log=True)
        assert lr in (1e-3, 1e-2, 0.3)
        return lr * trial.suggest_int("layers", 1, 5) + len(trial.suggest_categorical("act", ["relu", "tanh"]))

    study.optimize(objective)
    each_once(study, [{"lr": a, "layers": n, "act": "relu"} for a in (1e-3, 1e-2, 0.3) for n in (1, 3)])


def test_conditional_parameters() -> None:
    study = lt.create_study(sampler=GridSampler())
    study.optimize(branching)
    each_once(study, BRANCHES)


@pytest.mark.parametrize("state", [TrialState.FAIL, TrialState.PRUNED])
def test_a_branch_that_never_completes_ends_all_the_same(state: TrialState) -> None:
    def objective(trial: lt.Trial) -> float:
        value = branching(trial)
        if "y" in trial.params:
            raise lt.TrialPruned if state is TrialState.PRUNED else RuntimeError
        return value

    study = lt.create_study(sampler=GridSampler())
    study.optimize(objective, catch=(RuntimeError,), n_trials=60)
    assert len(study.trials) < 40
    assert set(points(study)) == {json.dumps(p, sort_keys=True) for p in BRANCHES}


def test_a_condition_on_a_continuum() -> None:
    def objective(trial: lt.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        return x + (trial.suggest_int("n", 1, 3) if x > 0.6 else 0)

    study = lt.create_study(sampler=GridSampler())
    study.optimize(objective, n_trials=60)
    expected = [{"x": 0.0}, {"x": 0.25}, {"x": 0.5}, *({"x": x, "n": n} for x in (0.75, 1.0) for n in (1, 2, 3))]
    assert set(points(study)) == {json.dumps(p, sort_keys=True) for p in expected}
    before = next(t.number for t in study.trials if "n" in t.params)  # they lacked what was not known yet
    assert len(study.trials) == len(expected) + before


def test_a_parameter_that_an_objective_gains_later() -> None:
    study = lt.create_study(sampler=GridSampler())
    study.optimize(one, n_trials=3)
    study.optimize(two)
    assert Counter(len(t.params) for t in study.trials) == {1: 3, 2: 10}
    assert len(set(points(study))) == 13


def test_an_objective_that_fails_before_it_asks_for_anything_does_not_end_the_grid() -> None:
    study = lt.create_study(sampler=GridSampler())

    def objective(trial: lt.Trial) -> float:
        if trial.number in (0, 2):
            raise RuntimeError
        return one(trial)

    study.optimize(objective, catch=(RuntimeError,), n_trials=50)
    assert {t.params["x"] for t in study.trials if t.params} <= {0, 0.25, 0.5, 0.75, 1}
    assert sum(bool(t.params) for t in study.trials) >= 3
    assert len(study.trials) <= 7


def test_enqueued_trials_count() -> None:
    study = lt.create_study(sampler=GridSampler())
    study.enqueue_trial({"x": 0.5})
    study.enqueue_trial({"x": 0.3})
    study.optimize(one)
    each_once(study, [{"x": x} for x in (0.3, 0.0, 0.25, 0.5, 0.75, 1.0)])


def test_a_study_that_is_loaded_again_goes_on(tmp_path: Any) -> None:
    where = str(tmp_path / "study.db")
    for n in (1, 2, None):
        lt.create_study(study_name="grid", storage=where, sampler=GridSampler(), load_if_exists=True).optimize(
            two, n_trials=n
        )
    study = lt.load_study("grid", storage=where)
    each_once(study, [{"x": i / 4, "n": n} for i in range(5) for n in (1, 2)])


@pytest.mark.parametrize("objective", [one, two, branching])
def test_two_workers(objective: Any) -> None:
    study, alone = (lt.create_study(sampler=GridSampler()) for _ in range(2))
    study.optimize(objective, n_jobs=2)
    alone.optimize(objective)
    assert points(study) == points(alone)


def test_workers_that_all_start_before_anything_is_known() -> None:
    """Trials that are asked for at once, before any of them has asked for a parameter."""
    study = lt.create_study(sampler=GridSampler({"x": [0.1, 0.2], "y": ["a", "b"]}))
    trials = [study.ask() for _ in range(4)]
    for trial in trials:
        trial.suggest_float("x", 0, 1)
    for trial in reversed(trials):
        trial.suggest_categorical("y", ["a", "b"])
    for trial in trials:
        study.tell(trial, 1.0)
    each_once(study, [{"x": x, "y": y} for x in (0.1, 0.2) for y in "ab"])
    study.optimize(lambda t: t.suggest_float("x", 0, 1) + len(t.suggest_categorical("y", ["a", "b"])))
    assert len(study.trials) == 4


def test_programs_that_start_together_do_not_share_points(tmp_path: Any) -> None:
    where = str(tmp_path / "study.db")
    studies = [
        lt.create_study(study_name="grid", storage=where, sampler=GridSampler(), load_if_exists=True, seed=1)
        for _ in range(2)
    ]
    trials = [(study, study.ask()) for study in studies]
    for _, trial in trials:
        trial.suggest_float("x", 0, 1)
    for _, trial in reversed(trials):
        trial.suggest_int("n", 1, 2)
    for study, trial in trials:
        study.tell(trial, 1.0)
    studies[0].optimize(two)
    each_once(lt.load_study("grid", storage=where), [{"x": i / 4, "n": n} for i in range(5) for n in (1, 2)])


def test_a_grid_that_workers_have_used_up_goes_on_when_a_trial_shows_more() -> None:
    """The second worker finds nothing left while the first is about to meet another parameter."""
    study = lt.create_study(sampler=GridSampler())

    def objective(trial: lt.Trial) -> float:
        return len(trial.suggest_categorical("c", ["a", "b"])) + trial.suggest_int("n", 1, 4)

    study.optimize(objective, n_jobs=3)
    assert {(t.params["c"], t.params["n"]) for t in study.trials} == {(c, n) for c in "ab" for n in (1, 2, 3, 4)}


def test_a_listed_value_that_the_parameter_cannot_have() -> None:
    study = lt.create_study(sampler=GridSampler({"x": [0.5, 7.0]}))
    with pytest.raises(SpaceError, match=r"7.0 for parameter 'x'.*outside \[0"):
        study.optimize(one)


def test_values_that_are_no_json() -> None:
    study = lt.create_study(sampler=GridSampler({"size": [(64, 32)], "f": [len]}))

    def objective(trial: lt.Trial) -> float:
        assert trial.suggest_categorical("size", [(64,), (64, 32)]) == (64, 32)
        assert trial.suggest_categorical("f", {"len": len, "sum": sum}) is len
        return 0

    study.optimize(objective)
    assert len(study.trials) == 1


def test_a_loop_over_layers_has_as_many_trials_as_points() -> None:
    def objective(trial: lt.Trial) -> float:
        layers = trial.suggest_int("layers", 1, 3)
        return sum(trial.suggest_categorical(f"width{i}", [1, 2]) for i in range(layers))

    study = lt.create_study(sampler=GridSampler())
    study.optimize(objective)
    widths = [
        dict(zip(("width0", "width1", "width2"), x, strict=False)) for n in (1, 2, 3) for x in product((1, 2), repeat=n)
    ]
    each_once(study, [{"layers": len(w), **w} for w in widths])


def test_hundreds_of_parameters_do_not_search_a_grid_without_end() -> None:
    def objective(trial: lt.Trial) -> float:
        return sum(trial.suggest_int(f"n{i}", 1, 50) for i in range(150))

    study = lt.create_study(sampler=GridSampler())
    study.optimize(objective, n_trials=2)
    assert len(set(points(study))) == 2


def test_a_value_does_not_depend_on_what_the_sampler_has_made_before() -> None:
    found = []
    for made in (0, 3000):
        _grid_of.cache_clear()
        space = lt.Space({"a": lt.Int(1, 60), "b": lt.Int(1, 60)})
        history = History(space)
        history.put([TrialRecord(0, TrialState.RUNNING, {"b": 8})])
        history.put([TrialRecord(i, TrialState.RUNNING, {"a": i}) for i in range(1, 56)])
        if made:
            GridSampler().suggest(space, history, np.random.default_rng(0), made)
        found.append(GridSampler().suggest_one(space, history, 0, "a"))
    assert found[0] == found[1]
