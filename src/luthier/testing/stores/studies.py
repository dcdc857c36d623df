"""Studies: made, found, changed, removed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from ...errors import LeaseLost, StudyExists, StudyNotFound, TrialNotFound
from ...stores import Store, StudyRecord
from .tools import DONE, new_study, trials


class _Studies:
    """Studies: made, found, changed, removed."""

    def test_is_a_store(self, store: Store) -> None:
        assert isinstance(store, Store)

    def test_study_comes_back_as_it_was_made(self, store: Store) -> None:
        domains: dict[str, dict[str, Any]] = {
            "z": {"type": "float", "low": 0.5},
            "a": {"type": "choice", "choices": [None, True, 1, "x"]},
        }
        study = StudyRecord("s", ("minimize", "maximize"), 2**80, {"format": 1}, domains, {"who": ["me", {"x": 1.5}]})
        before = store.now()
        store.create_study(study)
        found = store.study("s")
        assert (found.name, found.directions, found.seed, found.space) == ("s", study.directions, 2**80, {"format": 1})
        assert list(found.parameters.items()) == list(domains.items())
        assert found.attrs == study.attrs
        assert before <= found.created <= store.now()

    def test_studies_come_oldest_first(self, store: Store) -> None:
        for name in ("b", "c", "a"):
            new_study(store, name)
        assert [study.name for study in store.studies()] == ["b", "c", "a"]

    def test_name_is_unique_and_may_be_anything(self, store: Store) -> None:
        names = ["it's; DROP TABLE", "größe 大", "a/b", "A", "a"]
        for name in names:
            new_study(store, name)
        with pytest.raises(StudyExists, match="it's"):
            new_study(store, names[0])
        assert [study.name for study in store.studies()] == names

    def test_deleted_study_is_gone_with_its_trials(self, store: Store) -> None:
        name, other = new_study(store), new_study(store, "other")
        store.add_parameters(name, {"x": {"low": 0}})
        store.ask(name, "me", "1")
        store.ask(other, "me", "1")
        store.delete_study(name)
        assert [study.name for study in store.studies()] == [other]
        new_study(store, name)
        assert trials(store, name) == []
        assert store.study(name).parameters == {}
        assert len(trials(store, other)) == 1

    def test_reader_of_a_deleted_study_does_not_take_its_namesake_for_it(self, store: Store) -> None:
        name = new_study(store)
        for i in range(3):
            store.ask(name, "me", str(i))
        study = store.study(name)
        revision, records = store.changes(name, 0)
        for again in range(4):  # with fewer changes, as many, and more
            store.delete_study(name)
            if again % 2:
                store.load(study, records)  # as one that is put back from a copy
            else:
                new_study(store, name)
            for i in range(3 * again):
                store.ask(name, "me", str(i))
            with pytest.raises(StudyNotFound, match="deleted, and another with that name was created"):
                store.changes(name, revision)
            revision, found = store.changes(name, 0)
            assert len(found) == len(trials(store, name)) > again - 1
            assert store.changes(name, revision) == (revision, [])

    def test_owner_in_a_deleted_study_has_no_hold_on_its_namesake(self, store: Store) -> None:
        name, other = new_study(store), new_study(store, "other")
        old = store.ask(name, "me", "1").token
        store.delete_study(name)
        new_study(store, name)
        with pytest.raises(TrialNotFound, match="no trial 0"):
            store.tell(name, 0, old, DONE)
        foreign = store.ask(other, "me", "1").token
        trial = store.ask(name, "you", "1")
        for token in (old, foreign):
            with pytest.raises(LeaseLost):
                store.tell(name, 0, token, DONE)
            with pytest.raises(LeaseLost):
                store.write(name, 0, token, reports=[(1, 1.0)])
            assert not store.requeue(name, 0, token)
        assert trials(store, name) == [trial]

    def test_every_call_names_a_missing_study(self, store: Store) -> None:
        calls: list[Callable[[], Any]] = [
            lambda: store.study("no"),
            lambda: store.delete_study("no"),
            lambda: store.set_study_attrs("no", {}),
            lambda: store.add_parameters("no", {}),
            lambda: store.changes("no", 0),
            lambda: store.enqueue("no", {}, {}, "1"),
            lambda: store.ask("no", "me", "1"),
            lambda: store.write("no", 0, "t"),
            lambda: store.tell("no", 0, "t", DONE),
            lambda: store.set_trial_attrs("no", 0, {}),
            lambda: store.expired("no"),
            lambda: store.requeue("no", 0, "t"),
            lambda: store.fail("no", 0, "t", ""),
        ]
        for call in calls:
            with pytest.raises(StudyNotFound, match="no study 'no'"):
                call()

    def test_attributes_and_parameters_are_merged(self, store: Store) -> None:
        name = new_study(store)
        store.set_study_attrs(name, {"a": 1, "b": 2})
        store.set_study_attrs(name, {"b": [math.inf], "c": None})
        assert store.study(name).attrs == {"a": 1, "b": [math.inf], "c": None}
        store.add_parameters(name, {"x": {"low": 0}, "y": {"low": 1}})
        store.add_parameters(name, {"z": {"low": 2}, "x": {"low": -1}})
        assert list(store.study(name).parameters.items()) == [
            ("x", {"low": -1}),
            ("y", {"low": 1}),
            ("z", {"low": 2}),
        ]
