from __future__ import annotations

import math

import optuna
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from typer.testing import CliRunner

import luthier as lt
from luthier.cli.app import app
from luthier.errors import SpaceError, StorageError, StudyExists, StudyNotFound
from luthier.integrations.optuna import import_study
from luthier.integrations.optuna.studies import read_optuna
from luthier.integrations.optuna.values import domain_of, to_label, to_value
from luthier.samplers import TPESampler
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
    with pytest.raises(StorageError, match="no Optuna storage"):
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
        with pytest.raises(StorageError, match="neither an Optuna study"):
            import_study(wrong)
    with pytest.raises(StorageError, match="no Optuna storage at"):
        import_study(tmp_path / "no.log")
    (tmp_path / "notes.txt").write_text("some notes")
    with pytest.raises(StudyNotFound, match="0 studies"):
        import_study(tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
