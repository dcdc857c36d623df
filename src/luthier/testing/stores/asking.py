"""ask, enqueue, changes: numbers, the queue, client ids (promises 2, 10 and 11)."""

from __future__ import annotations

import pytest

from ...errors import StaleProposal
from ...stores import Proposal, Store
from .tools import DONE, HOUR, RUNNING, WAITING, in_threads, new_study, trials


class _Asking:
    """ask, enqueue, changes: numbers, the queue, client ids (promises 2, 10 and 11)."""

    def test_numbers_have_no_gaps(self, store: Store) -> None:
        name = new_study(store)
        numbers = [store.ask(name, "me", "1").number, store.enqueue(name, {}, {}, "2").number]
        numbers.append(store.enqueue(name, {}, {}, "3").number)
        store.ask(name, "me", "4")
        numbers.append(store.enqueue(name, {}, {}, "5").number)
        assert numbers == [0, 1, 2, 3]
        assert [trial.number for trial in trials(store, name)] == [0, 1, 2, 3]

    def test_asked_trial_runs_and_is_owned(self, store: Store) -> None:
        name, before = new_study(store), store.now()
        trial = store.ask(name, "me", "1", HOUR)
        assert (trial.state, trial.owner, trial.params, trial.retries) == (RUNNING, "me", {}, 0)
        assert trial.token
        assert trial.started is not None
        assert before <= trial.created <= trial.started <= store.now()
        assert trials(store, name) == [trial]

    def test_tokens_are_unique(self, store: Store) -> None:
        name = new_study(store)
        assert len({store.ask(name, "me", str(i)).token for i in range(20)}) == 20

    def test_proposal_holds_for_its_number_alone(self, store: Store) -> None:
        name = new_study(store)
        assert store.ask(name, "me", "1", proposal=Proposal(0, {"x": 0.5})).params == {"x": 0.5}
        assert store.ask(name, "me", "2", proposal=Proposal(0, {"x": 0.5})).params == {}
        store.enqueue(name, {"x": 0.25}, {}, "3")
        assert store.ask(name, "me", "4", proposal=Proposal(2, {"x": 0.5})).params == {"x": 0.25}

    def test_proposal_without_a_number_leaves_the_queue_alone(self, store: Store) -> None:
        name = new_study(store)
        store.enqueue(name, {"x": 0.25}, {}, "1")
        new = store.ask(name, "me", "2", proposal=Proposal(None, {"x": 0.5}))
        assert (new.number, new.state, new.params) == (1, RUNNING, {"x": 0.5})
        assert store.ask(name, "me", "3").params == {"x": 0.25}

    def test_proposal_for_its_number_only_starts_nothing_else(self, store: Store) -> None:
        name = new_study(store)
        only = Proposal(0, {"x": 0.5}, only=True)
        first = store.ask(name, "me", "1", proposal=only)
        assert first.params == {"x": 0.5}
        assert store.ask(name, "me", "1", proposal=only) == first, "the same call gets the same trial again"
        with pytest.raises(StaleProposal, match="the next trial is 1"):
            store.ask(name, "me", "2", proposal=only)
        with pytest.raises(StaleProposal):
            store.tell_and_ask(name, 0, first.token, DONE, "me", "2", None, only)
        assert trials(store, name) == [first], "neither told nor asked"
        store.enqueue(name, {"x": 0.25}, {}, "3")
        assert store.ask(name, "me", "2", proposal=Proposal(9, {}, only=True)).params == {"x": 0.25}

    def test_queue_goes_by_number(self, store: Store) -> None:
        name = new_study(store)
        for i in range(3):
            queued = store.enqueue(name, {"x": i}, {"i": i}, f"q{i}")
            assert (queued.state, queued.params, queued.attrs) == (WAITING, {"x": i}, {"i": i})
            assert (queued.token, queued.owner, queued.started) == ("", "", None)
        first = store.ask(name, "me", "1")
        second = store.ask(name, "me", "2")
        assert store.requeue(name, first.number, first.token)
        taken = [first, second, *(store.ask(name, "me", str(i)) for i in range(3, 6))]
        assert [trial.number for trial in taken] == [0, 1, 0, 2, 3]
        assert [trial.params for trial in taken] == [{"x": 0}, {"x": 1}, {"x": 0}, {"x": 2}, {}]
        assert taken[3].attrs == {"i": 2}

    def test_same_client_gets_the_same_trial(self, store: Store) -> None:
        name = new_study(store)
        queued = store.enqueue(name, {"x": 1}, {}, "q")
        assert store.enqueue(name, {"x": 2}, {}, "q") == queued
        first = store.ask(name, "me", "a")
        assert store.ask(name, "me", "a") == first
        second = store.ask(name, "me", "b")
        assert store.ask(name, "me", "b", proposal=Proposal(2, {"x": 1})) == second
        assert len(trials(store, name)) == 2
        other = new_study(store, "other")
        assert store.ask(other, "me", "a").number == 0

    def test_client_whose_trial_was_taken_away_gets_another(self, store: Store) -> None:
        name = new_study(store)
        first = store.ask(name, "me", "a")
        store.requeue(name, first.number, first.token)
        again = store.ask(name, "you", "b")
        other = store.ask(name, "me", "a")
        assert (again.number, other.number) == (0, 1)
        store.fail(name, 1, other.token, "died")
        assert store.ask(name, "me", "a").number == 2

    def test_no_queued_trial_is_taken_twice(self, store: Store) -> None:
        name = new_study(store)
        for i in range(12):
            store.enqueue(name, {"x": i}, {}, str(i))
        taken = in_threads(4, lambda k: [store.ask(name, str(k), f"{k}-{i}") for i in range(6)])
        numbers = sorted(trial.number for some in taken for trial in some)
        assert numbers == list(range(24))

    def test_changes_are_what_changed(self, store: Store) -> None:
        name = new_study(store)
        revision, found = store.changes(name, 0)
        assert found == []
        asked = [store.ask(name, "me", str(i), HOUR) for i in range(4)]
        first, found = store.changes(name, revision)
        assert found == asked
        assert first > revision
        assert store.changes(name, first) == (first, [])
        store.tell(name, 3, asked[3].token, DONE)
        store.write(name, 1, asked[1].token, reports=[(1, 0.5)])
        store.write(name, 1, asked[1].token, attrs={"a": 1})
        second, found = store.changes(name, first)
        assert [trial.number for trial in found] == [1, 3]
        assert found == [trials(store, name)[1], trials(store, name)[3]]
        store.requeue(name, 0, asked[0].token)
        store.fail(name, 2, asked[2].token, "died")
        store.set_trial_attrs(name, 3, {"a": 1})
        assert [trial.number for trial in store.changes(name, second)[1]] == [0, 2, 3]

    def test_change_of_the_study_counts_as_one(self, store: Store) -> None:
        name = new_study(store)
        store.ask(name, "me", "1")
        revision, _ = store.changes(name, 0)
        store.set_study_attrs(name, {"a": 1})
        second, found = store.changes(name, revision)
        assert second > revision
        assert found == []
        store.add_parameters(name, {"x": {}})
        assert store.changes(name, second)[0] > second

    def test_what_changes_nothing_is_no_change(self, store: Store) -> None:
        name = new_study(store)
        trial = store.ask(name, "me", "1", HOUR)
        store.write(name, 0, trial.token, reports=[(1, 1.0)])
        done = store.ask(name, "me", "2")
        store.tell(name, 1, done.token, DONE)
        revision, _ = store.changes(name, 0)
        store.ask(name, "me", "1")
        store.write(name, 0, trial.token, lease=HOUR)
        store.write(name, 0, trial.token, reports=[(1, 2.0)])
        store.tell(name, 1, done.token, DONE)
        assert not store.requeue(name, 1, done.token)
        assert store.changes(name, revision) == (revision, [])
