"""Arguments of the wrong kind are refused at once, by a study in this process and by one of a service alike."""

from __future__ import annotations

import enum
import functools
import math
from datetime import timedelta
from fractions import Fraction

import httpx
import numpy as np
import pytest

import luthier as lt
from luthier.errors import ObjectiveError, SpaceError, StorageError, StudyExists
from luthier.executors import InlineExecutor
from luthier.remote.connection import Connection
from luthier.remote.study import RemoteStudy
from luthier.samplers import AutoSampler, GPSampler, RandomSampler, TPESampler
from luthier.schedulers import MedianPruner, SuccessiveHalvingPruner
from luthier.service.app import create_app
from luthier.stores import MemoryStore


def objective(trial):
    return trial.suggest_float("x", 0, 1)


async def coroutine(trial):
    return 1.0


async def async_generator(trial):
    yield 1.0


def generator(trial):
    yield 1.0


class Objective:
    def __call__(self, trial):
        return trial.suggest_float("x", 0, 1)


class AsyncObjective:
    async def __call__(self, trial):
        return 1.0


class OptunasDirection(enum.Enum):
    NOT_SET = 0
    MINIMIZE = 1
    MAXIMIZE = 2


def here():
    return lt.create_study(sampler="random", seed=0)


def remote():
    import asyncio

    class InProcess(httpx.BaseTransport):
        def __init__(self, app):
            self._transport = httpx.ASGITransport(app)

        def handle_request(self, request):
            async def call():
                body = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
                reply = await self._transport.handle_async_request(body)
                return httpx.Response(reply.status_code, headers=reply.headers, content=await reply.aread())

            return asyncio.run(call())

    connection = Connection("http://127.0.0.1:8000", None, 1.0, InProcess(create_app(MemoryStore(), None)))
    connection.call("POST", "/v1/studies", {"name": "s", "sampler": "random", "seed": 1})
    return RemoteStudy(connection, "s")


@pytest.fixture(params=[here, remote])
def study(request):
    study = request.param()
    yield study
    study.close()


# -- optimize


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_trials": -1}, ValueError, "n_trials=-1 must be at least 0"),
        ({"n_trials": 2.5}, TypeError, "n_trials=2.5 is not a whole number"),
        ({"n_trials": 2.0}, TypeError, "n_trials=2.0"),
        ({"n_trials": True}, TypeError, "n_trials=True"),
        ({"n_trials": np.True_}, TypeError, "n_trials="),
        ({"n_trials": "10"}, TypeError, "n_trials='10'"),
        ({"n_trials": math.inf}, TypeError, "None for no limit"),
        ({"n_trials": [3]}, TypeError, "n_trials"),
        ({"total_trials": -2}, ValueError, "total_trials=-2"),
        ({"total_trials": 1.5}, TypeError, "total_trials=1.5"),
        ({"n_trials": 1, "total_trials": 1}, ValueError, "not both"),
        ({"timeout": -1}, ValueError, "timeout=-1 must be at least 0 seconds"),
        ({"timeout": math.nan}, ValueError, "timeout=nan"),
        ({"timeout": timedelta(seconds=-1)}, ValueError, "timeout=-1 day"),
        ({"timeout": "2h"}, TypeError, "timeout='2h' is not seconds as a number, a timedelta"),
        ({"timeout": True}, TypeError, "timeout=True"),
        ({"trial_timeout": 0}, ValueError, "trial_timeout=0 must be more than 0"),
        ({"trial_timeout": timedelta(0)}, ValueError, "trial_timeout=0:00:00 must be more than 0"),
        ({"n_jobs": 0}, ValueError, "n_jobs=0 must be at least 1, or -1"),
        ({"n_jobs": -2}, ValueError, "n_jobs=-2"),
        ({"n_jobs": 1.5}, TypeError, "n_jobs=1.5"),
        ({"n_jobs": None}, TypeError, "n_jobs=None"),
        ({"n_jobs": "all"}, TypeError, "n_jobs='all'"),
        ({"n_jobs": 0, "executor": InlineExecutor()}, ValueError, "n_jobs=0"),
        ({"catch": RuntimeError()}, TypeError, "is not a class of exceptions: pass catch=RuntimeError"),
        ({"catch": "RuntimeError"}, TypeError, "catch='RuntimeError'"),
        ({"catch": [RuntimeError()]}, TypeError, "which is not a subclass of Exception"),
        ({"catch": KeyboardInterrupt}, TypeError, "KeyboardInterrupt, which is not a subclass of Exception"),
        ({"catch": int}, TypeError, "catch has int"),
        ({"catch": 3}, TypeError, "catch has 3"),
        ({"callbacks": print}, TypeError, r"callbacks=print is not a list of functions: pass callbacks=\[...\]"),
        ({"callbacks": [3]}, TypeError, "callbacks has 3, which is not a function"),
        ({"callbacks": [Objective]}, TypeError, "callbacks has Objective"),
        ({"callbacks": "print"}, TypeError, "callbacks has 'p'"),
        ({"max_retries": -1}, ValueError, "max_retries=-1 must be at least 0"),
        ({"max_retries": None}, TypeError, "max_retries=None"),
    ],
    ids=range(36),
)
def test_wrong_options_of_a_run_are_refused_before_it_begins(study, options, error, message):
    with pytest.raises(error, match=message):
        study.optimize(
            objective, **({"n_trials": 1} if not {"n_trials", "total_trials"} & set(options) else {}) | options
        )
    assert study.trials == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (None, "objective=None is not callable"),
        (0.5, "objective=0.5 is not callable"),
        ("objective", "objective='objective' is not callable"),
        (Objective, "objective=Objective is a class: pass an instance"),
        (coroutine, "objective=coroutine is an async function.*asyncio.run"),
        (AsyncObjective(), "objective=AsyncObjective is an async function"),
        (functools.partial(coroutine), "is an async function"),
        (async_generator, "is an async function"),
        (generator, "objective=generator has a `yield`"),
        (lambda: 1.0, r"must take one argument, the trial"),
        (lambda trial, data: 1.0, r"must take one argument.*lambda trial: objective\(trial, ...\)"),
        (lambda trial, *, data: 1.0, "must take one argument"),
    ],
    ids=range(12),
)
def test_what_cannot_be_an_objective_is_refused_before_a_trial_starts(study, wrong, message):
    with pytest.raises(TypeError, match=message):
        study.optimize(wrong, n_trials=1)
    assert study.trials == []


@pytest.mark.parametrize(
    "right",
    [
        Objective(),
        Objective().__call__,
        functools.partial(lambda data, trial: 1.0, 3),
        lambda trial, data=3: 1.0,
        lambda *args, **options: 1.0,
        lambda trial: np.float32(1.0),
    ],
    ids=range(6),
)
def test_whatever_can_be_called_with_a_trial_is_an_objective(study, right):
    study.optimize(right, n_trials=1)
    assert [t.state for t in study.trials] == [lt.TrialState.COMPLETE]


@pytest.mark.parametrize(
    ("options", "trials"),
    [
        ({"n_trials": 0}, 0),
        ({"n_trials": np.int64(2)}, 2),
        ({"n_trials": np.uint8(1)}, 1),
        ({"total_trials": np.int32(2)}, 2),
        ({"n_trials": 2, "timeout": timedelta(hours=1)}, 2),
        ({"n_trials": 2, "timeout": np.float32(3600)}, 2),
        ({"n_trials": 2, "timeout": Fraction(7200, 2)}, 2),
        ({"n_trials": 2, "timeout": math.inf}, 2),
        ({"n_trials": 2, "timeout": timedelta.max}, 2),
        ({"n_trials": 2, "timeout": 0}, 0),
        ({"n_trials": 2, "timeout": timedelta(0)}, 0),
        ({"n_trials": 2, "n_jobs": np.int64(1)}, 2),
        ({"n_trials": 1, "callbacks": None}, 1),
        ({"n_trials": 1, "catch": None}, 1),
        ({"n_trials": 1, "max_retries": 0}, 1),
    ],
    ids=range(15),
)
def test_numbers_of_numpy_and_durations_are_taken_as_they_are_meant(study, options, trials):
    study.optimize(objective, **options)
    assert len(study.trials) == trials


@pytest.mark.parametrize(
    "catch",
    [RuntimeError, [RuntimeError], (RuntimeError,), {RuntimeError}, iter, Exception],
    ids=range(6),
)
def test_exceptions_are_caught_by_class_or_by_any_collection_of_classes(study, catch):
    def fail(trial):
        raise RuntimeError("no luck")

    study.optimize(fail, n_trials=2, catch=(x for x in (ValueError, RuntimeError)) if catch is iter else catch)
    assert [t.state for t in study.trials] == [lt.TrialState.FAIL] * 2


def test_a_generator_of_callbacks_is_called_after_every_trial(study):
    seen = []
    study.optimize(objective, n_trials=2, callbacks=(f for f in [lambda s, t: seen.append((s, t.number))]))
    assert seen == [(study, 0), (study, 1)]


# -- ask, tell, enqueue


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda s: s.ask(["x"]), TypeError, r"fixed=\['x'\] is not a dictionary"),
        (lambda s: s.ask(3), TypeError, "fixed=3"),
        (lambda s: s.enqueue_trial([1.0]), TypeError, "params="),
        (lambda s: s.enqueue_trial({"x": 1}, user_attrs="note"), TypeError, "user_attrs='note'"),
        (lambda s: s.tell(1.5, 1.0), TypeError, "trial=1.5 is not a Trial or its number"),
        (lambda s: s.tell("0", 1.0), TypeError, "trial='0'"),
        (lambda s: s.tell(True, 1.0), TypeError, "trial=True"),
        (
            lambda s: s.tell(s.ask(), 1.0, state="DONE"),
            ValueError,
            "state='DONE' is unknown: it must be one of WAITING",
        ),
        (lambda s: s.tell(s.ask(), 1.0, state=3), TypeError, "state=3 is not a TrialState"),
        (lambda s: s.tell(s.ask(), 1.0, state=lt.TrialState.RUNNING), ObjectiveError, "not a finished state"),
    ],
    ids=range(10),
)
def test_wrong_arguments_of_ask_and_tell(study, use, error, message):
    with pytest.raises(error, match=message):
        use(study)


def test_states_count_by_their_name(study):
    class Optunas(enum.Enum):
        FAIL = 7

    assert study.tell(study.ask(), 1.0, state="PRUNED").state is lt.TrialState.PRUNED
    assert study.tell(study.ask(), state=Optunas.FAIL).state is lt.TrialState.FAIL
    assert study.tell(np.int64(study.ask().number), 1.0).state is lt.TrialState.COMPLETE


# -- create_study and load_study


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"direction": "minimise"}, ValueError, "direction='minimise' must be 'minimize' or 'maximize'"),
        ({"direction": 1}, ValueError, "direction=1 must be"),
        ({"direction": OptunasDirection.NOT_SET}, ValueError, "must be 'minimize' or 'maximize'"),
        ({"directions": "minimize"}, TypeError, "directions='minimize' is one string: pass direction='minimize'"),
        ({"directions": []}, ValueError, "give at least one"),
        ({"directions": ["minimize", "max"]}, ValueError, r"directions\[1\]='max' must be"),
        ({"directions": {"minimize", "maximize"}}, TypeError, "is not a list"),
        ({"directions": 2}, TypeError, "directions=2 is not a list"),
        ({"direction": "minimize", "directions": ["minimize"]}, ValueError, "not both"),
        ({"seed": 1.5}, TypeError, "seed=1.5 is not a whole number"),
        ({"seed": "1"}, TypeError, "seed='1'"),
        ({"seed": True}, TypeError, "seed=True"),
        ({"seed": -1}, ValueError, "seed=-1 must be at least 0"),
        ({"study_name": 3}, TypeError, "study_name=3 is not a string"),
        ({"study_name": ""}, ValueError, "study_name is empty"),
        ({"study_name": "x" * 10_000}, ValueError, "study_name has 10000 characters: at most 200 are allowed"),
        ({"study_name": "a\0b"}, ValueError, "control characters"),
        ({"study_name": "a\ud800"}, ValueError, "lone surrogates"),
        ({"space": [lt.Float(0, 1)]}, TypeError, "is not a space: pass a Space, or a dictionary"),
        ({"space": lt.Float(0, 1)}, TypeError, "is one domain without a name"),
        ({"space": {"x": (0, 1)}}, SpaceError, "parameter 'x'"),
        ({"sampler": "tpee"}, ValueError, "sampler='tpee' is unknown: choose one of 'auto'"),
        ({"sampler": "TPE"}, ValueError, "did you mean 'tpe'"),
        ({"sampler": "TPESampler"}, ValueError, "did you mean 'tpe'"),
        ({"sampler": TPESampler}, TypeError, r"sampler=TPESampler is a class: call it, sampler=TPESampler\(\)"),
        ({"sampler": 3}, TypeError, "sampler=3 is not a sampler of Luthier"),
        ({"sampler": MedianPruner()}, TypeError, "is not a sampler of Luthier"),
        ({"pruner": MedianPruner}, TypeError, r"pruner=MedianPruner is a class: call it, pruner=MedianPruner\(\)"),
        ({"pruner": "hyperband"}, ValueError, "pruner='hyperband' is unknown: choose one of 'median'"),
        ({"pruner": "percentile"}, ValueError, r"needs options: give PercentilePruner\(...\)"),
        ({"pruner": TPESampler()}, TypeError, "is not a pruner of Luthier"),
        ({"pruner": "median", "directions": ["minimize"] * 2}, ValueError, "one objective, and the study has 2"),
        ({"lease_seconds": 0}, ValueError, "lease_seconds=0"),
        ({"lease_seconds": "60"}, TypeError, "lease_seconds='60'"),
        ({"lease_seconds": math.nan}, ValueError, "lease_seconds=nan"),
    ],
    ids=range(35),
)
def test_wrong_options_of_a_study_are_refused_before_a_file_is_made(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        lt.create_study(storage=tmp_path / "s.db", **options)
    assert not (tmp_path / "s.db").exists()


@pytest.mark.parametrize("storage", [42, 1.5, ["s.db"], MemoryStore, {"path": "s.db"}, b"s.db"], ids=range(6))
def test_a_storage_of_the_wrong_kind_is_refused(storage):
    for use in (lt.create_study, lt.load_study):
        with pytest.raises(StorageError, match="is not a storage: pass a path, a URL, a Store, or None for memory"):
            use(storage=storage)


def test_the_address_of_a_service_is_not_a_storage():
    with pytest.raises(StorageError, match=r"the address of a service: use luthier.connect\('http://127.0.0.1:8000'\)"):
        lt.create_study(storage="http://127.0.0.1:8000")


@pytest.mark.parametrize(
    ("given", "directions"),
    [
        ({"direction": OptunasDirection.MAXIMIZE}, ("maximize",)),
        ({"directions": [OptunasDirection.MINIMIZE, "maximize"]}, ("minimize", "maximize")),
        ({"directions": ("maximize",)}, ("maximize",)),
        ({"directions": np.array(["minimize", "maximize"])}, ("minimize", "maximize")),
        ({}, ("minimize",)),
    ],
    ids=range(5),
)
def test_directions_count_by_their_name(given, directions, tmp_path):
    study = lt.create_study(storage=tmp_path / "s.db", **given)
    assert study.directions == lt.load_study(storage=tmp_path / "s.db").directions == directions


def test_names_stand_for_samplers_and_pruners():
    assert isinstance(lt.create_study().sampler, AutoSampler)
    assert isinstance(lt.create_study(sampler="tpe", pruner="median").sampler, TPESampler)
    assert isinstance(lt.create_study(pruner="halving").pruner, SuccessiveHalvingPruner)
    assert lt.create_study(pruner="none", directions=["minimize"] * 2).pruner is None
    sampler = GPSampler()
    assert lt.create_study(sampler=sampler).sampler is sampler


def test_another_seed_is_not_ignored(tmp_path):
    def create(**options):
        return lt.create_study(storage=tmp_path / "s.db", study_name="s", load_if_exists=True, **options)

    assert create(seed=3).seed == create().seed == create(seed=np.int64(3)).seed == 3
    with pytest.raises(StudyExists, match="was made with seed=3, not 4: leave seed out to go on with it"):
        create(seed=4)
    assert isinstance(create(sampler="tpe").sampler, TPESampler) and isinstance(create().sampler, AutoSampler)


def test_a_pruner_of_two_objectives_is_refused_when_a_study_is_loaded(tmp_path):
    lt.create_study(storage=tmp_path / "s.db", study_name="s", directions=["minimize", "maximize"])
    with pytest.raises(ValueError, match="a pruner needs one objective, and the study has 2"):
        lt.load_study("s", storage=tmp_path / "s.db", pruner="median")
    with pytest.raises(ValueError, match="a pruner needs one objective, and the study has 2"):
        lt.create_study(study_name="s", storage=tmp_path / "s.db", pruner=MedianPruner(), load_if_exists=True)
    assert lt.load_study("s", storage=tmp_path / "s.db").directions == ("minimize", "maximize")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"study_name": 3}, TypeError, "study_name=3"),
        ({"sampler": TPESampler}, TypeError, "call it"),
        ({"sampler": "tpee"}, ValueError, "unknown"),
        ({"pruner": MedianPruner}, TypeError, "call it"),
        ({"space": [1]}, TypeError, "is not a space"),
        ({"lease_seconds": -1}, ValueError, "lease_seconds=-1"),
    ],
    ids=range(6),
)
def test_wrong_options_of_load_study(tmp_path, options, error, message):
    lt.create_study(storage=tmp_path / "s.db", study_name="s")
    with pytest.raises(error, match=message):
        lt.load_study(storage=tmp_path / "s.db", **options)


def test_a_sampler_object_of_ones_own_passes():
    class Mine(RandomSampler):
        pass

    study = lt.create_study(sampler=Mine())
    study.optimize(objective, n_trials=1)
    assert isinstance(study.sampler, Mine)
