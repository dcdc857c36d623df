"""Studies listed, copied, deleted; trials from elsewhere; names of objectives; data frames; notebooks; the module."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import datetime, timedelta

import pytest

import luthier as lt
from luthier.errors import MissingDependency, ObjectiveError, SpaceError, StorageError, StudyExists, StudyNotFound
from luthier.stores import MemoryStore

SPACE = {"x": lt.Float(-5, 5), "kind": lt.Choice(["a", "b"]), "n": lt.Int(1, 9, when={"kind": "b"})}
STATE = lt.TrialState


@pytest.fixture(params=["memory", "s.db", "s.journal"])
def storage(request, tmp_path):
    return MemoryStore() if request.param == "memory" else tmp_path / request.param


def kept(storage, **options):
    return lt.create_study(storage=storage, sampler="random", seed=0, **options)


# -- studies, copy_study, delete_study


def test_studies_are_listed_with_what_they_hold(storage):
    one = kept(storage, study_name="one", direction="maximize")
    one.optimize(lambda t: t.suggest_int("n", 0, 9), n_trials=3)
    one.set_user_attr("why", [1])
    one.ask()
    kept(storage, study_name="two", directions=["minimize", "maximize"], objective_names=["error", "speed"])
    first, second = lt.studies(storage)
    assert (first.name, first.trials, dict(first.states)) == ("one", 4, {"COMPLETE": 3, "RUNNING": 1})
    assert first.best_trial == one.best_trial and first.best_value == one.best_value
    assert first.user_attrs == {"why": [1]} and first.created > 0 and first.objective_names is None
    assert (second.name, second.trials, second.best_trial, second.best_value) == ("two", 0, None, None)
    assert second.objective_names == ("error", "speed") and second.user_attrs == {}


def test_listing_makes_no_file(tmp_path):
    for use in (lt.studies, lambda path: lt.delete_study("x", storage=path)):
        with pytest.raises(StorageError, match="there is no storage at"):
            use(tmp_path / "no.db")
    assert list(tmp_path.iterdir()) == []


def test_a_study_is_copied_within_and_between_storages(storage, tmp_path):
    study = kept(storage, study_name="one", space=SPACE)
    study.optimize(lambda t: t.params["x"], n_trials=3)
    study.ask()
    with pytest.raises(StudyExists, match="another to_study_name"):
        lt.copy_study("one", from_storage=storage, to_storage=storage)
    lt.copy_study("one", from_storage=storage, to_storage=storage, to_study_name="two")
    lt.copy_study("two", from_storage=storage, to_storage=tmp_path / "other.journal", to_study_name="Ünï/3")
    copy = lt.load_study("Ünï/3", storage=tmp_path / "other.journal")
    assert [t.params for t in copy.trials] == [t.params for t in study.trials] and copy.space == study.space
    assert copy.best_value == study.best_value and copy.trials[3].state is STATE.WAITING
    with pytest.raises(StudyNotFound, match="three"):
        lt.copy_study("three", from_storage=storage, to_storage=storage)
    with pytest.raises(ValueError, match="to_study_name is empty"):
        lt.copy_study("one", from_storage=storage, to_storage=storage, to_study_name="")


def test_a_study_that_runs_is_deleted_and_says_so(storage):
    study = kept(storage, study_name="one")
    kept(storage, study_name="two")
    trial = study.ask()
    lt.delete_study("one", storage=storage)
    assert [s.name for s in lt.studies(storage)] == ["two"]
    for use in (study.ask, lambda: study.tell(trial, 1.0), lambda: study.trials):
        with pytest.raises(StudyNotFound, match="one"):
            use()
    with pytest.raises(StudyNotFound, match="one"):
        lt.delete_study("one", storage=storage)
    with pytest.raises(TypeError, match="study_name=None"):
        lt.delete_study(None, storage=storage)
    assert kept(storage, study_name="one").trials == []


# -- trials from elsewhere


def test_added_trials_are_there_for_good_and_count(storage):
    study = kept(storage, study_name="one", space=SPACE)
    study.add_trial(lt.create_trial({"x": 1, "kind": "b", "n": 3}, 0.5, reports={1: 0.7, 0: 0.9}, user_attrs={"a": 1}))
    study.add_trials([lt.create_trial({"kind": "a"}), lt.create_trial({"x": 2.0}, state=STATE.FAIL, error="why")])
    study.add_trials([])
    first, second, third = lt.load_study("one", storage=storage).trials
    assert (first.state, first.value, first.reports) == (STATE.COMPLETE, 0.5, ((0, 0.9), (1, 0.7)))
    assert first.attrs == {"a": 1} and study.best_trial == first
    assert (second.state, third.state, third.error) == (STATE.WAITING, STATE.FAIL, "why")
    trial = study.ask()
    assert trial.number == 1 and trial.params["kind"] == "a" and study.ask().number == 3


def test_the_trials_of_one_study_go_into_another(storage):
    source = lt.create_study(space=SPACE, sampler="random", seed=1)
    source.optimize(lambda t: t.params["x"], n_trials=5)
    target = kept(storage, space=SPACE)
    target.optimize(lambda t: t.params["x"], n_trials=2)
    target.add_trials(source.trials)
    assert [t.number for t in target.trials] == list(range(7))
    assert [(t.params, t.values, t.finished) for t in target.trials[2:]] == [
        (t.params, t.values, t.finished) for t in source.trials
    ]
    target.optimize(lambda t: t.params["x"], n_trials=1)
    assert target.trials[7].state is STATE.COMPLETE


@pytest.mark.parametrize(
    ("trial", "error", "message"),
    [
        (lambda: lt.create_trial({"x": 9, "kind": "a"}, 1.0), SpaceError, "position 0.*'x'.*outside"),
        (lambda: lt.create_trial({"x": 1}, 1.0), SpaceError, "'kind' is missing"),
        (lambda: lt.create_trial({"x": 1, "kind": "a", "n": 2}, 1.0), SpaceError, "'n' is inactive"),
        (lambda: lt.create_trial({"x": 1, "kind": "c"}, 1.0), SpaceError, "not among the choices"),
        (lambda: lt.create_trial({"z": 1}), SpaceError, "no parameter 'z'"),
        (lambda: lt.create_trial({"x": 1, "kind": "a"}, values=(1.0, 2.0)), ObjectiveError, "2 values"),
        (lambda: lt.create_trial({"x": 1, "kind": "a"}, state=STATE.COMPLETE), ObjectiveError, "without values"),
        (lambda: lt.TrialRecord(3, STATE.RUNNING), ObjectiveError, "trial 3 is RUNNING elsewhere"),
        (lambda: {"x": 1}, TypeError, "is not a trial: make one with create_trial"),
        (lambda: lt.create_trial([1], 1.0), TypeError, "params="),
        (lambda: lt.create_trial({"x": 1}, 1.0, values=[1.0]), ValueError, "not both"),
        (lambda: lt.create_trial({"x": 1}, math.inf), ObjectiveError, "infinite"),
        (lambda: lt.create_trial({"x": 1}, "1"), ObjectiveError, "must be a number"),
        (lambda: lt.create_trial({"x": 1}, 1.0, user_attrs={"a": object()}), ObjectiveError, "not JSON"),
    ],
    ids=range(14),
)
def test_trials_that_do_not_fit_are_refused_and_nothing_is_added(storage, trial, error, message):
    study = kept(storage, space=SPACE)
    with pytest.raises(error, match=message):
        study.add_trials([trial(), lt.create_trial({"x": 0, "kind": "a"}, 1.0)])
    assert study.trials == []


def test_a_list_is_not_one_trial():
    with pytest.raises(TypeError, match="use add_trial for one"):
        lt.create_study().add_trials(lt.create_trial({"x": 1}, 1.0))


def two_kinds(trial):
    """Has a parameter of every type, and a condition."""
    kind = trial.suggest_categorical("kind", ["a", "b"])
    x = trial.suggest_float("x", 0, 1)
    return x + (trial.suggest_int("n", 1, 4) if kind == "b" else 0)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kind": "zzz", "x": 0.5}, "'kind'.*not among the choices"),
        ({"kind": "a", "x": "text"}, "'x'.*'text' is not a number"),
        ({"kind": "a", "x": True}, "'x'.*True is not a number"),
        ({"kind": "b", "x": 0.5, "n": 1.5}, "'n'.*1.5 is not a whole number"),
        ({"kind": "a", "x": None}, "'x'.*None is not a number"),
        ({"": 1}, "non-empty string"),
    ],
)
def test_values_that_a_known_parameter_cannot_have_are_not_stored(storage, params, message):
    study = kept(storage, study_name="one")
    study.optimize(two_kinds, n_trials=8)
    other = lt.load_study("one", storage=storage)
    trial = study.ask()
    for state in (STATE.WAITING, STATE.COMPLETE, STATE.FAIL):
        record = lt.TrialRecord(0, state, params, (1.0,) if state is STATE.COMPLETE else None)
        with pytest.raises(SpaceError, match=message):
            other.add_trials([lt.create_trial({"kind": "a", "x": 0.5}, 1.0), record])
    with pytest.raises(SpaceError, match=message):
        other.tell(trial.number, 1.0, token=trial.token, params=params)
    again = lt.load_study("one", storage=storage)
    assert len(again.trials) == 9 and again.trials[8].state is STATE.RUNNING
    study.tell(trial, 1.0)


def test_numbers_outside_a_range_and_new_names_are_stored(storage):
    study = kept(storage, study_name="one")
    study.optimize(two_kinds, n_trials=8)
    study.add_trial(lt.create_trial({"kind": "b", "x": 7, "n": 9.0, "later": "text"}, 1.0))
    trial = study.ask()
    study.tell(trial.number, 2.0, token=trial.token, params={"kind": "a", "x": -3.0})
    added, told = lt.load_study("one", storage=storage).trials[8:]
    assert added.params == {"kind": "b", "x": 7.0, "n": 9, "later": "text"} and type(added.params["n"]) is int
    assert told.params == {"kind": "a", "x": -3.0}


def test_choices_that_another_process_has_shown_are_known(storage):
    study = kept(storage, study_name="one")
    other = study if isinstance(storage, MemoryStore) else lt.load_study("one", storage=storage)
    trial = study.ask()
    trial.suggest_categorical("kind", ["a", "b"])
    with pytest.raises(SpaceError, match="not among the choices"):
        other.tell(trial.number, 1.0, token=trial.token, params={"kind": "c"})
    with pytest.raises(SpaceError, match="not among the choices"):
        other.add_trial(lt.create_trial({"kind": "c"}, 1.0))
    assert [t.state for t in other.trials] == [STATE.RUNNING]


def test_added_trials_that_wait_are_as_queued_ones(storage):
    space = lt.Space({**SPACE, "m": lt.Int(1, 9)}, require=["m + x <= 9"])
    study = kept(storage, study_name="one", space=space)
    study.add_trial(lt.create_trial({"kind": "a", "n": 3, "m": 2}))
    study.enqueue_trial({"kind": "a", "n": 3, "m": 2})
    first, second = study.trials
    assert first.params == second.params == {"kind": "a", "m": 2}
    with pytest.raises(SpaceError, match="position 0.*require"):
        study.add_trial(lt.create_trial({"m": 9, "x": 5.0}))
    assert len(study.trials) == 2


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"reports": [(1, 0.5), (1, 0.6)]}, ObjectiveError, "reports step 1 twice"),
        ({"reports": {-1: 0.5}}, ObjectiveError, "step -1"),
        ({"reports": {1.5: 0.5}}, ObjectiveError, "step 1.5"),
        ({"reports": {True: 0.5}}, ObjectiveError, "step True"),
        ({"reports": {1: "0.5"}}, ObjectiveError, "'0.5': a report must be a number"),
        ({"reports": {1: None}}, ObjectiveError, "None: a report must be a number"),
        ({"reports": [0.5, 0.6]}, ObjectiveError, "pairs of step and value"),
        ({"state": STATE.WAITING}, ObjectiveError, "is WAITING and has the values"),
        ({"params": {1: 2}}, SpaceError, "name is 1: it must be a non-empty string"),
        ({"params": {"\ud800": 2}}, SpaceError, "lone surrogate"),
    ],
)
def test_a_trial_that_cannot_be_is_not_made(more, error, message):
    with pytest.raises(error, match=message):
        lt.create_trial(**({"params": {"x": 1}, "value": 1.0} | more))


@pytest.mark.parametrize(
    "trial",
    [
        lt.TrialRecord(0, STATE.COMPLETE, {}, (1.0,), reports=((1, 0.5), (1, 0.6))),
        lt.TrialRecord(0, STATE.COMPLETE, {}, (1.0,), reports=((-1, 0.5),)),
        lt.TrialRecord(0, STATE.WAITING, {}, (1.0,)),
    ],
    ids=["twice", "negative", "waits"],
)
def test_a_record_that_cannot_be_is_not_added(trial):
    study = lt.create_study()
    with pytest.raises(ObjectiveError):
        study.add_trial(trial)
    assert study.trials == []


@pytest.mark.parametrize("sampler", ["auto", "tpe", "gp", "random", "qmc"])
def test_every_sampler_goes_on_from_added_trials_of_an_objective_that_defines_its_space(sampler):
    def objective(trial):
        kind = trial.suggest_categorical("kind", ["a", "b"])
        return trial.suggest_float("x", 0, 1) + (trial.suggest_int("n", 1, 4) if kind == "b" else 0)

    study = lt.create_study(sampler=sampler, seed=0)
    study.add_trials([lt.create_trial({"x": i / 8, "kind": "a"}, float(i)) for i in range(8)])
    study.add_trials(
        [lt.create_trial({"x": 7.0, "kind": "unheard of"}, 3.0), lt.create_trial({"y": 1, "x": "text"}, 2.0)]
    )
    study.enqueue_trial({"other": 1})
    study.optimize(objective, n_trials=6)
    assert [t.state for t in study.trials[10:]] == [STATE.COMPLETE] * 6


# -- names of objectives


def test_objectives_have_names(storage):
    names = ["error", "<latency>"]
    study = kept(storage, study_name="s", directions=["minimize", "minimize"], objective_names=names)
    study.set_user_attr("a", 1)
    again = lt.load_study("s", storage=storage)
    assert again.objective_names == ("error", "<latency>") and again.user_attrs == {"a": 1}
    assert repr(again) == "Study('s', minimize error, minimize <latency>, 0 trials)"
    assert "&lt;latency&gt; (minimize)" in again._repr_html_() and "<latency>" not in again._repr_html_()
    with pytest.raises(StudyExists, match="objective_names"):
        kept(storage, study_name="s", objective_names=["a", "b"], directions=["minimize"] * 2, load_if_exists=True)
    with pytest.raises(ObjectiveError, match="are Luthier's own"):
        study.set_user_attr("luthier.objective_names", ["x", "y"])


def test_names_alone_go_on_with_a_study_of_several_objectives(storage):
    kept(storage, study_name="s", directions=["minimize"] * 2, objective_names=["a", "b"])
    kept(storage, study_name="plain", directions=["minimize"] * 2)
    again = kept(storage, study_name="s", objective_names=["a", "b"], load_if_exists=True)
    assert again.objective_names == ("a", "b") and len(again.directions) == 2
    with pytest.raises(StudyExists, match=r"the objective_names \['a', 'b'\], not \['b', 'a'\]"):
        kept(storage, study_name="s", objective_names=["b", "a"], load_if_exists=True)
    with pytest.raises(StudyExists, match="no objective_names, not"):
        kept(storage, study_name="plain", objective_names=["a", "b"], load_if_exists=True)
    with pytest.raises(ValueError, match="2 names: the study has 1 objectives"):
        kept(storage, study_name="new", objective_names=["a", "b"], load_if_exists=True)
    with pytest.raises(ValueError, match="2 names: the study has 1 objectives"):
        kept(storage, study_name="s", objective_names=["a", "b"])
    assert {study.name for study in lt.studies(again.storage)} == {"s", "plain"}


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ("error", TypeError, "is not a list"),
        (["a"], ValueError, "has 1 names: the study has 2 objectives"),
        (["a", "a"], ValueError, "must differ"),
        (["a", ""], ValueError, "must not be empty"),
        (["a", 3], TypeError, "which is not a string"),
    ],
)
def test_wrong_names_of_objectives(names, error, message):
    with pytest.raises(error, match=message):
        lt.create_study(directions=["minimize"] * 2, objective_names=names)


# -- data frames


def told():
    study = lt.create_study(space=SPACE, sampler="random", seed=0)
    study.add_trial(
        lt.create_trial({"x": 1.0, "kind": "b", "n": 3}, 0.5, user_attrs={"host": "a"}).with_(
            created=1e9, started=1e9, finished=1e9 + 90
        )
    )
    study.add_trials([lt.create_trial({"x": 2.0, "kind": "a"}, 1.5, reports={0: 3.0}), lt.create_trial({"kind": "a"})])
    return study


def test_a_data_frame_has_the_columns_of_optunas():
    frame = told().trials_dataframe()
    assert list(frame.columns) == [
        "number",
        "value",
        "datetime_start",
        "datetime_complete",
        "duration",
        "params_x",
        "params_kind",
        "params_n",
        "user_attrs_host",
        "state",
    ]
    assert frame["number"].tolist() == [0, 1, 2] and frame["state"].tolist() == ["COMPLETE", "COMPLETE", "WAITING"]
    assert frame["value"].tolist()[:2] == [0.5, 1.5] and math.isnan(frame["value"][2])
    assert frame["params_n"].tolist()[0] == 3 and frame["params_n"].isna().tolist() == [False, True, True]
    assert frame["datetime_start"][0] == datetime.fromtimestamp(1e9) and frame["duration"][0] == timedelta(seconds=90)
    assert frame["datetime_complete"].isna().tolist() == [False, False, True]


def test_a_data_frame_is_what_optuna_makes_of_the_same_trials():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ours, theirs = lt.create_study(sampler="random", seed=0), optuna.create_study()
    for value in (1.0, 2.0):
        trial, other = ours.ask(), theirs.ask()
        params = {"x": trial.suggest_float("x", 0, 1), "k": trial.suggest_categorical("k", ["a", "b"])}
        for t in (trial, other):
            t.set_user_attr("host", "a")
        theirs.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions={
                    "x": optuna.distributions.FloatDistribution(0, 1),
                    "k": optuna.distributions.CategoricalDistribution(["a", "b"]),
                },
                value=value,
                user_attrs={"host": "a"},
            )
        )
        ours.tell(trial, value)
    mine, other = ours.trials_dataframe(), theirs.trials_dataframe()
    assert set(mine.columns) == set(other.columns)
    assert sorted(mine["params_x"]) == sorted(other["params_x"].dropna())


def test_several_objectives_and_levels_of_columns():
    study = lt.create_study(directions=["minimize"] * 2, sampler="random")
    study.tell(study.ask(), (1.0, 2.0))
    study.tell(study.ask(), state=STATE.FAIL)
    assert list(study.trials_dataframe(("number", "values")).columns) == ["number", "values_0", "values_1"]
    levels = told().trials_dataframe(multi_index=True)
    assert levels["params"]["x"].tolist()[:2] == [1.0, 2.0] and levels[("number", "")].tolist() == [0, 1, 2]
    named = lt.create_study(directions=["minimize"] * 2, objective_names=["error", "speed"])
    named.tell(named.ask(), (1.0, 2.0))
    frame = named.trials_dataframe(["values", "state"])
    assert list(frame.columns) == ["values_error", "values_speed", "state"] and frame["values_speed"][0] == 2.0


def test_columns_on_request():
    frame = told().trials_dataframe(["intermediate_values", "error", "number"])
    assert list(frame.columns) == ["intermediate_values_0", "error", "number"]
    with pytest.raises(ValueError, match="attrs has 'numbers', which is unknown: choose from number, value"):
        told().trials_dataframe(["numbers"])
    empty = lt.create_study().trials_dataframe()
    assert len(empty) == 0 and "value" in empty.columns


def test_without_pandas_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependency, match="trials_dataframe needs pandas"):
        told().trials_dataframe()


# -- what a notebook shows


def test_a_record_and_a_space_are_short():
    record = lt.TrialRecord(3, STATE.COMPLETE, {"x": 1}, (0.123456789,), token="secret", error="Traceback")
    assert repr(record) == "TrialRecord(3, COMPLETE, 0.123457, {'x': 1})"
    assert repr(lt.TrialRecord(4, STATE.RUNNING)) == "TrialRecord(4, RUNNING, {})"


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x>', "a&b", "x" * 10_000])
def test_what_users_wrote_is_escaped_and_short(evil):
    study = lt.create_study(study_name=evil[:200], space={evil: lt.Choice([evil, "b"])}, sampler="random")
    study.add_trial(lt.create_trial({evil: evil}, 1.0, user_attrs={evil: evil}, error=None))
    failed = lt.TrialRecord(1, STATE.FAIL, {evil: evil}, error=f"Traceback\nValueError: {evil}\n")
    for text in (study._repr_html_(), study.trials[0]._repr_html_(), study.space._repr_html_(), failed._repr_html_()):
        assert "<script" not in text and "<img" not in text and len(text) < 2000
        assert text.startswith("<table>") and text.endswith("</table>")
    assert "a&amp;b" in lt.TrialRecord(1, STATE.FAIL, error="a&b")._repr_html_()


def test_an_empty_study_shows_itself():
    assert "no trials" in lt.create_study()._repr_html_()
    assert (
        repr(lt.create_study(study_name="s", directions=["minimize", "maximize"]))
        == "Study('s', minimize, maximize, 0 trials)"
    )


# -- the module


def test_tab_shows_what_a_user_may_use_and_nothing_else():
    names = set(dir(lt))
    assert {"plots", "report", "confirm", "train", "tasks", "samplers", "schedulers", "stores", "analysis"} <= names
    assert {"create_study", "studies", "delete_study", "copy_study", "create_trial", "connect", "Float"} <= names
    assert not names & {"abandoned", "garbage", "held", "engine", "live", "owners", "history", "notebook"}
    assert all(getattr(lt, name) is not None for name in names)
    assert set(lt.__all__) <= names
    with pytest.raises(AttributeError, match="'luthier' has no attribute 'nothing'"):
        _ = lt.nothing


def test_packages_come_on_first_use_and_those_without_their_libraries_are_not_shown():
    code = (
        "import sys, luthier as lt\n"
        "assert not {'luthier.plots', 'luthier.report', 'luthier.train', 'torch', 'plotly'} & set(sys.modules)\n"
        "dir(lt)\n"
        "assert not {'luthier.plots', 'luthier.train', 'torch', 'plotly'} & set(sys.modules)\n"
        "assert lt.confirm.__name__ == 'luthier.confirm' and 'torch' not in sys.modules\n"
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *more: None if name == 'torch' else find(name, *more)\n"
        "assert 'train' not in dir(lt) and {'tasks', 'plots'} <= set(dir(lt))\n"
        "from luthier import *\n"
        "assert create_study is lt.create_study\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
