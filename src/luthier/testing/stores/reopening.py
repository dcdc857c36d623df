"""Several handles on the same studies (promise 1, and all others again)."""

from __future__ import annotations

import pytest

from ...errors import ConflictingTell, StudyExists
from ...stores import Result, Store
from .tools import DONE, FAIL, HOUR, RUNNING, WAITING, in_threads, new_study, trials


class _Keeping:
    """What was told outlasts the store's object (promise 1), for one process at a time."""

    def reopen(self, store: Store) -> Store:
        """The same studies once more, after the store was closed."""
        raise NotImplementedError("define how your store is opened once more")

    def test_finished_trials_are_there_after_reopening(self, store: Store) -> None:
        name = new_study(store)
        told = [store.tell(name, i, store.ask(name, "me", str(i)).token, DONE) for i in range(3)]
        store.ask(name, "me", "3")
        store.set_study_attrs(name, {"kept": [1, "two"]})
        study = store.study(name)
        store.close()
        again = self.reopen(store)
        try:
            assert again.study(name) == study
            *finished, running = trials(again, name)
            assert finished == told
            assert running.state in (RUNNING, WAITING)
            with pytest.raises(StudyExists):
                again.create_study(study)
            if running.state is WAITING:
                running = again.ask(name, "me again", "4")
            assert again.tell(name, 3, running.token, DONE).number == 3
        finally:
            again.close()

    def test_a_deleted_study_is_not_there_after_reopening(self, store: Store) -> None:
        name, other = new_study(store, "gone"), new_study(store, "stays")
        store.delete_study(name)
        store.close()
        again = self.reopen(store)
        try:
            assert [study.name for study in again.studies()] == [other]
        finally:
            again.close()


class _Reopening:
    """Several handles on the same studies (promise 1, and all others again)."""

    def reopen(self, store: Store) -> Store:
        """Another handle on the same studies, as another process would have it."""
        raise NotImplementedError("define how your store is opened once more")

    def test_store_that_is_opened_twice_says_that_it_is_shared(self, store: Store) -> None:
        assert store.shared

    def test_what_was_told_is_there_after_reopening(self, store: Store) -> None:
        name = new_study(store)
        told = [store.tell(name, i, store.ask(name, "me", str(i)).token, DONE) for i in range(3)]
        told_too, running = store.tell_and_ask(name, 3, store.ask(name, "me", "2b").token, DONE, "me", "3", HOUR)
        told.append(told_too)
        study, changes = store.study(name), store.changes(name, 0)
        store.close()
        again = self.reopen(store)
        try:
            assert again.study(name) == study
            assert again.changes(name, 0) == changes
            assert trials(again, name) == [*told, running]
            assert again.ask(name, "me", "3") == running
            again.tell(name, 4, running.token, DONE)
        finally:
            again.close()

    def test_two_handles_see_each_other(self, store: Store) -> None:
        name = new_study(store)
        other = self.reopen(store)
        try:
            revision, _ = other.changes(name, 0)
            trial = store.ask(name, "me", "1")
            assert other.changes(name, revision)[1] == [trial]
            other.tell(name, 0, trial.token, DONE)
            with pytest.raises(ConflictingTell):
                store.tell(name, 0, trial.token, Result(FAIL))
        finally:
            other.close()

    def test_handles_never_take_the_same_trial(self, store: Store) -> None:
        name = new_study(store)
        for i in range(8):
            store.enqueue(name, {"x": i}, {}, str(i))
        others = [self.reopen(store) for _ in range(3)]
        try:
            taken = in_threads(3, lambda k: [others[k].ask(name, str(k), f"{k}-{i}").number for i in range(4)])
            assert sorted(number for numbers in taken for number in numbers) == list(range(12))
        finally:
            for other in others:
                other.close()
