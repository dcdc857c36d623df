"""What every store promises, as tests (pytest and hypothesis must be installed).

To run them on a store of your own, subclass in a test file:

    import pytest
    from luthier.testing.store_machine import store_machine
    from luthier.testing.stores import StoreContract

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self):
            store = MyStore()
            yield store
            store.close()

    TestMyStoreAgainstModel = store_machine(MyStore).TestCase

A store that several processes share takes `SharedStoreContract` instead and says how to open it once more:

        def reopen(self, store):
            return MyStore(store.address)

Each test begins with an empty store. None sleeps, and none takes long.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from ..errors import (
    ConflictingTell,
    LeaseLost,
    LuthierError,
    ObjectiveError,
    StorageError,
    StudyExists,
    StudyNotFound,
    TrialNotFound,
    TrialNotRunning,
)
from ..stores import Proposal, Result, Store, StudyRecord
from ..trial import Configuration, TrialRecord, TrialState

T = TypeVar("T")

WAITING, RUNNING, COMPLETE, PRUNED, FAIL = TrialState
HOUR = 3600.0
DONE = Result(COMPLETE, (1.0,))


def new_study(store: Store, name: str = "study", directions: tuple[str, ...] = ("minimize",)) -> str:
    """Make a study and return its name."""
    store.create_study(StudyRecord(name, directions, seed=0))
    return name


def trials(store: Store, name: str) -> list[TrialRecord]:
    """All trials of a study."""
    return store.changes(name, 0)[1]


def in_threads(n: int, work: Callable[[int], T]) -> list[T]:
    """What `work(i)` returns in each of n threads that start together; the first error of any is raised."""
    results: dict[int, T] = {}
    errors: list[BaseException] = []
    start = threading.Barrier(n)

    def run(i: int) -> None:
        start.wait()
        try:
            results[i] = work(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [results[i] for i in range(n)]


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


class _Writing:
    """write and tell: what they keep and what they refuse (promises 1, 4 and 7)."""

    def test_written_fields_come_back(self, store: Store) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1").token
        params: Configuration = {"a": True, "b": 1, "c": 1.0, "d": "x", "e": None, "f": 1e-300, "g": 10**20}
        store.write(name, 0, token, params=params, attrs={"k": [1, "ü", None]}, note={"n": {"m": 1}})
        store.write(name, 0, token, attrs={"l": 2}, note={"n": 2})
        trial = trials(store, name)[0]
        assert trial.params == params
        assert [type(x) for x in trial.params.values()] == [type(x) for x in params.values()]
        assert (trial.attrs, trial.note, trial.state) == ({"k": [1, "ü", None], "l": 2}, {"n": 2}, RUNNING)
        store.write(name, 0, token, params={"a": 2})
        assert trials(store, name)[0].params == {"a": 2}

    def test_reports_are_in_order_each_step_once(self, store: Store) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1").token
        store.write(name, 0, token, reports=[(1, 0.1), (5, 0.5)])
        store.write(name, 0, token, reports=[(3, 0.3), (5, 9.0), (3, 9.0), (7, 0.7)])
        assert trials(store, name)[0].reports == ((1, 0.1), (3, 0.3), (5, 0.5), (7, 0.7))

    def test_numbers_that_are_not_finite_come_back(self, store: Store) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1").token
        store.write(name, 0, token, reports=[(1, math.nan), (2, math.inf), (3, -math.inf), (4, 0.1)])
        store.write(name, 0, token, attrs={"grad": [math.nan, {"max": math.inf}]})
        told = store.tell(name, 0, token, Result(PRUNED, (math.nan,), (math.nan, -1.0)))
        found = trials(store, name)[0]
        for trial in (told, found):
            assert [step for step, _ in trial.reports] == [1, 2, 3, 4]
            assert math.isnan(trial.reports[0][1])
            assert [value for _, value in trial.reports[1:]] == [math.inf, -math.inf, 0.1]
            assert trial.values is not None
            assert math.isnan(trial.values[0])
            assert math.isnan(trial.constraints[0])
            assert math.isnan(trial.attrs["grad"][0])
            assert trial.attrs["grad"][1] == {"max": math.inf}

    def test_what_is_not_json_is_refused_and_harms_nothing(self, store: Store) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1").token
        for call in (
            lambda: store.write(name, 0, token, attrs={"x": object()}),
            lambda: store.tell(name, 0, token, DONE, note={"x": {1, 2}}),
            lambda: store.set_trial_attrs(name, 0, {"x": b""}),
            lambda: store.set_study_attrs(name, {"x": object()}),
        ):
            with pytest.raises(LuthierError, match=r"str\(\.\.\.\)"):
                call()
        assert trials(store, name)[0].state is RUNNING
        store.tell(name, 0, token, DONE)

    def test_told_trial_is_finished_with_all_that_was_said(self, store: Store) -> None:
        name = new_study(store, directions=("minimize", "maximize"))
        trial = store.ask(name, "me", "1", HOUR)
        result = Result(COMPLETE, (0.1, -2.0), (0.5, -1.0))
        extras: dict[str, Any] = {"params": {"x": 1}, "reports": [(1, 1.0)], "attrs": {"a": 1}, "note": {"n": 1}}
        told = store.tell(name, 0, trial.token, result, **extras)
        assert trials(store, name) == [told]
        assert (told.state, told.values, told.constraints) == (COMPLETE, (0.1, -2.0), (0.5, -1.0))
        assert (told.params, told.reports, told.attrs, told.note) == ({"x": 1}, ((1, 1.0),), {"a": 1}, {"n": 1})
        assert told.finished is not None
        assert trial.started is not None
        assert trial.started <= told.finished <= store.now()

    def test_pruned_and_failed_trials(self, store: Store) -> None:
        name = new_study(store)
        tokens = [store.ask(name, "me", str(i)).token for i in range(3)]
        error = 'Traceback "x"\n\x00 \ud800'  # what no database takes as it is
        store.tell(name, 0, tokens[0], Result(PRUNED))
        store.tell(name, 1, tokens[1], Result(PRUNED, (2.0,)))
        store.tell(name, 2, tokens[2], Result(FAIL, error=error))
        found = [(trial.state, trial.values, trial.error) for trial in trials(store, name)]
        assert found == [(PRUNED, None, None), (PRUNED, (2.0,), None), (FAIL, None, error)]

    def test_same_result_may_be_told_again(self, store: Store) -> None:
        name = new_study(store)
        for i, result in enumerate((DONE, Result(FAIL, error="x"), Result(PRUNED, (math.nan,), (math.inf,)))):
            token = store.ask(name, "me", str(i)).token
            told = store.tell(name, i, token, result)
            again = store.tell(name, i, token, result)
            assert (again.state, again.finished, again.token) == (told.state, told.finished, told.token)

    @pytest.mark.parametrize(
        "other", [Result(COMPLETE, (2.0,)), Result(COMPLETE, (1.0,), (0.0,)), Result(PRUNED, (1.0,)), Result(FAIL)]
    )
    def test_another_result_conflicts(self, store: Store, other: Result) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1").token
        told = store.tell(name, 0, token, DONE)
        with pytest.raises(ConflictingTell, match="trial 0 was told COMPLETE"):
            store.tell(name, 0, token, other)
        assert trials(store, name) == [told]

    @pytest.mark.parametrize(
        "result",
        [
            Result(COMPLETE),
            Result(COMPLETE, (math.nan,)),
            Result(COMPLETE, (math.inf,)),
            Result(COMPLETE, (-math.inf,)),
            Result(COMPLETE, (1.0, 2.0)),
            Result(PRUNED, (1.0, 2.0)),
            Result(FAIL, (1.0,)),
            Result(RUNNING),
            Result(WAITING),
        ],
        ids=str,
    )
    def test_what_is_no_result_is_refused(self, store: Store, result: Result) -> None:
        name = new_study(store)
        trial = store.ask(name, "me", "1")
        with pytest.raises(ObjectiveError, match="trial 0 was told"):
            store.tell(name, 0, trial.token, result)
        assert trials(store, name) == [trial]
        store.tell(name, 0, trial.token, DONE)

    @pytest.mark.parametrize("number", [1, -1])
    def test_missing_trial(self, store: Store, number: int) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1").token
        calls: list[Callable[[], Any]] = [
            lambda: store.write(name, number, token),
            lambda: store.tell(name, number, token, DONE),
            lambda: store.set_trial_attrs(name, number, {}),
            lambda: store.requeue(name, number, token),
            lambda: store.fail(name, number, token, ""),
        ]
        for call in calls:
            with pytest.raises(TrialNotFound, match=f"no trial {number}"):
                call()

    def test_only_a_running_trial_can_be_told_or_written_to(self, store: Store) -> None:
        name = new_study(store)
        store.enqueue(name, {}, {}, "q")
        for token in ("", "t"):
            with pytest.raises(TrialNotRunning, match="trial 0 is WAITING"):
                store.write(name, 0, token)
        for state in (COMPLETE, FAIL):
            with pytest.raises(TrialNotRunning, match="trial 0 is WAITING"):
                store.tell(name, 0, None, Result(state, (1.0,) if state is COMPLETE else None))
        token = store.ask(name, "me", "1").token
        told = store.tell(name, 0, token, DONE)
        with pytest.raises(TrialNotRunning, match="trial 0 is COMPLETE"):
            store.write(name, 0, token, attrs={"a": 1})
        with pytest.raises(TrialNotRunning, match="trial 0 is COMPLETE"):
            store.tell(name, 0, None, DONE)
        assert trials(store, name) == [told]

    def test_attributes_can_be_set_in_any_state(self, store: Store) -> None:
        name = new_study(store)
        store.enqueue(name, {}, {"a": 0}, "q")
        store.set_trial_attrs(name, 0, {"b": 1})
        token = store.ask(name, "me", "1").token
        store.set_trial_attrs(name, 0, {"c": 2})
        store.tell(name, 0, token, DONE)
        store.set_trial_attrs(name, 0, {"a": 3})
        assert trials(store, name)[0].attrs == {"a": 3, "b": 1, "c": 2}


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
        store.write(name, 0, asked.token, reports=[(1, 1.0)], attrs={"a": 1}, note={"n": 1})
        assert store.requeue(name, 0, asked.token)
        trial = trials(store, name)[0]
        assert (trial.state, trial.params, trial.reports, trial.retries) == (WAITING, {"x": 1}, (), 1)
        assert (trial.attrs, trial.note, trial.owner, trial.started) == ({"a": 1}, {"n": 1}, "", None)
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


class _Reopening:
    """Several handles on the same studies (promise 1, and all others again)."""

    def reopen(self, store: Store) -> Store:
        """Another handle on the same studies, as another process would have it."""
        raise NotImplementedError("say how your store is opened once more")

    def test_what_was_told_is_there_after_reopening(self, store: Store) -> None:
        name = new_study(store)
        told = [store.tell(name, i, store.ask(name, "me", str(i)).token, DONE) for i in range(3)]
        running = store.ask(name, "me", "3", HOUR)
        study, changes = store.study(name), store.changes(name, 0)
        store.close()
        again = self.reopen(store)
        try:
            assert again.study(name) == study
            assert again.changes(name, 0) == changes
            assert trials(again, name) == [*told, running]
            assert again.ask(name, "me", "3") == running
            again.tell(name, 3, running.token, DONE)
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


class _Loading:
    """load: a study that comes with its trials."""

    ELSEWHERE = StudyRecord(
        "old", ("minimize",), 2**70, None, {"x": {"type": "float"}}, {"who": "me", "bound": math.inf}, created=12.5
    )
    RECORDS = (
        TrialRecord(0, COMPLETE, {"x": 1.0}, (2.0,), (0.5,), ((1, 3.0), (2, math.inf)), {"a": [1]}, {"n": 1}, None)
        .with_(created=1.0, started=2.0, finished=3.5, owner="me", token="t", retries=2),
        TrialRecord(1, PRUNED, {"x": True}, reports=((1, 1.0),), created=1.0, started=1.0, finished=2.0),
        TrialRecord(2, FAIL, {"x": None}, error="why\n\x00", created=1.0, finished=2.0),
        TrialRecord(3, WAITING, {"x": 1}, attrs={"b": math.inf}, created=4.0),
    )  # fmt: skip

    def test_loaded_study_is_as_it_was(self, store: Store) -> None:
        new_study(store, "other")
        store.load(self.ELSEWHERE, self.RECORDS)
        assert store.study("old") == self.ELSEWHERE
        revision, found = store.changes("old", 0)
        assert found == list(self.RECORDS)
        assert store.changes("old", revision) == (revision, [])
        assert trials(store, "other") == []

    def test_loaded_study_goes_on(self, store: Store) -> None:
        store.load(self.ELSEWHERE, self.RECORDS)
        revision, _ = store.changes("old", 0)
        taken, new = store.ask("old", "me", "1"), store.ask("old", "me", "2")
        assert (taken.number, taken.params, new.number) == (3, {"x": 1}, 4)
        told = store.tell("old", 4, new.token, DONE)
        assert store.changes("old", revision)[1] == [taken, told]
        with pytest.raises(TrialNotRunning):
            store.tell("old", 0, None, DONE)

    def test_trial_that_ran_elsewhere_waits(self, store: Store) -> None:
        running = TrialRecord(0, RUNNING, {"x": 1}, None, (), ((1, 1.0),), {"a": 1}, {"n": 1}, started=1.0)
        store.load(self.ELSEWHERE, [running.with_(owner="away", token="t", retries=1)])
        assert trials(store, "old") == [
            TrialRecord(0, WAITING, {"x": 1}, attrs={"a": 1}, note={"n": 1}, owner="", token="", retries=2)
        ]
        assert store.expired("old") == []
        assert store.ask("old", "me", "1").number == 0

    def test_study_may_be_loaded_without_trials(self, store: Store) -> None:
        store.load(self.ELSEWHERE, [])
        assert trials(store, "old") == []
        assert store.ask("old", "me", "1").number == 0

    def test_known_name_is_not_loaded(self, store: Store) -> None:
        new_study(store, "old")
        with pytest.raises(StudyExists, match="old"):
            store.load(self.ELSEWHERE, self.RECORDS)
        assert trials(store, "old") == []

    @pytest.mark.parametrize(
        ("bad", "error"),
        [
            (TrialRecord(4, FAIL), StorageError),
            (TrialRecord(1, COMPLETE), ObjectiveError),
            (TrialRecord(1, COMPLETE, values=(1.0, 2.0)), ObjectiveError),
            (TrialRecord(1, COMPLETE, values=(math.nan,)), ObjectiveError),
            (TrialRecord(1, FAIL, values=(1.0,)), ObjectiveError),
            (TrialRecord(1, WAITING, attrs={"a": object()}), StorageError),
        ],
        ids=range(6),  # a name made of the record would hold an address
    )
    def test_nothing_is_loaded_of_what_is_wrong(self, store: Store, bad: TrialRecord, error: type[Exception]) -> None:
        with pytest.raises(error):
            store.load(self.ELSEWHERE, [self.RECORDS[0], bad])
        assert store.studies() == []


class StoreContract(_Studies, _Asking, _Writing, _Owning, _Loading):
    """What every store promises; the subclass has a fixture `store` of an empty one."""


class SharedStoreContract(StoreContract, _Reopening):
    """What a store that can be opened more than once promises; the subclass has `store` and `reopen`."""
