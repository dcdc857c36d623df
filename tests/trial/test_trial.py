import pytest

from luthier.errors import TrialNotRunning
from luthier.trial import TRANSITIONS, TrialRecord, TrialState, check_transition


def test_the_table_is_whole_and_ends():
    assert set(TRANSITIONS) == set(TrialState)
    for state in TrialState:
        assert state.is_finished == (not TRANSITIONS[state])


def test_what_is_not_in_the_table_is_refused():
    check_transition(3, TrialState.RUNNING, TrialState.WAITING)
    with pytest.raises(TrialNotRunning, match="trial 3 is COMPLETE and cannot become PRUNED: it was told already"):
        check_transition(3, TrialState.COMPLETE, TrialState.PRUNED)
    with pytest.raises(TrialNotRunning, match="ask for it first"):
        check_transition(3, TrialState.WAITING, TrialState.COMPLETE)


def test_record():
    record = TrialRecord(0, TrialState.COMPLETE, {"x": 1}, (2.0,), started=10.0, finished=12.5, constraints=(0.0, -1.0))
    assert record.value == 2.0 and record.seconds == 2.5 and record.is_feasible
    assert not record.with_(constraints=(0.1,)).is_feasible
    assert TrialRecord(0, TrialState.RUNNING).value is None
    with pytest.raises(ValueError, match=r"use \.values"):
        _ = record.with_(values=(1.0, 2.0)).value
