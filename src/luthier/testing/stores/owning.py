"""Leases, fencing tokens, dead owners (promises 3, 5 and 6)."""

from __future__ import annotations

from collections import Counter

import pytest

from ...errors import ConflictingTell, LeaseLost
from ...stores import Proposal, Result, Store
from .tools import COMPLETE, DONE, FAIL, HOUR, WAITING, in_threads, new_study, trials


class _Owning:
    """Leases, fencing tokens, dead owners (promises 3, 5 and 6)."""

    def test_anyone_may_finish_a_trial_without_a_token(self, store: Store) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1").token
        store.tell(name, 0, None, DONE)
        store.tell(name, 0, token, DONE)
        with pytest.raises(ConflictingTell):
            store.tell(name, 0, token, Result(FAIL))

    def test_leases_run_out_by_the_clock_of_the_store(self, store: Store) -> None:
        name = new_study(store)
        asked = [store.ask(name, "me", str(i), lease) for i, lease in enumerate((None, HOUR, 0.0, 0.0, -1.0))]
        assert store.expired(name) == asked[2:]
        store.write(name, 3, asked[3].token, lease=HOUR)
        store.tell(name, 4, asked[4].token, DONE)
        assert store.expired(name) == [asked[2]]
        store.write(name, 0, asked[0].token, lease=0.0)
        store.requeue(name, 2, asked[2].token)
        assert [trial.number for trial in store.expired(name)] == [0]
        taken = store.ask(name, "you", "5")
        assert taken.number == 2
        assert [trial.number for trial in store.expired(name)] == [0]
        assert store.fail(name, 0, asked[0].token, "died")
        assert store.expired(name) == []

    def test_late_owner_keeps_its_trial_until_it_is_taken_away(self, store: Store) -> None:
        name = new_study(store)
        trial = store.ask(name, "me", "1", 0.0)
        assert store.expired(name) == [trial]
        store.write(name, 0, trial.token, reports=[(1, 1.0)])
        assert store.tell(name, 0, trial.token, DONE).state is COMPLETE

    def test_requeued_trial_waits_with_its_parameters_and_no_reports(self, store: Store) -> None:
        name = new_study(store)
        asked = store.ask(name, "me", "1", 0.0, Proposal(0, {"x": 1}))
        store.write(name, 0, asked.token, reports=[(1, 1.0)], attrs={"a": 1})
        assert store.requeue(name, 0, asked.token)
        trial = trials(store, name)[0]
        assert (trial.state, trial.params, trial.reports, trial.retries) == (WAITING, {"x": 1}, (), 1)
        assert (trial.attrs, trial.owner, trial.started) == ({"a": 1}, "", None)
        again = store.ask(name, "you", "2")
        assert (again.number, again.params, again.retries, again.owner) == (0, {"x": 1}, 1, "you")
        assert again.token != asked.token

    def test_owner_that_lost_its_trial_hears_so(self, store: Store) -> None:
        name = new_study(store)
        old = store.ask(name, "me", "1", 0.0).token

        def is_lost() -> None:
            before = trials(store, name)
            for call in (
                lambda: store.write(name, 0, old, reports=[(1, 1.0)], lease=HOUR),
                lambda: store.tell(name, 0, old, DONE),
                lambda: store.tell(name, 0, old, Result(FAIL)),
            ):
                with pytest.raises(LeaseLost, match="trial 0 was taken"):
                    call()
            assert not store.requeue(name, 0, old)
            assert not store.fail(name, 0, old, "died")
            assert trials(store, name) == before

        store.requeue(name, 0, old)
        is_lost()
        new = store.ask(name, "you", "2", HOUR).token
        is_lost()
        store.tell(name, 0, new, DONE)
        is_lost()

    def test_owner_whose_trial_was_failed_hears_so(self, store: Store) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1", 0.0).token
        assert store.fail(name, 0, token, "its worker died")
        trial = trials(store, name)[0]
        assert (trial.state, trial.error, trial.values) == (FAIL, "its worker died", None)
        assert trial.finished is not None
        with pytest.raises(LeaseLost):
            store.tell(name, 0, token, DONE)
        with pytest.raises(LeaseLost):
            store.write(name, 0, token, reports=[(1, 1.0)])

    def test_wrong_token_changes_nothing(self, store: Store) -> None:
        name = new_study(store)
        trial = store.ask(name, "me", "1")
        with pytest.raises(LeaseLost):
            store.tell(name, 0, "wrong", DONE)
        assert not store.requeue(name, 0, "wrong")
        assert not store.fail(name, 0, "wrong", "")
        assert trials(store, name) == [trial]

    def test_one_of_many_takes_a_dead_owners_trial(self, store: Store) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1", 0.0).token
        won = in_threads(4, lambda i: store.requeue(name, 0, token) if i % 2 else store.fail(name, 0, token, "died"))
        assert sum(won) == 1

    def test_one_of_many_results_wins(self, store: Store) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1").token

        def tell(i: int) -> bool:
            try:
                store.tell(name, 0, token, Result(COMPLETE, (float(i),)))
            except ConflictingTell:
                return False
            return True

        won = in_threads(4, tell)
        assert sum(won) == 1
        assert trials(store, name)[0].values == (float(won.index(True)),)

    def test_threads_lose_nothing(self, store: Store) -> None:
        name = new_study(store)

        def work(k: int) -> list[int]:
            numbers = []
            for i in range(5):
                trial = store.ask(name, str(k), f"{k}-{i}", HOUR)
                store.write(name, trial.number, trial.token, reports=[(1, float(k))])
                store.tell(name, trial.number, trial.token, Result(COMPLETE, (float(k),)))
                numbers.append(trial.number)
            return numbers

        mine = in_threads(4, work)
        found = trials(store, name)
        assert (
            sorted(number for numbers in mine for number in numbers)
            == list(range(20))
            == [trial.number for trial in found]
        )
        assert Counter(trial.values for trial in found) == {(float(k),): 5 for k in range(4)}
        assert all(found[number].owner == str(k) for k, numbers in enumerate(mine) for number in numbers)
