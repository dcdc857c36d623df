"""Trials whose owner is gone are queued again by whatever starts or counts trials: no caller has to remember it."""

import os

import pytest

import luthier as lt
from luthier.engine.engine import Engine
from luthier.engine.owner import owner_id
from luthier.errors import LeaseLost
from luthier.samplers import RandomSampler
from luthier.stores import StudyRecord, open_store
from luthier.trial import TrialState

COMPLETE, FAIL, RUNNING = TrialState.COMPLETE, TrialState.FAIL, TrialState.RUNNING
AWAY = "another-machine/7/1"


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path / "s.db")
    store.create_study(StudyRecord("s", ("minimize",), seed=0))
    yield store
    store.close()


def engine_of(store, sampler=None, **more):
    sampler = RandomSampler() if sampler is None else sampler
    return Engine(store, store.study("s"), sampler, None, lt.Space({"x": lt.Float(0, 1)}), **more)


def states(engine):
    engine.sync()
    return [record.state for record in engine.history.records]


def result_of(engine, number):
    return engine.result_of(number, 1.0)


def test_a_question_takes_what_another_machine_abandoned(store):
    left = store.ask("s", AWAY, "call", lease=0.0)
    engine = engine_of(store)
    trial = engine.ask()
    assert (trial.number, engine.record(0).retries, trial.token != left.token) == (0, 1, True)
    engine.close()


def test_so_does_the_question_that_comes_with_a_result(store):
    trial = store.ask("s", owner_id(), "mine", lease=3600)
    store.ask("s", AWAY, "call", lease=0.0)
    engine = engine_of(store)  # which looks at the leases at its first question
    told, new = engine.tell_and_ask(trial.number, trial.token, result_of(engine, trial.number))
    assert (told.state, new.number, engine.record(1).retries) == (COMPLETE, 1, 1)
    engine.close()


@pytest.mark.parametrize("max_retries", [0, 1])
def test_after_so_many_times_it_fails_and_a_new_one_is_started(store, max_retries):
    for i in range(max_retries + 1):
        left = store.ask("s", AWAY, f"call-{i}", lease=0.0)
        if i < max_retries:
            assert store.requeue("s", 0, left.token)
    engine = engine_of(store)
    assert engine.ask(max_retries=max_retries).number == 1
    assert states(engine) == [FAIL, RUNNING] and AWAY in engine.record(0).error
    engine.close()


def test_a_question_that_lost_its_lease_is_asked_again_with_the_same_limit(store, monkeypatch):
    store.enqueue("s", {}, {}, "queued")  # it gets its parameters after it was started

    class BySampling:
        def suggest(self, space, history, rng, n):  # not by_number: what it says is stored at once
            return space.decode(space.sample(rng, n))

    engine = engine_of(store, sampler=BySampling())
    write, limits = store.write, []
    requeue_expired = engine._recovery.requeue_expired

    def lost_once(*args, **kwargs):
        monkeypatch.setattr(store, "write", write)
        raise LeaseLost("the suggestion took too long")

    def counted(max_retries):
        limits.append(max_retries)
        requeue_expired(max_retries)

    monkeypatch.setattr(store, "write", lost_once)
    monkeypatch.setattr(engine._recovery, "requeue_expired", counted)
    assert engine.ask(max_retries=0).number == 1
    assert limits == [0, 0]
    engine.close()


def test_a_run_that_counts_all_trials_does_not_end_before_the_abandoned_ones(tmp_path):
    study = lt.create_study(study_name="s", storage=tmp_path / "s.db", sampler=RandomSampler(), seed=0)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    study.storage.ask("s", AWAY, "call", lease=0.0)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), total_trials=3)
    assert [(t.state, t.retries) for t in study.trials] == [(COMPLETE, 0), (COMPLETE, 0), (COMPLETE, 1)]
    study.close()


def test_a_late_trial_of_this_process_is_not_taken_from_it(store):
    engine = engine_of(store, lease=60.0)
    mine = engine.ask()
    store.write("s", mine.number, mine.token, lease=0.0)
    assert [record.number for record in store.expired("s")] == [0]
    assert engine.ask().number == 1
    assert engine.tell(0, mine.token, result_of(engine, 0)).retries == 0
    engine.close()


def test_an_owner_that_is_given_owns_the_trials(store):
    engine, own = engine_of(store, owner="a client of the service"), engine_of(store)
    engine.ask()
    own.ask()
    assert [record.owner for record in store.changes("s", 0)[1]] == ["a client of the service", owner_id()]
    for one in (engine, own):
        one.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_is_another_owner_unless_one_was_given(store):
    engines = [engine_of(store, owner="a client of the service"), engine_of(store)]
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for engine in engines:
                engine.ask()
            os.write(write, owner_id().encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    there = os.read(read, 1000).decode()
    assert there != owner_id()
    assert [record.owner for record in store.changes("s", 0)[1]] == ["a client of the service", there]
    for engine in engines:
        engine.close()
