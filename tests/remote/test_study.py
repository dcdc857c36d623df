"""RemoteStudy against the application in this process: the face of `Study`, and who may say what of a trial."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import httpx
import pytest

import luthier as lt
from luthier.engine.owner import owner_is_dead
from luthier.errors import (
    LeaseLost,
    ObjectiveError,
    SpaceError,
    StorageError,
    StudyExists,
    StudyNotFound,
    TrialNotRunning,
)
from luthier.remote import client
from luthier.remote.connection import Connection
from luthier.remote.study import RemoteStudy
from luthier.space import Choice, Space
from luthier.stores import Store
from luthier.trial import TrialState

SPACE = Space({"x": lt.Float(-1, 1), "k": lt.Int(1, 4)})
Reach = Callable[..., Connection]


# -- the face


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_it_has_the_face_of_study(create: Callable[..., RemoteStudy]) -> None:
    study = create()
    missing = public(lt.Study) - public(RemoteStudy) - set(vars(study))
    assert missing == {"storage"}  # which is the service's
    for method in ("ask", "tell", "enqueue_trial", "stop", "close", "set_user_attr"):
        ours = inspect.signature(getattr(RemoteStudy, method)).parameters
        theirs = inspect.signature(getattr(lt.Study, method)).parameters
        assert set(theirs) <= set(ours) and list(ours)[: len(theirs)] == list(theirs), method
    ours, theirs = (inspect.signature(kind.optimize).parameters for kind in (RemoteStudy, lt.Study))
    assert set(ours) == set(theirs)


def test_what_it_knows_is_what_the_study_knows(create: Callable[..., RemoteStudy], store: Store) -> None:
    study = create(pruner="median", directions=["maximize"])
    assert (study.direction, study.seed, study.sampler, study.pruner) == ("maximize", 1, "random", "median")
    study.set_user_attr("why", {"a": [1, None]})
    assert study.user_attrs == {"why": {"a": [1, None]}}
    study.optimize(lambda t: t.suggest_float("x", -1, 1), 3)
    here = lt.load_study("s", storage=store)
    assert study.space == here.space and study.trials[0].params == here.trials[0].params
    assert study.history.values.tolist() == here.history.values.tolist()
    with pytest.raises(ValueError, match=r"the service's own"):
        study.set_user_attr("luthier.web", {})
    with pytest.raises(ObjectiveError, match="not JSON"):
        study.set_user_attr("why", object())


def test_a_space_that_is_shown_is_learned(create: Callable[..., RemoteStudy], store: Store) -> None:
    def objective(trial: lt.Trial) -> float:
        return trial.suggest_float("a" if trial.suggest_categorical("kind", ["a", "b"]) == "a" else "b", 0, 1)

    study = create(None)
    study.optimize(objective, 8)
    assert study.space == lt.load_study("s", storage=store).space
    assert {name for name in study.space.names if study.space.parameters[name].when is not None} == {"a", "b"}


def test_choices_that_are_objects(create: Callable[..., RemoteStudy]) -> None:
    space = Space({"f": Choice({"one": abs, "two": max})})
    study = create(space, space)
    study.optimize(lambda trial: float(trial.params["f"] in (abs, max)), 2)
    assert study.best_value == 1.0 and study.best_params["f"] in (abs, max)
    with pytest.raises(SpaceError, match="a different space"):
        RemoteStudy(study._calls, "s", SPACE)


def test_fixed_values_leave_the_queue_alone(create: Callable[..., RemoteStudy]) -> None:
    study = create()
    study.enqueue_trial({"x": 0.25})
    assert study.ask({"x": 0.5}).params["x"] == 0.5
    assert study.ask().params["x"] == 0.25


def test_fixed_values_come_with_the_trial(create: Callable[..., RemoteStudy]) -> None:
    study = create()
    trial = study.ask({"x": 0.5})
    assert trial.params["x"] == 0.5 and trial.params["k"] in range(1, 5)
    with pytest.raises(SpaceError):
        study.ask({"x": 5})
    assert len(study.trials) == 1
    study.enqueue_trial({"x": 0.5}, skip_if_exists=True)
    assert len(study.trials) == 1
    study.enqueue_trial({"x": 0.25}, {"why": "a guess"}, skip_if_exists=True)
    assert study.trials[1].attrs == {"why": "a guess"}
    study.close()


def test_several_objectives_have_no_best_trial(create: Callable[..., RemoteStudy]) -> None:
    study = create(directions=["minimize", "maximize"])
    study.optimize(lambda t: (t.suggest_float("x", -1, 1), t.params["k"]), 5)
    assert {len(t.values or ()) for t in study.best_trials} == {2}
    for name in ("best_trial", "recommended_trial", "best_params", "best_value", "direction"):
        with pytest.raises(ValueError, match="2 objectives"):
            getattr(study, name)


def test_infinite_and_nan_reports_are_kept(create: Callable[..., RemoteStudy]) -> None:
    study = create()
    trial = study.ask()
    for step, value in enumerate((float("inf"), float("nan"), float("-inf"))):
        trial.report(value, step)
    assert str(study.trials[0].reports) == "((0, inf), (1, nan), (2, -inf))"
    study.close()


# -- who may say what of a trial


def test_an_owner_that_was_too_late_changes_nothing_of_the_next_run(
    create: Callable[..., RemoteStudy], reach: Reach, store: Store
) -> None:
    """A worker whose lease was lost says all that it can: every call is refused, the next attempt is untouched."""
    late, next_owner = create(None, pruner="median"), RemoteStudy(reach(), "s")
    trial = late.ask()
    assert store.requeue("s", trial.number, trial.token)

    def says(trial: lt.Trial) -> list[Callable[[], Any]]:
        return [
            lambda: trial.report(9.0, step=9),
            lambda: trial.should_prune(),
            lambda: trial.set_user_attr("whose", "late"),
            lambda: trial.suggest_float("y", 0, 1),
            lambda: late.tell(trial, 9.0),
            lambda: late.tell(trial, state=TrialState.FAIL, error="late"),
        ]

    for say in says(trial):  # it waits
        with pytest.raises(LeaseLost):
            say()
    again = next_owner.ask()
    assert (again.number, again.token != trial.token) == (trial.number, True)
    trial._steps.clear()
    for say in says(trial):  # it runs
        with pytest.raises(LeaseLost):
            say()
    with pytest.raises(TrialNotRunning):  # a number is not enough
        late.tell(trial.number, 9.0)
    with pytest.raises(LeaseLost):
        late.tell(trial.number, 9.0, token=trial.token)
    again.set_user_attr("whose", "next")
    next_owner.tell(again, 1.0)
    again.set_user_attr("after", "all")
    with pytest.raises(LeaseLost):  # it is told
        trial.set_user_attr("whose", "late")
    (record,) = late.trials
    assert (record.value, record.reports, record.attrs) == (1.0, (), {"whose": "next", "after": "all"})
    late.close()
    next_owner.close()


def test_trials_of_clients_are_not_the_service_s_own(create: Callable[..., RemoteStudy], store: Store) -> None:
    """A service that was killed and started again must not make its clients' trials those of a dead process."""
    study = create()
    study.ask()
    assert study.trials[0].state is TrialState.RUNNING
    (record,) = store.changes("s", 0)[1]
    assert record.owner == "a client of the service" and not owner_is_dead(record.owner)
    study.close()


# -- the way to a study


class LosesOneReply(httpx.BaseTransport):
    """The service gets the first request; its reply is lost."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self.lost = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        reply = self._inner.handle_request(request)
        if not self.lost:
            self.lost = True
            raise httpx.ReadError("the connection was dropped", request=request)
        return reply


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch, reach: Reach) -> Callable[[httpx.BaseTransport | None], list[Any]]:
    """Sends what `connect` and `create_study` open through a transport; the tokens that were given."""

    def set_up(transport: httpx.BaseTransport | None) -> list[Any]:
        tokens: list[Any] = []

        def made(url: str, token: str | None, retry_seconds: float) -> Connection:
            tokens.append(token)
            return reach(transport)

        monkeypatch.setattr("luthier.remote.connection.Connection", made)
        return tokens

    return set_up


def test_a_study_whose_reply_was_lost_is_made_once(app: Any, through: Any, in_process: Any) -> None:
    through(LosesOneReply(in_process(app)._transport))
    study = client.create_study("http://127.0.0.1:8000", None, "s", space=SPACE, direction="maximize")
    assert (study.name, study.direction) == ("s", "maximize")
    with pytest.raises(StudyExists):
        client.create_study("http://127.0.0.1:8000", None, "s", space=SPACE)
    again = client.create_study(
        "http://127.0.0.1:8000", None, "s", space=SPACE, load_if_exists=True, direction="maximize"
    )
    assert again.name == "s"
    with pytest.raises(ValueError, match="not both"):
        client.create_study("http://127.0.0.1:8000", direction="maximize", directions=["minimize"])


def test_connect_finds_the_only_study_and_the_token(
    create: Callable[..., RemoteStudy], through: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = through(None)
    with pytest.raises(StudyNotFound, match="0 studies: none"):
        lt.connect("http://127.0.0.1:8000")
    study = create()
    monkeypatch.setenv("LUTHIER_TOKEN", "from-the-environment")
    assert lt.connect("http://127.0.0.1:8000").name == "s"
    assert lt.connect("http://127.0.0.1:8000", "given", "s").name == "s"
    assert tokens == [None, "from-the-environment", "given"]
    study._calls.call("POST", "/v1/studies", {"name": "t", "sampler": "random"})
    with pytest.raises(StudyNotFound, match="'s', 't'"):
        lt.connect("http://127.0.0.1:8000")


# -- trials from elsewhere


def test_added_trials_are_those_of_the_study(create: Callable[..., RemoteStudy], store: Store) -> None:
    study = create(directions=["minimize"], objective_names=["error"])
    source = lt.create_study(space=SPACE, sampler="random", seed=3)
    source.optimize(lambda t: t.params["x"], n_trials=230)
    odd = source.trials[0].with_(reports=((0, float("nan")), (1, float("inf"))), attrs={"a": [1]}, error="why")
    study.add_trials([odd, *source.trials[1:]])
    study.add_trial(lt.create_trial({"x": 0.5}))
    here = lt.load_study("s", storage=store)
    assert [(t.params, t.values, t.finished) for t in here.trials[:230]] == [
        (t.params, t.values, t.finished) for t in source.trials
    ]
    assert repr(here.trials[0].reports) == repr(odd.reports) and here.trials[0].attrs == {"a": [1]}
    assert study.best_value == source.best_value and study.ask().number == 230
    assert study.objective_names == here.objective_names == ("error",) and study.user_attrs == {}
    with pytest.raises(SpaceError, match="position 1"):
        study.add_trials([odd, lt.create_trial({"x": 9, "k": 1}, 1.0)])
    with pytest.raises(ObjectiveError, match="2 values"):
        study.add_trial(lt.create_trial({"x": 0, "k": 1}, values=[1.0, 2.0]))
    assert len(study.trials) == 231 and list(study.trials_dataframe(["number", "params"])) == [
        "number",
        "params_x",
        "params_k",
    ]


def test_what_differs_from_the_existing_study_is_refused(reach: Reach, store: Store) -> None:
    def again(**more: Any) -> Any:
        return reach().call("POST", "/v1/studies", {"name": "s", "load_if_exists": True} | more)

    assert again(sampler="tpe", seed=3, pruner="median")["sampler"] == "tpe"
    assert again()["pruner"] == "median" and again(sampler="tpe", seed=3, pruner="median")["seed"] == 3
    for more, message in (
        ({"seed": 4}, "seed=3, not 4"),
        ({"sampler": "gp"}, "the sampler 'tpe', not 'gp'"),
        ({"pruner": "none"}, "the pruner 'median', not 'none'"),
        ({"directions": ["maximize"]}, "the directions"),
        ({"objective_names": ["error"]}, "no objective_names, not"),
    ):
        with pytest.raises(StudyExists, match=message):
            again(**more)
    with pytest.raises(ValueError, match="sampler='tpee' is unknown: choose one of 'auto'"):
        again(sampler="tpee")


def test_the_service_runs_the_sampler_so_it_takes_its_name() -> None:
    for argument, given in (("sampler", lt.samplers.TPESampler()), ("pruner", lt.schedulers.MedianPruner)):
        with pytest.raises(TypeError, match=f"the service runs the {argument}, so give its name"):
            client.create_study("http://127.0.0.1:1", **{argument: given})


def test_a_nan_that_is_told_is_a_warning(create: Callable[..., RemoteStudy], caplog: pytest.LogCaptureFixture) -> None:
    study = create()
    with caplog.at_level("WARNING", "luthier"):
        assert study.tell(study.ask(), float("nan")).state is TrialState.FAIL
        study.tell(study.ask(), state=TrialState.FAIL)
    (line,) = (line.getMessage() for line in caplog.records if line.name == "luthier")
    assert line.startswith("trial 0 failed: the objective returned nan")
    study.close()


def two_kinds(trial: lt.Trial) -> float:
    kind = trial.suggest_categorical("kind", ["a", "b"])
    return trial.suggest_float("x", 0, 1) + (kind == "a")


def test_a_result_counts_though_another_client_has_narrowed_a_range(
    create: Callable[..., RemoteStudy], store: Store
) -> None:
    study = create(None)
    trial, other = study.ask({"x": 9.0}), study.ask()
    assert trial.suggest_float("x", 0, 10) == 9.0
    other.suggest_float("x", 0, 1)
    other.suggest_categorical("kind", ["a", "b"])
    assert study.tell(trial, 1.0).params == {"x": 9.0}
    for params, message in (({"kind": "c"}, "not among the choices"), ({"x": "text"}, "'text' is not a number")):
        with pytest.raises(SpaceError, match=message):
            study.tell(other.number, 1.0, token=other.token, params=params)
    assert study.trials[1].state is TrialState.RUNNING
    told = study.tell(other.number, 1.0, token=other.token, params={"kind": "a", "x": 0.5, "of another service": 1})
    assert told.params == {"kind": "a", "x": 0.5, "of another service": 1}
    assert lt.load_study("s", storage=store).best_value == 1.0
    study.close()


def test_trials_that_wait_and_values_are_checked_as_in_a_study_here(
    create: Callable[..., RemoteStudy], reach: Reach
) -> None:
    space = Space({"kind": Choice(["a", "b"]), "n": lt.Int(1, 9, when={"kind": "b"})}, require=["n <= 7"])
    study = create(space)
    study.add_trial(lt.create_trial({"kind": "a", "n": 3}))
    assert study.trials[0].params == {"kind": "a"}
    study.enqueue_trial({"kind": "a", "n": 5}, skip_if_exists=True)
    assert len(study.trials) == 1
    with pytest.raises(SpaceError, match="require"):
        study.add_trial(lt.create_trial({"kind": "b", "n": 8}))
    assert len(study.trials) == 1
    create(None, name="free").close()
    free = RemoteStudy(reach(), "free")
    free.optimize(two_kinds, 2)
    with pytest.raises(SpaceError, match="not among the choices"):
        free.add_trials([lt.create_trial({"kind": "a", "x": 0.5}, 1.0), lt.create_trial({"kind": "c", "x": 0.5}, 1.0)])
    assert len(free.trials) == 2


def test_names_alone_go_on_with_a_study_of_several_objectives(through: Any) -> None:
    through(None)
    url, two = "http://127.0.0.1:8000", ["minimize", "minimize"]
    client.create_study(url, study_name="s", directions=two, objective_names=["a", "b"]).close()  # type: ignore[arg-type]
    again = client.create_study(url, study_name="s", objective_names=["a", "b"], load_if_exists=True)
    assert again.objective_names == ("a", "b")
    again.close()
    with pytest.raises(StudyExists, match="the objective_names"):
        client.create_study(url, study_name="s", objective_names=["b", "a"], load_if_exists=True)
    with pytest.raises(ValueError, match="2 names: the study has 1 objectives"):
        client.create_study(url, study_name="new", objective_names=["a", "b"], load_if_exists=True)


def test_large_trials_are_sent_in_parts_and_too_large_ones_not_at_all(
    create: Callable[..., RemoteStudy], reach: Callable[..., Connection]
) -> None:
    create()
    calls, sent = reach(), []
    call = calls.call
    calls.call = lambda *a, **k: sent.append(a[1]) or call(*a, **k)  # type: ignore[method-assign,func-returns-value]
    study = RemoteStudy(calls, "s")
    large = [lt.create_trial({"x": 0, "k": 1}, 1.0, user_attrs={"a": "\u00e9" * 33_000}) for _ in range(11)]
    study.add_trials(large)  # 200 kB each
    assert sent.count("/v1/add") == 3 and len(study.trials) == 11
    many = [lt.create_trial({"x": 0, "k": 1}, 1.0)] * 1001
    study.add_trials(many)
    assert sent.count("/v1/add") == 5 and len(study.trials) == 1012
    huge = lt.create_trial({"x": 0, "k": 1}, 1.0, user_attrs={"a": "b" * 1_000_000})
    with pytest.raises(StorageError, match="position 1001 has 1000... bytes"):
        study.add_trials([*many, huge])
    assert len(study.trials) == 1012
