"""The checks find what they are for: each broken promise is planted in a store and named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checks import check
from ledger import value_of
from worker import SPACE, STUDY

import luthier as lt
from luthier.samplers import RandomSampler
from luthier.stores import Result, Store, open_store
from luthier.trial import TrialState

Fact = dict[str, Any]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "study.journal")
    lt.create_study(storage=store, study_name=STUDY, space=SPACE, sampler=RandomSampler(), seed=1)
    yield store
    store.close()


def told(store: Store, *, wrong: float = 0.0) -> list[Fact]:
    trial = store.ask(STUDY, "me", "a call", 0.0)
    value = value_of(trial.token) + wrong
    store.tell(STUDY, trial.number, trial.token, Result(TrialState.COMPLETE, (value,)))
    return [
        {"fact": "asked", "number": trial.number, "token": trial.token, "retries": 0},
        {"fact": "told", "number": trial.number, "token": trial.token, "value": value},
    ]


def figures(store: Store, facts: list[Fact]) -> dict[str, Any]:
    return check(store, facts, 0.1, 0.0)


def test_store_that_kept_its_word_has_no_violations(store: Store) -> None:
    facts = told(store)
    queued = store.enqueue(STUDY, {"x": 0.5}, {"client": "c"}, "c")
    store.ask(STUDY, "dead", "1", 0.0)
    store.ask(STUDY, "dead", "2", 0.0)
    facts.append({"fact": "enqueued", "number": queued.number, "client": "c"})
    found = figures(store, facts)
    assert found["violations"] == []
    assert (found["trials"], found["acknowledged"], found["requeued"]) == (3, 2, 2)


@pytest.mark.parametrize("change", [{"number": 7}, {"value": 2.0}, {"token": "00000000000f"}])
def test_result_that_is_not_there_is_lost(store: Store, change: Fact) -> None:
    asked, said = told(store)
    assert figures(store, [asked, {**said, **change}])["lost"] == 1


def test_queued_trial_that_is_not_there_is_lost(store: Store) -> None:
    assert figures(store, [{"fact": "enqueued", "number": 0, "client": "c"}])["lost"] == 1


def test_attempt_of_two_owners_is_found(store: Store) -> None:
    asked, said = told(store)
    assert figures(store, [asked, said, {**asked, "token": "another"}])["twice"] == 1
    assert figures(store, [asked, said, {**asked, "token": "another", "retries": 1}])["twice"] == 0


def test_trial_of_two_results_is_found(store: Store) -> None:
    asked, said = told(store)
    assert figures(store, [asked, said, {**said, "value": said["value"] + 1}])["twice"] == 1


def test_lost_report_is_found(store: Store) -> None:
    asked, said = told(store)
    wrote = {"fact": "wrote", "number": said["number"], "token": said["token"], "step": 3}
    assert figures(store, [asked, said, wrote])["lost"] == 1
    assert figures(store, [asked, said, {**wrote, "token": "of an owner who lost it"}])["lost"] == 0


def test_trial_that_was_not_taken_away_or_twice_is_found(store: Store) -> None:
    trial = store.ask(STUDY, "me", "1", 0.0)
    fact = {"fact": "requeued", "number": trial.number, "token": trial.token}
    store.requeue(STUDY, trial.number, trial.token)
    assert figures(store, [fact, fact])["twice"] == 1
    assert figures(store, [fact])["violations"] == []
    mine = store.ask(STUDY, "me", "2", 0.0)
    assert figures(store, [{"fact": "requeued", "number": mine.number, "token": mine.token}])["lost"] == 1


def test_next_trial_that_waits_for_long_is_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checks.SLACK", -1.0)
    assert "the next trial started after" in figures(store, [])["violations"][0]


def test_call_that_queued_two_trials_is_found(store: Store) -> None:
    for client in ("first", "second"):
        store.enqueue(STUDY, {"x": 0.5}, {"client": "c"}, client)
    assert figures(store, [])["twice"] == 1


def test_result_of_nobody_is_found(store: Store) -> None:
    (violation,) = figures(store, told(store, wrong=1.0))["violations"]
    assert "which nobody told" in violation


def test_trial_that_nobody_can_take_is_left_running(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checks.SLACK", 0.1)
    store.ask(STUDY, "another machine", "1")
    assert figures(store, [])["running"] == 1
