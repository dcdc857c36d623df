from __future__ import annotations

import math
import pickle

import numpy as np
import optuna
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.testing import pytest_samplers as contract
from typer.testing import CliRunner

import luthier as lt
from luthier.cli.app import app
from luthier.errors import SpaceError, StorageError, StudyExists, StudyNotFound
from luthier.integrations.optuna import OptunaSampler, import_study
from luthier.integrations.optuna.studies import read_optuna
from luthier.integrations.optuna.values import domain_of, to_label, to_value
from luthier.samplers import GPSampler, GridSampler, RandomSampler, TPESampler
from luthier.space import Choice, Float, Int
from luthier.stores.sql import SqlStore
from luthier.stores.transfer import faults, read_studies
from luthier.trial import TrialState

WAITING, RUNNING, COMPLETE, PRUNED, FAIL = TrialState


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    x = trial.suggest_float("x", -1, 1)
    rate = trial.suggest_float("rate", 1e-5, 1, log=True)
    trial.suggest_float("step", 0, 1, step=0.25)
    layers = trial.suggest_int("layers", 1, 5 if trial.number < 4 else 3)
    trial.suggest_int("width", 1, 256, log=True)
    kind = trial.suggest_categorical("kind", [None, True, 0.5, "a"])
    if kind is True:
        trial.suggest_int("depth", 2, 8, step=2)
    trial.report(x, 0)
    trial.report(math.inf, 1)
    trial.report(-math.inf if trial.number == 1 else rate, 3)
    trial.set_user_attr("info", {"layers": [layers]})
    trial.set_constraint("size", x - 0.5)
    if trial.number == 1:
        raise optuna.TrialPruned
    if trial.number == 2:
        raise RuntimeError
    return x**2 + rate + layers


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A storage of Optuna with two studies: trials in all states, and several objectives."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = f"sqlite:///{tmp_path_factory.mktemp('optuna') / 'optuna.db'}"
    study = optuna.create_study(
        storage=url, study_name="one", direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.set_user_attr("who", ["me", 1])
    study.optimize(objective, n_trials=12, catch=RuntimeError)
    study.ask().suggest_float("x", -1, 1)
    study.enqueue_trial({"kind": True, "layers": 2.0, "new": "b"}, user_attrs={"queued": True})
    two = optuna.create_study(storage=url, study_name="two", directions=["minimize", "maximize"])
    two.optimize(lambda t: (t.suggest_float("x", 0, 1), -t.suggest_float("y", 0, 1)), n_trials=3)
    two.add_trial(optuna.create_trial(values=[math.inf, 1.0]))
    return url


@pytest.mark.parametrize("where", ["memory", "sqlite"])
def test_a_study_comes_with_all_its_trials(url, tmp_path, where):
    old = optuna.load_study(study_name="one", storage=url)
    study = import_study(url, "one", storage=None if where == "memory" else tmp_path / "study.db", name="new")
    assert (study.name, study.directions, study.user_attrs) == ("new", ("maximize",), {"who": ["me", 1]})
    assert [t.number for t in study.trials] == list(range(14))
    for theirs, ours in zip(old.trials[:12], study.trials, strict=False):
        assert ours.state.name == theirs.state.name
        assert dict(ours.params) == theirs.params
        assert [type(x) for x in ours.params.values()] == [type(theirs.params[name]) for name in ours.params]
        assert dict(ours.reports) == theirs.intermediate_values
        assert dict(ours.attrs) == theirs.user_attrs
        assert ours.constraints == (theirs.params["x"] - 0.5,)
        assert (ours.started, ours.finished) == (
            theirs.datetime_start.timestamp(),
            theirs.datetime_complete.timestamp(),
        )
        assert ours.values == (tuple(theirs.values) if ours.state is COMPLETE else None)
    assert [t.state for t in study.trials[:4]] == [COMPLETE, PRUNED, FAIL, COMPLETE]
    assert study.trials[1].reports[-1] == (3, -math.inf)
    feasible = [t for t in old.trials if t.state.name == "COMPLETE" and t.params["x"] <= 0.5]
    assert study.best_value == max(t.value for t in feasible)
    study.storage.close()


def test_what_ran_or_was_enqueued_waits(url):
    study = import_study(url, "one")
    ran, queued = study.trials[12:]
    assert (ran.state, ran.retries, list(ran.params)) == (WAITING, 1, ["x"])
    assert (queued.state, dict(queued.attrs)) == (WAITING, {"queued": True})
    assert dict(queued.params) == {"kind": True, "layers": 2, "new": "b"} and type(queued.params["layers"]) is int
    [(record, trials)] = read_studies(study.storage)
    assert faults(record, trials) == []


def test_ranges_are_the_latest_and_conditions_are_learned(url):
    parameters = import_study(url, "one").space.parameters
    assert parameters["x"] == Float(-1, 1)
    assert parameters["rate"] == Float(1e-5, 1, log=True)
    assert parameters["step"] == Float(0, 1, step=0.25)
    assert parameters["layers"] == Int(1, 3)
    assert parameters["width"] == Int(1, 256, log=True)
    assert parameters["kind"] == Choice([None, True, 0.5, "a"])
    assert parameters["depth"] == Int(2, 8, step=2, when={"kind": True})


def test_an_imported_study_goes_on(url, tmp_path):
    def going_on(trial):
        x = trial.suggest_float("x", -1, 1)
        if trial.suggest_categorical("kind", [None, True, 0.5, "a"]) is True:
            trial.suggest_int("depth", 2, 8, step=2)
        return x + trial.suggest_int("layers", 1, 3)

    study = import_study(url, "one", storage=tmp_path / "study.db")
    again = lt.load_study("one", storage=tmp_path / "study.db", sampler=TPESampler())
    again.optimize(going_on, n_trials=6)
    assert [t.state for t in again.trials[12:]] == [COMPLETE] * 6
    assert (again.trials[13].params["kind"], again.trials[13].params["layers"]) == (True, 2)
    for one in (study, again):
        one.storage.close()


def test_several_objectives(url):
    study = import_study(url, "two")
    assert study.directions == ("minimize", "maximize")
    assert [t.state for t in study.trials] == [COMPLETE, COMPLETE, COMPLETE, FAIL]
    assert [list(t.values) for t in study.trials[:3]] == [
        t.values for t in optuna.load_study(study_name="two", storage=url).trials[:3]
    ]
    assert "must be finite" in study.trials[3].error


def test_a_study_in_memory():
    theirs = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    theirs.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=3)
    study = import_study(theirs, name="mine")
    assert [t.params for t in study.trials] == [t.params for t in theirs.trials]
    with pytest.raises(StudyExists):
        import_study(theirs, storage=study.storage, name="mine")


def test_constraints_of_optuna_4_go_by_position():
    theirs = optuna.create_study()
    theirs.add_trial(optuna.create_trial(value=1.0, system_attrs={"constraints": [0.5, -1.0]}))
    theirs.add_trial(optuna.create_trial(value=0.0))
    study = import_study(theirs)
    assert [t.constraints for t in study.trials] == [(0.5, -1.0), ()]
    assert study.best_trial.number == 1


def test_what_cannot_be_read_is_said(url, tmp_path):
    with pytest.raises(StudyNotFound, match="'one', 'two'"):
        import_study(url)
    with pytest.raises(StudyNotFound, match="no study 'three'"):
        import_study(url, "three")
    with pytest.raises(StorageError, match="no storage"):
        read_optuna(f"sqlite:///{tmp_path}/no.db")
    assert not list(tmp_path.iterdir())
    (tmp_path / "text.db").write_text("no database " * 100)
    with pytest.raises(StorageError, match="cannot read"):
        read_optuna(f"sqlite:///{tmp_path}/text.db")
    theirs = optuna.create_study()
    for x, kind in ((1.0, FloatDistribution(0, 1)), (1, IntDistribution(0, 1))):
        theirs.add_trial(optuna.create_trial(params={"x": x}, distributions={"x": kind}, value=0.0))
    with pytest.raises(SpaceError, match=r"trial 1, parameter 'x'.*two kinds"):
        import_study(theirs)


def test_the_command(url, tmp_path):
    target = tmp_path / "study.db"
    result = CliRunner().invoke(app, ["storage", "import-optuna", url, str(target)])
    assert result.exit_code == 0, result.output
    assert "imported one: 14 trials" in result.output and "imported two: 4 trials" in result.output
    store = SqlStore(target)
    assert [study.name for study in store.studies()] == ["one", "two"]
    store.close()
    result = CliRunner().invoke(app, ["storage", "import-optuna", url, str(target), "--study", "two"])
    assert isinstance(result.exception, StudyExists)


choices = st.lists(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=2), min_size=1, max_size=6
)


@settings(deadline=None, max_examples=100)
@given(choices)
@example([0.0, -0.0])
@example([True, 1, 1.0, None, "None"])
def test_choices_go_there_and_back(values):
    distribution = CategoricalDistribution(values)
    domain = domain_of(distribution)
    assert domain.size == len(values)
    for label, value in zip(domain.labels, values, strict=True):
        assert to_value(distribution, label) is value
    back = [to_value(distribution, to_label(distribution, value)) for value in values]
    assert list(map(repr, back)) == list(map(repr, values))


# -- the sampler


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


def test_a_finished_grid_stops_the_study():
    def on_a_grid(trial):
        return trial.suggest_int("x", 0, 2) + trial.suggest_categorical("c", [1, 2])

    study = optuna.create_study(sampler=OptunaSampler(GridSampler(), seed=0))
    study.optimize(on_a_grid, n_trials=50)
    assert 6 <= len(study.trials) <= 8
    assert len({tuple(t.params.values()) for t in study.trials}) == 6


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


def test_a_journal_of_optuna_is_read_by_its_path(tmp_path):
    path = tmp_path / "optuna.log"
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    theirs = optuna.create_study(storage=optuna.storages.JournalStorage(backend), study_name="j")
    theirs.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=4)
    for source in (path, str(path), theirs._storage):
        study = import_study(source)
        assert study.name == "j" and [t.params for t in study.trials] == [t.params for t in theirs.trials]


def test_a_database_of_optuna_is_read_by_its_path(url):
    path = url.removeprefix("sqlite:///")
    assert len(import_study(path, "two").trials) == len(import_study(url, "two").trials)


def test_what_is_no_source_is_said(tmp_path):
    for wrong in (None, 3, lt.create_study()):
        with pytest.raises(StorageError, match="neither a study of Optuna"):
            import_study(wrong)
    with pytest.raises(StorageError, match="no storage of Optuna at"):
        import_study(tmp_path / "no.log")
    (tmp_path / "notes.txt").write_text("some notes")
    with pytest.raises(StudyNotFound, match="0 studies"):
        import_study(tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_is_no_sampler_is_said():
    for wrong in ("tpe", TPESampler, optuna.samplers.TPESampler()):
        with pytest.raises(TypeError, match="no sampler of Luthier"):
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
