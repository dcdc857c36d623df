import math

import numpy as np
import pytest

import luthier as lt
from luthier.errors import (
    ConflictingTell,
    ObjectiveError,
    SearchSpaceExhausted,
    SpaceError,
    StorageError,
    StudyExists,
    StudyNotFound,
    TrialNotFound,
    TrialNotRunning,
)
from luthier.samplers import GridSampler, RandomSampler
from luthier.schedulers import MedianPruner
from luthier.stores import MemoryStore

SPACE = {"x": lt.Float(-5, 5), "kind": lt.Choice(["a", "b"]), "n": lt.Int(1, 9, when={"kind": "b"})}


def declared(**options):
    options.setdefault("sampler", RandomSampler())
    return lt.create_study(space=SPACE, seed=0, **options)


def by_run(**options):
    options.setdefault("sampler", RandomSampler())
    return lt.create_study(seed=0, **options)


@pytest.fixture(params=["memory", "sqlite"])
def storage(request, tmp_path):
    return MemoryStore() if request.param == "memory" else tmp_path / "study.db"


# -- ask and tell


def test_ask_and_tell_in_a_declared_space(storage):
    study = declared(storage=storage)
    trial = study.ask()
    assert set(trial.params) == {"x", "kind"} | ({"n"} if trial.params["kind"] == "b" else set())
    record = study.tell(trial, 1.5)
    assert record.state is lt.TrialState.COMPLETE and record.value == 1.5
    assert study.best_trial == record and study.best_value == 1.5 and study.best_params == record.params


def test_ask_and_tell_by_number(storage):
    study = by_run(storage=storage)
    trial = study.ask()
    x = trial.suggest_float("x", 0, 1)
    assert study.tell(trial.number, 2.0).params == {"x": x}
    assert study.trials[0].params == {"x": x}


def test_the_same_parameter_twice_is_the_same_value():
    trial = by_run().ask()
    assert trial.suggest_float("x", 0, 1) == trial.suggest_float("x", 0, 1)
    assert trial.suggest_categorical("o", ["a", "b"]) == trial.suggest_categorical("o", ["a", "b"])


def test_choices_may_be_objects():
    class Net:
        pass

    study = by_run()
    for _ in range(3):
        trial = study.ask()
        assert trial.suggest_categorical("net", [Net]) is Net
        study.tell(trial, 1.0)
    assert study.best_params == {"net": Net} and study.best_trial.params == {"net": "Net"}
    study = lt.create_study(space={"net": lt.Choice({"one": Net})})
    trial = study.ask()
    assert trial.params == {"net": Net}
    study.tell(trial, 0.0)
    assert study.best_params == {"net": Net} and study.best_trial.params == {"net": "one"}


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda t: (t.suggest_float("x", 0, 1), t.suggest_float("x", 0, 2)), "asks for 'x' twice"),
        (lambda t: (t.suggest_float("x", 0, 1), t.suggest_int("x", 0, 1)), "twice"),
        (lambda t: t.suggest_float("x", 2, 1), "low=2 is greater than high=1"),
        (lambda t: t.suggest_float("x", 0, 1, log=True), "log=True needs low > 0"),
        (lambda t: t.suggest_categorical("o", []), "no choices"),
        (lambda t: t.suggest("x"), "has no domain"),
    ],
)
def test_wrong_suggestions_are_said(use, message):
    with pytest.raises(SpaceError, match=message):
        use(by_run().ask())


def test_a_value_is_of_the_range_that_is_asked_for_whatever_other_trials_do_meanwhile():
    study = lt.create_study(sampler=RandomSampler(), seed=0)
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=1)
    trial, other = study.ask(), study.ask()
    assert 5 <= other.suggest_float("x", 5, 6) <= 6  # now the study's range is another
    value = trial.suggest_float("x", 5, 6)
    assert 5 <= value <= 6 and trial.suggest_float("x", 5, 6) == value and trial.params == {"x": value}
    with pytest.raises(SpaceError, match="asks for 'x' twice"):
        trial.suggest_float("x", 0, 1)


def test_a_name_with_other_choices_in_a_later_trial():
    study = by_run()
    trial = study.ask()
    trial.suggest_categorical("o", ["a", "b"])
    study.tell(trial, 0.0)
    with pytest.raises(SpaceError, match=r"'o' was suggested with the choices \['a', 'b'\], now with \['a', 'c'\]"):
        study.ask().suggest_categorical("o", ["a", "c"])
    with pytest.raises(SpaceError, match="'o' was Choice and is now Int"):
        study.ask().suggest_int("o", 0, 1)


def test_a_range_may_change_and_old_trials_stay():
    study = by_run(sampler=None)
    for high in (1, 2, 0.5):
        for _ in range(7):
            trial = study.ask()
            x = trial.suggest_float("x", 0, high)
            assert 0 <= x <= high
            study.tell(trial, x)
    assert study.space.parameters["x"] == lt.Float(0, 0.5) and len(study.trials) == 21


def test_a_declared_space_is_kept_to():
    study = declared()
    trial = study.ask(fixed={"kind": "a"})
    assert trial.suggest("kind") == "a"
    with pytest.raises(SpaceError, match="'n' is inactive in this trial"):
        trial.suggest("n")
    with pytest.raises(SpaceError, match="'y' is not in the study's space: it has x, kind, n"):
        trial.suggest_float("y", 0, 1)
    with pytest.raises(SpaceError, match="'x' is Float.* not Int"):
        trial.suggest_int("x", 0, 1)


def test_fixed_values_are_had_though_others_wait():
    study = declared()
    study.enqueue_trial({"kind": "b"})
    assert study.ask(fixed={"kind": "a"}).suggest("kind") == "a"
    assert study.ask().suggest("kind") == "b"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "no value"),
        ("3", "must be a number"),
        (True, "must be a number"),
        (object(), "must be a number"),
        (math.inf, "infinite values are refused"),
        (-math.inf, "infinite values are refused"),
        ([1.0, 2.0], "has 2 values: the study has 1 objectives"),
        ([], "has 0 values"),
    ],
)
def test_what_is_no_result_is_refused(storage, value, message):
    study = declared(storage=storage)
    trial = study.ask()
    with pytest.raises(ObjectiveError, match=message):
        study.tell(trial, value)
    assert study.trials[0].state is lt.TrialState.RUNNING
    assert study.tell(trial, 1.0).value == 1.0


def test_nan_fails_the_trial(storage):
    study = declared(storage=storage)
    record = study.tell(study.ask(), math.nan)
    assert record.state is lt.TrialState.FAIL and "NaN" in record.error
    with pytest.raises(ValueError, match="no complete, feasible trial yet"):
        _ = study.best_trial


def test_tell_of_the_wrong_trial(storage):
    study = declared(storage=storage)
    trial = study.ask()
    with pytest.raises(TrialNotFound, match="has no trial 7: it has 1 trials"):
        study.tell(7, 1.0)
    study.tell(trial, 1.0)
    assert study.tell(trial, 1.0).value == 1.0  # the same again changes nothing
    with pytest.raises(ConflictingTell):
        study.tell(trial, 2.0)
    with pytest.raises(TrialNotRunning):
        study.tell(0, 2.0)
    study.enqueue_trial({"x": 1})
    with pytest.raises(TrialNotRunning, match="ask for it first"):
        study.tell(1, 2.0)


def test_numpy_and_tensor_results_are_numbers():
    torch = pytest.importorskip("torch")
    study = declared()
    assert study.tell(study.ask(), np.float32(0.5)).value == 0.5
    assert study.tell(study.ask(), torch.tensor(0.25)).value == 0.25
    trial = study.ask()
    trial.report(torch.tensor(0.5), 0)
    trial.report(np.float32(0.5), np.int64(1))
    assert study.trials[2].reports == ((0, 0.5), (1, 0.5))


@pytest.mark.parametrize(("value", "step"), [("a", 0), (None, 0), (1.0, -1), (1.0, 0.5), (1.0, "1"), (True, 1)])
def test_wrong_reports_are_said(value, step):
    with pytest.raises(ObjectiveError, match="trial 0 reports"):
        declared().ask().report(value, step)


def test_reports_reach_the_store_with_tell(tmp_path):
    study = declared(storage=tmp_path / "s.db")
    trial = study.ask()
    for step in range(5):
        trial.report(float(step), step)
        trial.report(99.0, step)  # a step said again is ignored
    study.tell(trial, state=lt.TrialState.PRUNED)
    record = lt.load_study(storage=tmp_path / "s.db").trials[0]
    assert record.reports == tuple((s, float(s)) for s in range(5))
    assert record.state is lt.TrialState.PRUNED and record.value == 4.0


def test_constraints_keep_a_trial_from_being_best():
    study = declared()
    for value, constraint in ((1.0, 0.5), (2.0, -0.5), (3.0, 0.0)):
        trial = study.ask()
        trial.set_constraints([constraint])
        study.tell(trial, value)
    assert study.best_value == 2.0
    with pytest.raises(ObjectiveError, match="finite"):
        study.ask().set_constraints([math.nan])


def test_several_objectives():
    study = declared(directions=["minimize", "maximize"])
    for values in ((1, 1), (2, 2), (3, 1), (1, 1)):
        study.tell(study.ask(), values)
    assert [t.number for t in study.best_trials] == [0, 1, 3]
    with pytest.raises(ValueError, match="use .best_trials"):
        _ = study.best_trial
    with pytest.raises(ValueError, match="use .directions"):
        _ = study.direction
    with pytest.raises(ObjectiveError, match="has 1 values: the study has 2 objectives"):
        study.tell(study.ask(), 1.0)
    with pytest.raises(ValueError, match="pruner"):
        declared(directions=["minimize", "maximize"], pruner=MedianPruner())


def test_maximize_has_the_largest_as_best():
    study = declared(direction="maximize")
    for value in (1.0, 3.0, 2.0, 3.0):
        study.tell(study.ask(), value)
    assert study.best_trial.number == 1


# -- attributes


def test_attributes(storage):
    study = declared(storage=storage)
    study.set_user_attr("data", {"rows": 3})
    assert study.user_attrs == {"data": {"rows": 3}}
    trial = study.ask()
    trial.set_user_attr("epochs", 4)
    study.tell(trial, 1.0)
    assert study.trials[0].attrs == {"epochs": 4}
    for set_attr in (study.set_user_attr, study.ask().set_user_attr):
        with pytest.raises(ObjectiveError, match="not JSON"):
            set_attr("key", object())
        with pytest.raises(ObjectiveError, match="must be a string"):
            set_attr(3, 1)


# -- the queue


def test_enqueued_trials_come_first(storage):
    study = declared(storage=storage)
    study.enqueue_trial({"x": 1.0, "kind": "b", "n": 4}, user_attrs={"from": "me"})
    study.enqueue_trial({"kind": "a"})
    first, second = study.ask(), study.ask()
    assert first.params == {"x": 1.0, "kind": "b", "n": 4} and study.trials[0].attrs == {"from": "me"}
    assert set(second.params) == {"x", "kind"} and second.params["kind"] == "a"
    assert study.ask().number == 2


def test_enqueue_skips_what_exists():
    study = declared()
    for _ in range(2):
        study.enqueue_trial({"x": 1.0, "kind": "a"}, skip_if_exists=True)
    study.enqueue_trial({"x": 1.0, "kind": "a"})
    assert len(study.trials) == 2


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"z": 1}, "there is no parameter 'z'"),
        ({"x": 9}, "'x': 9 is outside"),
        ({"kind": "c"}, "not among the choices"),
    ],
)
def test_enqueue_of_what_the_space_lacks(params, message):
    with pytest.raises(SpaceError, match=message):
        declared().enqueue_trial(params)


def test_enqueue_where_the_objective_defines_the_space():
    study = by_run()
    study.enqueue_trial({"x": 0.25})
    trial = study.ask()
    assert trial.suggest_float("x", 0, 1) == 0.25
    assert 0 <= trial.suggest_float("y", 0, 1) <= 1
    study.tell(trial, 1.0)
    study.enqueue_trial({"x": 5.0})
    with pytest.raises(SpaceError, match="the enqueued value of parameter 'x': 5.0 is outside"):
        study.ask().suggest_float("x", 0, 1)


def test_a_queued_trial_that_cannot_be_completed_fails_and_blocks_nothing(storage):
    study = lt.create_study(space={"a": lt.Int(0, 1), "b": lt.Int(0, 1)}, sampler=GridSampler(), storage=storage)
    for _ in range(4):
        study.tell(study.ask(), 1.0)
    study.enqueue_trial({"a": 1})
    with pytest.raises(SearchSpaceExhausted):
        study.ask()
    assert study.trials[4].state is lt.TrialState.FAIL and study.trials[4].error
    study.enqueue_trial({"a": 1, "b": 1})
    assert study.ask().params == {"a": 1, "b": 1}


# -- making and loading


def test_names(storage):
    store = MemoryStore() if isinstance(storage, MemoryStore) else storage
    study = declared(storage=store, study_name="one")
    study.tell(study.ask(), 1.0)
    with pytest.raises(StudyExists, match="'one'.*choose another study_name, or pass load_if_exists=True"):
        declared(storage=store, study_name="one")
    again = declared(storage=store, study_name="one", load_if_exists=True)
    assert again.trials == study.trials and again.seed == study.seed
    assert lt.load_study("one", storage=store).space == study.space
    with pytest.raises(SpaceError, match=r"a different space \(see 'x'\)"):
        lt.create_study(
            storage=store, study_name="one", load_if_exists=True, space={**SPACE, "x": lt.Float(0, 1)}, seed=0
        )
    with pytest.raises(StudyExists, match="directions"):
        declared(storage=store, study_name="one", load_if_exists=True, direction="maximize")
    declared(storage=store, study_name="two")
    with pytest.raises(StudyNotFound, match="has 2 studies: 'one', 'two'"):
        lt.load_study(storage=store)
    with pytest.raises(StudyNotFound, match="three"):
        lt.load_study("three", storage=store)


def test_loading_makes_no_file(tmp_path):
    with pytest.raises(StorageError, match=r"no\.db"):
        lt.load_study(storage=tmp_path / "no.db")
    assert not (tmp_path / "no.db").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": "minimise"}, "direction='minimise' must be 'minimize' or 'maximize'"),
        ({"directions": []}, "at least one"),
        ({"direction": "minimize", "directions": ["minimize"]}, "not both"),
    ],
)
def test_wrong_directions(options, message):
    with pytest.raises(ValueError, match=message):
        lt.create_study(**options)


# -- one seed, one study


@pytest.mark.parametrize("sampler", [RandomSampler, type(None)])
def test_a_seed_gives_the_same_study_twice(sampler, tmp_path):
    def run(storage, stop_after=()):
        study = lt.create_study(
            seed=3, storage=storage, sampler=sampler() if sampler is RandomSampler else None, study_name="s"
        )
        for number in range(14):
            if number in stop_after:
                study = lt.load_study(storage=storage, sampler=sampler() if sampler is RandomSampler else None)
            trial = study.ask()
            x = trial.suggest_float("x", -5, 5)
            n = trial.suggest_int("n", 1, 3)
            study.tell(trial, x**2 + sum(trial.suggest_float(f"y{i}", 0, 1) for i in range(n)))
        return [(t.params, t.values) for t in study.trials]

    once = run(None)
    assert once == run(None)
    assert once == run(tmp_path / "s.db", stop_after=(1, 3, 8, 11))  # loaded again and again
    assert once != [(t.params, t.values) for t in lt.create_study(seed=4).trials]


def test_two_processes_worth_of_studies_share_a_store(tmp_path):
    one = declared(storage=tmp_path / "s.db", study_name="s")
    two = lt.load_study("s", storage=tmp_path / "s.db", sampler=RandomSampler())
    a, b = one.ask(), two.ask()
    assert (a.number, b.number) == (0, 1) and a.params != b.params
    two.tell(b, 2.0)
    one.tell(a, 1.0)
    assert one.trials == two.trials and two.best_value == 1.0
    with pytest.raises(ConflictingTell):
        one.tell(b, 3.0)


def test_conditions_are_learned_from_a_store(tmp_path):
    study = by_run(storage=tmp_path / "s.db", study_name="s")
    for kind in "abba":
        study.enqueue_trial({"kind": kind})
        trial = study.ask()
        if trial.suggest_categorical("kind", ["a", "b"]) == "b":
            trial.suggest_float("y", 0, 1)
        study.tell(trial, 1.0)
    assert study.space.parameters["y"].when == {"kind": ("b",)}
    assert lt.load_study(storage=tmp_path / "s.db").space == study.space
