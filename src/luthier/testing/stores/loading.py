"""load: a study that comes with its trials."""

from __future__ import annotations

import math
from dataclasses import asdict

import pytest

from ...errors import ObjectiveError, StorageError, StudyExists, StudyNotFound, TrialNotRunning
from ...stores import Store, StudyRecord
from ...trial import TrialRecord
from .tools import COMPLETE, DONE, FAIL, PRUNED, RUNNING, WAITING, new_study, trials


class _Loading:
    """load: a study that comes with its trials."""

    ELSEWHERE = StudyRecord(
        "old", ("minimize",), 2**70, None, {"x": {"type": "float"}}, {"who": "me", "bound": math.inf}, created=12.5
    )
    RECORDS = (
        TrialRecord(0, COMPLETE, {"x": 1.0}, (2.0,), (0.5,), ((1, 3.0), (2, math.inf)), {"a": [1]}, None)
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
        running = TrialRecord(0, RUNNING, {"x": 1}, None, (), ((1, 1.0),), {"a": 1}, started=1.0)
        store.load(self.ELSEWHERE, [running.with_(owner="away", token="t", retries=1)])
        assert trials(store, "old") == [
            TrialRecord(0, WAITING, {"x": 1}, attrs={"a": 1}, owner="", token="", retries=2)
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

    # -- add: trials from elsewhere into a study that has some

    def test_added_trials_get_the_next_numbers_and_keep_the_rest(self, store: Store) -> None:
        name = new_study(store)
        store.tell(name, 0, store.ask(name, "me", "1").token, DONE)
        done = TrialRecord(
            7,
            COMPLETE,
            {"x": 1.5, "k": "a"},
            (2.0,),
            (0.5,),
            ((0, 3.0), (4, math.nan)),
            {"a": [1]},
            created=10.0,
            started=11.0,
            finished=12.0,
            owner="other",
            token="other",
            retries=2,
        )
        revision, _ = store.changes(name, 0)
        found = store.add(name, [done, TrialRecord(7, WAITING, {"x": 2.0}), TrialRecord(0, FAIL, error="why")], "c")
        assert [t.number for t in found] == [1, 2, 3]
        assert repr(asdict(found[0].with_(number=7, owner="other", token="other"))) == repr(asdict(done))  # NaN is NaN
        assert [t.state for t in found] == [COMPLETE, WAITING, FAIL] and found[2].error == "why"
        assert found[1].started is found[1].finished is None and found[2].seconds == 0
        later, changed = store.changes(name, revision)
        assert later > revision and [t.number for t in changed] == [1, 2, 3]
        assert store.ask(name, "me", "2").number == 2 and store.ask(name, "me", "3").number == 4

    def test_the_same_add_again_changes_nothing(self, store: Store) -> None:
        name = new_study(store)
        records = [TrialRecord(0, COMPLETE, {"x": 1.0}, (1.0,)), TrialRecord(1, WAITING, {"x": 2.0})]
        found = store.add(name, records, "c")
        store.ask(name, "me", "1")
        again = store.add(name, records, "c")
        assert [t.number for t in again] == [0, 1] and again[0] == found[0] and len(trials(store, name)) == 2
        for others in (records[:1], [*records, *records]):  # a reply was lost, and what came back is another's
            assert store.add(name, others, "c") == again
        assert [t.number for t in store.add(name, records, "d")] == [2, 3]
        assert store.add(name, [], "e") == []

    @pytest.mark.parametrize(
        ("bad", "error"),
        [
            (TrialRecord(1, RUNNING), TrialNotRunning),
            (TrialRecord(1, COMPLETE), ObjectiveError),
            (TrialRecord(1, COMPLETE, values=(1.0, 2.0)), ObjectiveError),
            (TrialRecord(1, COMPLETE, values=(math.inf,)), ObjectiveError),
            (TrialRecord(1, FAIL, values=(1.0,)), ObjectiveError),
            (TrialRecord(1, WAITING, attrs={"a": object()}), StorageError),
        ],
        ids=range(6),
    )
    def test_nothing_is_added_where_one_trial_is_wrong(
        self, store: Store, bad: TrialRecord, error: type[Exception]
    ) -> None:
        name = new_study(store)
        with pytest.raises(error):
            store.add(name, [TrialRecord(0, COMPLETE, values=(1.0,)), bad], "c")
        assert trials(store, name) == []

    def test_nothing_is_added_to_a_study_that_does_not_exist(self, store: Store) -> None:
        with pytest.raises(StudyNotFound):
            store.add("no", [], "c")
