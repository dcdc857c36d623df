"""load: a study that comes with its trials."""

from __future__ import annotations

import math

import pytest

from ...errors import ObjectiveError, StorageError, StudyExists, TrialNotRunning
from ...stores import Store, StudyRecord
from ...trial import TrialRecord
from .tools import COMPLETE, DONE, FAIL, PRUNED, RUNNING, WAITING, new_study, trials


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
