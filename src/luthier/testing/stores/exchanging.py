"""tell_and_ask: what both of them promise, in one call."""

from __future__ import annotations

import pytest

from ...errors import ConflictingTell, LeaseLost, ObjectiveError, TrialNotFound, TrialNotRunning
from ...stores import Proposal, Result, Store
from .tools import COMPLETE, DONE, FAIL, HOUR, RUNNING, in_threads, new_study, trials


class _Exchanging:
    """tell_and_ask: what both of them promise, in one call."""

    def test_one_ends_and_the_next_starts(self, store: Store) -> None:
        name, before = new_study(store), store.now()
        first = store.ask(name, "me", "1", HOUR, Proposal(0, {"x": 0.5}))
        revision, _ = store.changes(name, 0)
        told, asked = store.tell_and_ask(
            name,
            0,
            first.token,
            DONE,
            "me",
            "2",
            HOUR,
            Proposal(1, {"x": 0.25}),
            params={"x": 0.75},
            reports=[(1, 2.0)],
        )
        assert (told.number, told.state, told.values, told.params) == (0, COMPLETE, (1.0,), {"x": 0.75})
        assert (told.reports, told.token) == (((1, 2.0),), first.token)
        assert (asked.number, asked.state, asked.params, asked.owner) == (1, RUNNING, {"x": 0.25}, "me")
        assert asked.started is not None and told.finished is not None
        assert before <= told.finished <= asked.started <= store.now()
        assert trials(store, name) == [told, asked]
        assert store.changes(name, revision)[1] == [told, asked]

    def test_the_queue_comes_first(self, store: Store) -> None:
        name = new_study(store)
        first = store.ask(name, "me", "1")
        store.enqueue(name, {"x": 1}, {"a": 1}, "q")
        _, asked = store.tell_and_ask(name, 0, first.token, DONE, "me", "2", proposal=Proposal(1, {"x": 2}))
        assert (asked.number, asked.params, asked.attrs, asked.state) == (1, {"x": 1}, {"a": 1}, RUNNING)

    def test_the_same_call_again_gets_the_same(self, store: Store) -> None:
        name = new_study(store)
        first = store.ask(name, "me", "1")
        pair = store.tell_and_ask(name, 0, first.token, DONE, "me", "2", HOUR)
        assert store.tell_and_ask(name, 0, first.token, DONE, "me", "2", HOUR) == pair
        assert store.ask(name, "me", "2") == pair[1]
        assert store.tell(name, 0, first.token, DONE) == pair[0]
        assert trials(store, name) == list(pair)

    def test_what_is_left_of_a_call_is_done(self, store: Store) -> None:
        name = new_study(store)
        first = store.ask(name, "me", "1")
        told = store.tell(name, 0, first.token, DONE)
        assert store.tell_and_ask(name, 0, first.token, DONE, "me", "2")[0] == told
        assert [trial.state for trial in trials(store, name)] == [COMPLETE, RUNNING]

    def test_the_lease_of_the_next_is_that_of_the_call(self, store: Store) -> None:
        name = new_study(store)
        first = store.ask(name, "me", "1", 0.0)
        _, asked = store.tell_and_ask(name, 0, first.token, DONE, "me", "2", HOUR)
        assert store.expired(name) == []
        _, last = store.tell_and_ask(name, 1, asked.token, DONE, "me", "3", 0.0)
        assert store.expired(name) == [last]

    def test_what_cannot_be_told_asks_for_nothing(self, store: Store) -> None:
        name = new_study(store)
        first = store.ask(name, "me", "1")
        with pytest.raises(TrialNotFound):
            store.tell_and_ask(name, 1, first.token, DONE, "me", "2")
        with pytest.raises(ObjectiveError):
            store.tell_and_ask(name, 0, first.token, Result(COMPLETE, (1.0, 2.0)), "me", "2")
        store.tell(name, 0, first.token, DONE)
        with pytest.raises(ConflictingTell):
            store.tell_and_ask(name, 0, first.token, Result(FAIL), "me", "2")
        second = store.ask(name, "me", "3", 0.0)
        store.requeue(name, 1, second.token)
        before = store.changes(name, 0)
        with pytest.raises(LeaseLost):
            store.tell_and_ask(name, 1, second.token, DONE, "me", "2")
        store.enqueue(name, {}, {}, "q")
        with pytest.raises(TrialNotRunning):
            store.tell_and_ask(name, 2, "", DONE, "me", "2")
        assert trials(store, name)[:2] == before[1]
        assert len(trials(store, name)) == 3

    def test_many_at_once_take_no_number_twice(self, store: Store) -> None:
        name = new_study(store)

        def work(k: int) -> list[int]:
            trial = store.ask(name, str(k), f"{k}")
            numbers = [trial.number]
            for i in range(5):
                _, trial = store.tell_and_ask(name, trial.number, trial.token, DONE, str(k), f"{k}-{i}")
                numbers.append(trial.number)
            return numbers

        assert sorted(number for numbers in in_threads(4, work) for number in numbers) == list(range(24))
        assert [trial.state for trial in trials(store, name)].count(RUNNING) == 4
