import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.history import History
from luthier.space import Choice, Float, Space
from luthier.trial import TrialRecord, TrialState

SPACE = Space({"x": Float(0, 10), "o": Choice(["a", "b"]), "y": Float(0, 1, when={"o": "b"})})


def record(number, state=TrialState.COMPLETE, **fields):
    fields.setdefault("params", {"x": 5.0, "o": "a"})
    if state is TrialState.COMPLETE:
        fields.setdefault("values", (float(number),))
    return TrialRecord(number, state, **fields)


def test_columns():
    history = History(SPACE, ["maximize"])
    history.put([record(0), record(1, TrialState.RUNNING, params={"x": 2.5, "o": "b", "y": 0.25})])
    np.testing.assert_allclose(history.X, [[0.5, 0, np.nan], [0.25, 1, 0.25]])
    np.testing.assert_allclose(history.losses, [[-0.0], [np.nan]])
    assert history.is_running.tolist() == [False, True] and history.is_complete.tolist() == [True, False]
    assert len(history) == 2 and history.version == 1


def test_the_order_in_which_trials_finished():
    history = History(SPACE)
    running = [record(i, TrialState.RUNNING, started=5.0) for i in range(6)]
    history.put([*running, record(6, TrialState.WAITING, params={})])
    assert history.finish_order.tolist() == []
    history.put([record(4, finished=7.0), record(1, TrialState.FAIL, finished=9.0), record(0, finished=9.0)])
    assert history.finish_order.tolist() == [4, 0, 1]
    history.put([record(5, TrialState.PRUNED, finished=8.0), record(3), record(2, finished=6.5)])
    assert history.finish_order.tolist() == [3, 2, 4, 5, 0, 1]  # one without a time comes first
    assert history.under(Space({"x": Float(0, 5)})).finish_order.tolist() == [3, 2, 4, 5, 0, 1]
    history.put([record(4, finished=9.5), record(5, TrialState.RUNNING)])
    assert history.finish_order.tolist() == [3, 2, 0, 1, 4]
    assert History(SPACE).finish_order.tolist() == []


def test_what_changed():
    history = History(SPACE)
    history.put([record(0), record(1, TrialState.RUNNING)])
    before = history.version
    assert history.changed_since(before) == []
    history.put([record(1)])
    history.put([record(2), record(0)])
    assert sorted(history.changed_since(before)) == [0, 1, 2]
    assert sorted(history.changed_since(0)) == [0, 0, 1, 1, 2]


def test_a_gap_is_refused():
    with pytest.raises(ValueError, match="trial 1 came before trial 0"):
        History(SPACE).put([record(1)])


def test_reports_by_step_follow_a_trial_that_starts_again():
    history = History(SPACE)
    running = record(0, TrialState.RUNNING)
    history.put([running.with_(reports=((0, 1.0), (1, 2.0)))])
    history.put([running.with_(reports=((0, 1.0), (1, 2.0), (2, 3.0)))])
    assert history.at_step(2).values.tolist() == [3.0] and history.last_step[0] == 2
    history.put([running.with_(state=TrialState.WAITING, reports=())])
    assert history.at_step(0).numbers.tolist() == [] and history.last_step[0] == -1
    assert np.isnan(history.last_value[0])
    history.put([running.with_(reports=((0, 9.0),))])
    assert history.at_step(0).values.tolist() == [9.0]


def test_values_and_constraints_follow_the_record():
    history = History(SPACE)
    history.put([record(0, constraints=(1.0,)), record(1)])
    history.put([record(2, constraints=(-1.0, 0.0))])
    assert history.feasible.tolist() == [False, True, True]
    assert history.constraints.shape == (3, 2)


@pytest.mark.parametrize(
    "constraints", [(), (0.0,), (1.0,), (math.nan,), (-1.0, math.nan), (-math.inf,), (math.inf, -1.0)]
)
def test_feasible_is_what_the_record_says(constraints):
    history = History(SPACE)
    history.put([record(0, constraints=(1.0, 1.0)), record(1, constraints=constraints)])
    assert history.feasible.tolist() == [False, history.records[1].is_feasible]
    assert history.records[1].is_feasible == all(c <= 0 for c in constraints)
    history.put([record(0, constraints=constraints)])
    assert history.feasible.tolist() == [history.records[1].is_feasible] * 2


def test_another_space_encodes_again():
    history = History(SPACE)
    history.put([record(0)])
    wider = Space({"x": Float(0, 20)})
    np.testing.assert_allclose(history.under(wider).X, [[0.25]])
    assert history.under(SPACE) is history
    narrower = Space({"x": Float(0, 2)})
    assert history.under(narrower).X[0, 0] == 2.5  # outside, but kept


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(list(TrialState)), st.floats(0, 10)), max_size=80))
def test_put_in_any_order_equals_put_at_once(changes):
    history, latest = History(SPACE), {}
    for number, state, x in changes:
        number = min(number, len(history))
        values = (x,) if state is TrialState.COMPLETE else None
        reports = ((0, x),) if x > 5 else ()
        latest[number] = TrialRecord(number, state, {"x": x, "o": "a"}, values, reports=reports)
        history.put([latest[number]])
        if x < 1:
            _ = history.X  # encoded now, and again when it changes
    again = History(SPACE)
    again.put(latest[n] for n in range(len(history)))
    for column in ("X", "states", "values", "losses", "last_step", "last_value"):
        np.testing.assert_array_equal(getattr(history, column), getattr(again, column))
    assert sorted(zip(history.at_step(0).numbers, history.at_step(0).values, strict=True)) == sorted(
        zip(again.at_step(0).numbers, again.at_step(0).values, strict=True)
    )


def test_the_next_numbers_begin_with_the_one_that_is_asked_for():
    history = History(Space({"x": Float(0, 1)}))
    history.put(
        [TrialRecord(0, TrialState.RUNNING), TrialRecord(1, TrialState.WAITING), TrialRecord(2, TrialState.WAITING)]
    )
    assert history.next_numbers(4) == [1, 2, 3, 4]
    history.asked = 2
    assert history.next_numbers(3) == [2, 1, 3]
    history.asked = 3
    assert history.next_numbers(4) == [3, 1, 2, 4]
