"""Odd names, choices and numbers through whole studies, in every kind of store."""

import pytest

import luthier as lt
from luthier.errors import ObjectiveError, SpaceError
from luthier.samplers import RandomSampler, TPESampler
from luthier.space import Choice, Float, Space


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request, tmp_path):
    return {"memory": None, "sqlite": f"sqlite:///{tmp_path}/s.db", "journal": f"{tmp_path}/s.journal"}[request.param]


def reloaded(study, storage):
    return study if storage is None else lt.load_study(study.name, storage=storage)


@pytest.mark.parametrize("name", ["lambda", "None", "match", "µ", "ﬁ", "a b", "a.b", " ", "'\"`", "🙂", "x" * 10_000])
def test_a_study_with_any_name_opens_again(storage, name):
    def objective(trial):
        n = trial.suggest_int(name, 0, 2)
        return n + (trial.suggest_float("child", 0, 1) if n >= 1 else 1)

    study = lt.create_study(study_name="s", storage=storage, sampler=TPESampler(), seed=1)
    study.optimize(objective, n_trials=15)
    assert study.space.parameters["child"].when == {name: (1, 2)}
    study = reloaded(study, storage)
    study.optimize(objective, n_trials=3)
    assert len(study.trials) == 18 and name in study.best_params


def test_a_failed_suggestion_spoils_nothing(storage, monkeypatch):
    study = lt.create_study(study_name="s", storage=storage, sampler=RandomSampler(), seed=0)
    trial = study.ask()
    x = trial.suggest_float("x", 0, 1)
    for name in ("", None, "\ud800", 3):
        with pytest.raises(SpaceError, match="a parameter's name"):
            trial.suggest_float(name, 0, 1)
    with pytest.raises(SpaceError, match="names 'nothing'"):
        trial.suggest("late", Float(0, 1, when="nothing > 1"))
    with pytest.raises(SpaceError):
        trial.suggest_int("big", 0, 10**400)
    with monkeypatch.context() as broken:
        broken.setattr(study.storage, "add_parameters", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            trial.suggest_float("y", 0, 1)
    y, late = trial.suggest_float("y", 0, 1), trial.suggest_float("late", 0, 1)
    study.tell(trial, 1.0)
    study = reloaded(study, storage)
    assert study.best_params == {"x": x, "y": y, "late": late}
    assert set(study.space.names) == {"x", "y", "late"}


def test_best_params_are_what_the_objective_got(storage):
    class Net:
        pass

    shapes, seen = [(64,), (128, 64), [32]], []

    def objective(trial):
        seen.append((trial.suggest_categorical("units", shapes), trial.suggest_categorical("net", [Net, max])))
        assert trial.params == dict(zip(("units", "net"), seen[-1], strict=True))
        return float(len(seen))

    study = lt.create_study(study_name="s", storage=storage, sampler=RandomSampler(), seed=3)
    study.optimize(objective, n_trials=4)
    units, net = seen[0]
    assert any(units is x for x in shapes)
    assert study.best_params["units"] is units and study.best_params["net"] is net
    study = reloaded(study, storage)
    assert study.best_params["units"] == units and type(study.best_params["units"]) is type(units)
    study.optimize(objective, n_trials=2)
    assert study.best_params["net"] is net


def test_equal_choices_of_other_types_are_not_mixed_up():
    trial = lt.create_study(seed=0).ask()
    assert trial.suggest_categorical("a", [(1, 2)]) == (1, 2)
    got = trial.suggest_categorical("b", [(True, 2.0)])
    assert [type(x) for x in got] == [bool, float]


def test_workers_hand_back_choices_too(tmp_path):
    study = lt.create_study(storage=f"sqlite:///{tmp_path}/s.db", study_name="s", sampler=RandomSampler(), seed=0)
    study.optimize(_shape, n_trials=4, n_jobs=2)
    assert study.best_params == {"lambda": (64,)}
    assert lt.load_study("s", storage=f"sqlite:///{tmp_path}/s.db").best_params == {"lambda": (64,)}


def _shape(trial):
    return len(trial.suggest_categorical("lambda", [(64,)]))


@pytest.mark.parametrize("sampler", [RandomSampler(), TPESampler()])
def test_enqueued_values_of_inactive_parameters_are_dropped(storage, sampler):
    space = Space({
        "opt": Choice(["sgd", "adam"]),
        "momentum": Float(0, 1, when={"opt": "sgd"}),
        "decay": Float(0, 1, when="momentum > 0.5"),
    })  # fmt: skip
    study = lt.create_study(study_name="s", storage=storage, space=space, sampler=sampler, seed=0)
    study.enqueue_trial({"opt": "adam", "momentum": 0.9, "decay": 0.1})
    study.enqueue_trial({"opt": "sgd", "momentum": 0.2, "decay": 0.1})
    study.enqueue_trial({"momentum": 0.75, "decay": 0.25})
    for wanted in ({"opt": "adam"}, {"opt": "sgd", "momentum": 0.2}):
        trial = study.ask()
        assert trial.params == wanted
        assert study.tell(trial, 1.0).params == wanted
    trial = study.ask()
    assert (trial.params["opt"] == "sgd") == ("momentum" in trial.params) == ("decay" in trial.params)


def test_enqueued_values_that_an_objective_does_not_ask_for_are_not_kept(storage):
    study = lt.create_study(study_name="s", storage=storage, sampler=RandomSampler(), seed=0)
    study.enqueue_trial({"x": 0.5, "momentum": 0.9})
    trial = study.ask()
    assert trial.suggest_float("x", 0, 1) == 0.5 and trial.params == {"x": 0.5}
    assert study.tell(trial, 1.0).params == {"x": 0.5}


def test_skip_if_exists_finds_the_same_point_and_no_other():
    study = lt.create_study(seed=0)
    study.enqueue_trial({"x": 1, "flag": True}, skip_if_exists=True)
    study.enqueue_trial({"x": 2, "flag": True}, skip_if_exists=True)
    study.enqueue_trial({"x": 1, "flag": 1}, skip_if_exists=True)
    study.enqueue_trial({"x": 1, "flag": True}, skip_if_exists=True)
    assert [t.params for t in study.trials] == [{"x": 1, "flag": True}, {"x": 2, "flag": True}, {"x": 1, "flag": 1}]
    study = lt.create_study(space={"x": Float(0, 1, step=0.1)}, seed=0)
    study.enqueue_trial({"x": 0.1 + 0.2})
    study.enqueue_trial({"x": 0.3}, skip_if_exists=True)
    assert [t.params for t in study.trials] == [{"x": 0.3}]


@pytest.mark.parametrize(("low", "high"), [(0, 2**63 - 1), (2**62, 2**62 + 10), (0, 2**64), (-(10**300), 10**300)])
def test_huge_whole_numbers_through_a_study(storage, low, high):
    study = lt.create_study(study_name="s", storage=storage, seed=0)
    study.enqueue_trial({"x": high})
    study.optimize(lambda t: float(t.suggest_int("x", low, high) % 7), n_trials=14)
    found = [t.params["x"] for t in reloaded(study, storage).trials]
    assert found[0] == high and all(type(x) is int and low <= x <= high for x in found)


@pytest.mark.parametrize("value", [10**400, -(10**400), 10**5000], ids=["10**400", "-10**400", "10**5000"])
def test_numbers_that_no_float_can_hold_are_no_results(value):
    study = lt.create_study(seed=0)
    trial = study.ask()
    with pytest.raises(ObjectiveError, match="trial 0 reports"):
        trial.report(value, 0)
    with pytest.raises(ObjectiveError, match="step must be a whole number"):
        trial.report(1.0, abs(value))
    with pytest.raises(ObjectiveError, match="trial 0 has the value"):
        study.tell(trial, value)
    with pytest.raises(ObjectiveError, match="constraints of trial 0"):
        trial.set_constraints([value])
    trial.report(10**300, 2**63 - 1)
    assert study.tell(trial, 10**300).values == (1e300,)


@pytest.mark.parametrize(("name", "value"), [("x", "text"), ("x", [1]), ("x", True), ("x", None)])
def test_a_queued_value_that_the_objective_does_not_have(tmp_path, name, value):
    """It is refused at once where the domain is known, by another program's trials too; else when the trial runs."""

    def objective(trial):
        return trial.suggest_float("x", 0, 1) + (trial.suggest_categorical("kind", ["a", "b"]) == "a")

    study = lt.create_study(storage=tmp_path / "s.db", seed=0)
    study.enqueue_trial({name: value})
    with pytest.raises(SpaceError, match=f"the enqueued value of parameter '{name}'"):
        study.optimize(objective, n_trials=1)
    other = lt.load_study(storage=tmp_path / "s.db")
    other.optimize(objective, n_trials=3)
    for program in (study, other):
        with pytest.raises(SpaceError, match=f"the value for parameter '{name}': .* is not a number"):
            program.enqueue_trial({name: value})
        with pytest.raises(SpaceError, match="the value for parameter 'kind'"):
            program.ask({"kind": "c"})
    assert [t.state.name for t in study.trials] == ["FAIL"] + ["COMPLETE"] * 3
    study.optimize(objective, n_trials=8)  # past the initial design, so that a model has seen it
    assert [t.state.name for t in study.trials][4:] == ["COMPLETE"] * 8


def test_a_sampler_that_raises_leaves_no_trial_running(tmp_path):
    class Broken:
        def suggest(self, space, history, rng, n):
            if history.next_numbers(1) == [3]:
                raise ZeroDivisionError("a fault of the sampler")
            return space.decode(space.sample(rng, n))

    study = lt.create_study(space={"x": lt.Float(0, 1)}, sampler=Broken(), storage=tmp_path / "s.db", seed=0)
    for x in (0.1, 0.2):
        study.enqueue_trial({"x": x})
    study.optimize(lambda trial: trial.params["x"], n_trials=3)
    study.enqueue_trial({})
    with pytest.raises(ZeroDivisionError):
        study.ask()
    assert not study.history.is_running.any()
