"""OptunaSampler: Luthier's samplers inside Optuna's studies."""

from __future__ import annotations

import math
import pickle
import threading

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.testing import pytest_samplers as contract

from luthier.errors import SearchSpaceExhausted
from luthier.integrations.optuna import OptunaSampler, import_study
from luthier.samplers import GPSampler, GridSampler, RandomSampler, TPESampler
from luthier.trial import TrialState

WAITING, RUNNING, COMPLETE, PRUNED, FAIL = TrialState


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(params=[RandomSampler, TPESampler, GPSampler])
def sampler(request):
    return lambda: OptunaSampler(request.param(), seed=0)


class TestBasic(contract.BasicSamplerTestCase):
    """Optuna's own tests of a sampler."""

    @pytest.fixture(params=[RandomSampler, TPESampler])
    def sampler(self, request):
        return lambda: OptunaSampler(request.param(), seed=0)


class TestRelative(contract.RelativeSamplerTestCase):
    @pytest.fixture(params=[TPESampler])
    def sampler(self, request):
        return lambda: OptunaSampler(request.param(), seed=0)


class TestMultiObjective(contract.MultiObjectiveSamplerTestCase):
    @pytest.fixture(params=[RandomSampler, TPESampler])
    def sampler(self, request):
        return lambda: OptunaSampler(request.param(), seed=0)


def mixed(trial):
    x = trial.suggest_float("x", -5, 5)
    loss = x**2
    if trial.suggest_categorical("kind", [None, True, "deep"]) == "deep":
        loss += abs(trial.suggest_int("layers", 1, 8) - 3) + trial.suggest_float("rate", 1e-4, 1, log=True)
    else:
        loss += 2 + trial.suggest_float("momentum", 0, 1, step=0.1)
    trial.report(loss + 1, 0)
    if trial.number == 6:
        raise optuna.TrialPruned
    return float("nan") if trial.number == 9 else loss


def test_gp_runs_a_mixed_conditional_study():
    study = optuna.create_study(sampler=OptunaSampler(GPSampler(), seed=1))
    study.optimize(mixed, n_trials=40)
    assert len(study.trials) == 40
    complete = [t for t in study.trials if t.state.name == "COMPLETE"]
    assert len(complete) == 38 and study.best_value < 1
    deep = [t for t in study.trials if t.params["kind"] == "deep"]
    assert len(deep) > 15, "the branch that is better was not found"
    view = study.sampler._view
    assert view.space.parameters["rate"].when == {"kind": ("deep",)}
    assert {record.number for record in view.history.records} == set(range(len(view.history)))


def smooth(trial):
    return sum((trial.suggest_float(f"x{i}", -1, 1) - 0.3 * i) ** 2 for i in range(4))


def best_of(sampler, n=40):
    study = optuna.create_study(sampler=sampler)
    study.optimize(smooth, n_trials=n)
    return study.best_value


def test_gp_beats_random():
    random = np.mean([best_of(optuna.samplers.RandomSampler(seed=seed)) for seed in range(5)])
    assert best_of(OptunaSampler(GPSampler(), seed=0)) < random / 20


def test_the_same_seed_gives_the_same_study():
    found = []
    for seed in (3, 3, 4):
        study = optuna.create_study(sampler=OptunaSampler(TPESampler(), seed=seed))
        study.optimize(mixed, n_trials=20)
        found.append([t.params for t in study.trials])
    assert found[0] == found[1] != found[2]


def test_a_study_that_is_loaded_again_goes_on_as_one_that_was_not(tmp_path):
    def run(url, parts):
        for n in parts:
            study = optuna.create_study(
                study_name="s", storage=url, load_if_exists=True, sampler=OptunaSampler(TPESampler(), seed=3)
            )
            study.optimize(mixed, n_trials=n)
        return [t.params for t in study.trials]

    assert run(f"sqlite:///{tmp_path}/a.db", [11]) == run(f"sqlite:///{tmp_path}/b.db", [4, 4, 3])


def test_many_threads():
    study = optuna.create_study(sampler=OptunaSampler(TPESampler(), seed=0))
    study.optimize(mixed, n_trials=30, n_jobs=4)
    assert len({t.params["x"] for t in study.trials}) == 30


def test_what_is_suggested_for_a_running_trial_is_seen_by_the_next():
    study = optuna.create_study(sampler=OptunaSampler(GPSampler(), seed=0))
    study.optimize(smooth, n_trials=12)
    for _ in range(3):
        study.ask().suggest_float("x0", -1, 1)
    running = study.sampler._view.history.records[12:]
    assert [t.state for t in running] == [RUNNING, RUNNING]
    assert all(set(t.params) == {"x0", "x1", "x2", "x3"} for t in running)
    assert running[0].params != running[1].params
    study.tell(12, 1.0)
    study.ask().suggest_float("x0", -1, 1)
    assert set(study.sampler._view.history.records[12].params) == {"x0"}


def test_enqueued_values_are_kept_and_the_rest_goes_with_them(sampler):
    study = optuna.create_study(sampler=sampler())
    study.optimize(mixed, n_trials=8)
    study.enqueue_trial({"kind": "deep", "layers": 7})
    study.optimize(mixed, n_trials=1)
    assert study.trials[-1].params["layers"] == 7 and set(study.trials[-1].params) == {"x", "kind", "layers", "rate"}


def test_a_range_that_changed_is_the_latest(sampler):
    study = optuna.create_study(sampler=sampler())
    old = study.ask()
    old.suggest_float("x", 0, 1)
    for _ in range(8):
        trial = study.ask()
        study.tell(trial, trial.suggest_float("x", 5, 6))
    assert study.sampler._view.distributions == {"x": FloatDistribution(5, 6)}
    assert study.sampler._view.history.records[0].params["x"] == old.params["x"]


def test_choices_that_are_no_scalars():
    options = ["a", "b"], ("c",), math.nan, None
    with pytest.warns(UserWarning, match="persistent"):
        study = optuna.create_study(sampler=OptunaSampler(TPESampler(), seed=0))
        study.enqueue_trial({"c": ("c",), "other": ("d",)})
        study.optimize(lambda t: float(t.suggest_categorical("c", options) is None), n_trials=12)
    assert study.trials[0].params["c"] == ("c",)
    assert {repr(t.params["c"]) for t in study.trials} <= set(map(repr, options))
    assert import_study(study).space.parameters["c"].labels == ("['a', 'b']", "('c',)", "nan", None)


def on_a_grid(trial):
    return trial.suggest_int("x", 0, 2) + trial.suggest_categorical("c", [1, 2])


def listed(trial):
    return trial.suggest_float("lr", 1e-5, 1, log=True) * trial.suggest_int("layers", 1, 8)


def branching(trial):
    if trial.suggest_categorical("kind", ["a", "b"]) == "a":
        return trial.suggest_float("x", 0, 1)
    return trial.suggest_int("y", 1, 3)


GRIDS = {
    "all": (on_a_grid, GridSampler(), 6),
    "listed": (listed, GridSampler({"lr": [1e-3, 1e-2], "layers": [1, 2, 3]}), 6),
    "branches": (branching, GridSampler(), 8),
}


def distinct(study):
    return {tuple(t.params.items()) for t in study.trials if t.params}


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("storage", [None, "sqlite"])
def test_a_grid_runs_every_point_once_and_stops_the_study(name, storage, tmp_path):
    objective, sampler, size = GRIDS[name]
    url = storage and f"sqlite:///{tmp_path}/o.db"
    study = optuna.create_study(sampler=OptunaSampler(sampler, seed=0), storage=url, study_name="s")
    study.optimize(objective, n_trials=3)
    if storage:
        study = optuna.load_study(study_name="s", storage=url, sampler=OptunaSampler(sampler, seed=0))
    study.optimize(objective)
    assert len(study.trials) == len(distinct(study)) == size
    if name == "listed":
        assert {t.params["lr"] for t in study.trials} == {1e-3, 1e-2}


def test_trials_that_start_after_the_last_point_of_a_grid_cost_nothing():
    study = optuna.create_study(sampler=OptunaSampler(GridSampler(), seed=0))
    study.optimize(on_a_grid)
    for n in (7, 8):
        study.optimize(on_a_grid)
        assert len(study.trials) == n
        assert (study.trials[-1].state.name, study.trials[-1].params) == ("PRUNED", {})
    with pytest.raises(SearchSpaceExhausted, match="all 6 points of the grid"):
        on_a_grid(study.ask())
    assert study.trials[-1].state.name == "PRUNED", "nothing runs it"
    study.optimize(lambda t: on_a_grid(t) + t.suggest_int("new", 1, 2))  # one is refused: new is not known yet
    assert len(distinct(study)) == 6
    study.enqueue_trial({"x": 1})
    study.enqueue_trial({"x": 2, "c": 1})
    study.optimize(on_a_grid, n_trials=2)
    assert [t.params["x"] for t in study.trials[-2:]] == [1, 2], "enqueued trials run all the same"
    assert study.trials[-2].params["c"] in (1, 2)


def test_a_grid_whose_trials_fail_is_asked_and_told():
    study = optuna.create_study(sampler=OptunaSampler(GridSampler(), seed=0))
    for i in range(6):
        trial = study.ask()
        value = on_a_grid(trial)
        study.tell(trial, value if i % 2 else None, state=None if i % 2 else optuna.trial.TrialState.FAIL)
    assert len(distinct(study)) == 6
    with pytest.raises(SearchSpaceExhausted):
        on_a_grid(study.ask())


def test_threads_share_a_grid():
    study = optuna.create_study(sampler=OptunaSampler(GridSampler(), seed=0))
    barrier = threading.Barrier(4)

    def objective(trial):
        x, y = trial.suggest_int("x", 0, 3), trial.suggest_int("y", 0, 3)
        if trial.number < 4:
            barrier.wait(60)
        return x + y

    study.optimize(objective, n_jobs=4)
    assert len(distinct(study)) == 16
    assert sum(bool(t.params) for t in study.trials) == 16


def test_the_view_is_written_on_and_not_built_again():
    study = optuna.create_study(sampler=OptunaSampler(RandomSampler(), seed=0))
    study.optimize(mixed, n_trials=20)
    view = study.sampler._view
    put, numbers = view.history.put, []
    view.history.put = lambda records: numbers.extend(r.number for r in records) or put(records)
    study.optimize(mixed, n_trials=10)
    assert study.sampler._view is view
    assert numbers == list(range(19, 29))


def test_hyperband_shows_a_part_of_the_trials():
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9, reduction_factor=3)
    study = optuna.create_study(sampler=OptunaSampler(TPESampler(), seed=0), pruner=pruner, study_name="h")

    def trained(trial):
        x = trial.suggest_float("x", 0, 1)
        for step in range(9):
            trial.report(x / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return x

    study.optimize(trained, n_trials=30)
    assert {t.state.name for t in study.trials} == {"COMPLETE", "PRUNED"}


def test_one_sampler_serves_several_studies():
    sampler = OptunaSampler(TPESampler(), seed=0)
    for kind in (FloatDistribution(0, 1), IntDistribution(0, 5), CategoricalDistribution(["a"])):
        study = optuna.create_study(sampler=sampler)
        for _ in range(3):
            trial = study.ask({"x": kind})
            study.tell(trial, 0.0)
        assert len(sampler._view.history) == 2


def test_a_sampler_can_be_pickled():
    study = optuna.create_study(sampler=OptunaSampler(TPESampler(), seed=0))
    study.optimize(smooth, n_trials=5)
    again = pickle.loads(pickle.dumps(study))
    again.optimize(smooth, n_trials=5)
    assert len(again.trials) == 10


def test_several_objectives_with_a_sampler():
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=OptunaSampler(seed=0))
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), t.suggest_float("y", 0, 1)), n_trials=15)
    assert len(study.best_trials) >= 1


def test_what_is_no_sampler_is_said():
    for wrong in ("tpe", TPESampler, optuna.samplers.TPESampler()):
        with pytest.raises(TypeError, match="not a sampler of Luthier"):
            OptunaSampler(wrong)
    for wrong in ("x", 1.5, True):
        with pytest.raises(TypeError, match="whole number"):
            OptunaSampler(seed=wrong)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_constraints_func_counts_as_constraints_do():
    sampler = pickle.loads(pickle.dumps(OptunaSampler(GPSampler(), seed=0, constraints_func=_at_least_half)))
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=25)
    assert all(t.system_attrs["constraints"] == [0.5 - t.params["x"]] for t in study.trials)
    assert 0.5 <= study.best_trial.params["x"] < 0.52
    assert [t.constraints for t in import_study(study).trials] == [(0.5 - t.params["x"],) for t in study.trials]
    broken = optuna.create_study(sampler=OptunaSampler(seed=0, constraints_func=lambda t: [math.nan]))
    with pytest.raises(ValueError, match="constraints of trial 0"):
        broken.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=1)


def _at_least_half(trial):
    return (0.5 - trial.params["x"],)


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_a_space_that_changes_with_every_trial(n_jobs):
    def objective(trial):
        return trial.suggest_float("x", 0, 1 + trial.number) + trial.suggest_int(f"p{trial.number % 3}", 0, 5)

    study = optuna.create_study(sampler=OptunaSampler(seed=0))
    study.optimize(objective, n_trials=15, n_jobs=n_jobs)
    assert all(t.state.name == "COMPLETE" for t in study.trials)
