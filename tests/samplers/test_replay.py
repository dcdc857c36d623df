"""A fold over finished trials: however the history came to be, the value is that of a fold from the start."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import luthier as lt
from luthier import history as history_module
from luthier.history import History
from luthier.samplers.replay import Replay
from luthier.space import Float, Space
from luthier.testing.samplers import HISTORIES, SPACES, history_of, one_by_one
from luthier.trial import TrialRecord, TrialState

SPACE = Space({"x": Float(0, 1)})
COMPLETE, RUNNING, WAITING, FAIL = TrialState.COMPLETE, TrialState.RUNNING, TrialState.WAITING, TrialState.FAIL


def trial(number, finished=None, state=COMPLETE, x=0.5):
    values = (float(number),) if state is COMPLETE else None
    return TrialRecord(number, state, {"x": x}, values, finished=finished)


def step(seen, history, rows):
    for row in rows.tolist():
        record = history.records[row].with_(finished=None)  # a step must not look at the time
        seen.append((row, record, np.nan_to_num(history.X[row], nan=-9.0).tolist()))
    return seen


def trace(**options):
    """A replay whose value is all that it was given, in that order; and how many rows it was given in all."""
    given = []

    def counting(seen, history, rows):
        given.extend(rows.tolist())
        return step(seen, history, rows)

    return Replay(lambda _: [], counting, **options), given


def from_the_start(history):
    """The definition."""
    rows = [r for r in history.records if r.state.is_finished]
    rows.sort(key=lambda r: (-np.inf if r.finished is None else r.finished, r.number))
    return step([], history, np.array([r.number for r in rows], dtype=int))


def loaded(history):
    other = History(history.space, history.directions)
    other.put(history.records)
    return other


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_whatever_happens_to_a_history(data):
    """Trials in any order, several at a time, late, at the same time, without a time, changed after they finished."""
    replay, _ = trace()
    history = History(SPACE)
    for _ in range(data.draw(st.integers(1, 10))):
        batch = []
        n = len(history)
        for _ in range(data.draw(st.integers(0, 4))):
            number = data.draw(st.integers(0, n))
            n = max(n, number + 1)
            time = data.draw(st.sampled_from([None, 1.0, 2.0, 3.0, 4.0]))
            state = data.draw(st.sampled_from([COMPLETE, COMPLETE, FAIL, RUNNING, WAITING]))
            batch.append(trial(number, time if state in (COMPLETE, FAIL) else None, state, data.draw(st.floats(0, 1))))
        history.put(batch)
        if data.draw(st.booleans()):
            assert replay(history) == from_the_start(history)
    assert replay(history) == from_the_start(history) == replay(loaded(history))


@given(st.lists(st.integers(0, 9), max_size=15), st.data())
@settings(deadline=None, max_examples=100)
def test_where_order_makes_no_difference_each_row_comes_once(times, data):
    """Where order makes no difference, rows come once each, whenever they finished."""
    replay, given_rows = trace(in_order=False)
    history = History(SPACE)
    history.put(trial(i, state=RUNNING) for i in range(len(times)))
    for i in data.draw(st.permutations(range(len(times)))):
        history.put([trial(i, float(times[i]))])
        if data.draw(st.booleans()):
            replay(history)
    assert sorted(replay(history), key=repr) == sorted(from_the_start(history), key=repr)
    assert sorted(given_rows) == list(range(len(times)))


@pytest.mark.parametrize("kind", HISTORIES)
def test_one_by_one_costs_each_trial_once(kind):
    whole = HISTORIES[kind](SPACES["mixed"])
    replay, given_rows = trace()
    for grown in one_by_one(whole):
        assert replay(grown) == from_the_start(grown)
    assert given_rows == whole.finish_order.tolist()
    assert replay(whole) == replay(grown)


def test_asked_again_it_costs_nothing():
    replay, given_rows = trace()
    history = history_of(SPACE, 10)
    first = replay(history)
    assert replay(history) is first
    assert len(given_rows) == 10
    history.put([trial(10, state=RUNNING)])
    history.put([trial(10, state=RUNNING, x=0.25)])  # parameters come after the trial
    assert replay(history) is first
    assert len(given_rows) == 10


def test_one_that_comes_late_starts_it_over():
    replay, given_rows = trace()
    history = History(SPACE)
    history.put([trial(0, state=RUNNING), trial(1, 5.0), trial(2, 6.0)])
    replay(history)
    history.put([trial(0, 5.5)])
    assert [row for row, *_ in replay(history)] == [1, 0, 2]
    assert given_rows == [1, 2, 1, 0, 2]


def test_at_the_same_time_the_lower_number_comes_first():
    replay, _ = trace()
    history = History(SPACE)
    history.put([trial(0, state=RUNNING), trial(1, 5.0)])
    replay(history)
    history.put([trial(0, 5.0)])
    assert [row for row, *_ in replay(history)] == [0, 1]


def test_a_trial_put_again_as_it_is_changes_nothing():
    replay, given_rows = trace()
    history = history_of(SPACE, 6)
    replay(history)
    history.put([history.records[2], history.records[4].with_()])
    replay(history)
    assert len(given_rows) == 6
    history.put([history.records[2].with_(values=(9.0,))])
    assert replay(history) == from_the_start(history)


@pytest.mark.parametrize("time", [5.5, 6.5, 7.0])
def test_another_time_of_the_last_trial_changes_nothing(time):
    replay, given_rows = trace()
    history = History(SPACE)
    history.put([trial(0, 5.0), trial(1, 6.0), trial(2, state=RUNNING)])
    replay(history)
    history.put([trial(1, time), trial(2, 7.5)])
    assert replay(history) == from_the_start(history)
    assert given_rows == [0, 1, 2]


@pytest.mark.parametrize("changed", [trial(1, 4.0), trial(0, 6.5), trial(1, 7.0, x=0.25), trial(1, 7.0, FAIL)])
def test_another_order_or_another_result_starts_it_over(changed):
    replay, given_rows = trace()
    history = History(SPACE)
    history.put([trial(0, 5.0), trial(1, 6.0)])
    replay(history)
    history.put([changed])
    assert replay(history) == from_the_start(history)
    assert given_rows[:2] == [0, 1]
    assert sorted(given_rows[2:]) == [0, 1]


def test_where_order_makes_no_difference_another_time_makes_none():
    replay, given_rows = trace(in_order=False)
    history = History(SPACE)
    history.put([trial(0, 5.0), trial(1, 6.0)])
    replay(history)
    history.put([trial(0, 8.0)])
    history.put([trial(1, 4.0)])
    replay(history)
    assert given_rows == [0, 1]


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("storage", [None, "study.db", "study.journal"])
def test_a_study_goes_through_each_trial_once(tmp_path, storage, in_order):
    """Wherever it is stored: `tell_and_ask` learns when a trial finished only after the next suggestion."""
    replay, given_rows = trace(in_order=in_order)

    class Replaying:
        def suggest(self, space, history, rng, n):
            replay(history)
            return space.decode(space.sample(rng, n))

    place = None if storage is None else tmp_path / storage
    study = lt.create_study(space=SPACE, sampler=Replaying(), seed=0, storage=place)
    study.optimize(lambda trial: trial.params["x"], n_trials=10)
    assert given_rows == list(range(9))


def test_more_changes_than_are_remembered(monkeypatch):
    monkeypatch.setattr(history_module, "_KEPT_CHANGES", 8)
    whole, (replay, _) = history_of(SPACE, 30), trace()
    history = History(SPACE)
    for record in whole.records[:5]:
        history.put([record])
    replay(history)
    history.put(whole.records[5:])
    assert history.changed_since(history.version - 2) is None
    assert replay(history) == from_the_start(history)


def test_another_space_is_another_history():
    replay, _ = trace()
    history = history_of(SPACE, 8)
    replay(history)
    other = history.under(Space({"x": Float(0, 2)}))
    assert replay(other) == from_the_start(other) != replay(history)
    assert [row for row, *_ in replay(other)] == [row for row, *_ in replay(history)]


def test_several_studies_and_several_replays_at_once():
    first, second = history_of(SPACE, 5, seed=1), history_of(SPACE, 7, seed=2)
    replay, count = trace()[0], Replay(lambda _: 0, lambda n, _, rows: n + len(rows))
    for _ in range(3):
        assert replay(first) == from_the_start(first)
        assert replay(second) == from_the_start(second)
        assert (count(first), count(second)) == (len(first), len(second))
        for history in (first, second):
            history.put([trial(len(history), 2e9 + len(history))])


def test_the_initial_value_may_depend_on_the_space():
    size = Replay(lambda history: len(history.space), lambda value, _, rows: value + len(rows))
    assert size(History(SPACES["mixed"])) == len(SPACES["mixed"])
    assert size(history_of(SPACES["floats"], 3)) == 2 + 3


def test_an_interrupt_leaves_no_half():
    broken = [False]

    def fragile(seen, history, rows):
        for row in rows.tolist():
            seen.append(row)
            if broken[0]:
                raise KeyboardInterrupt
        return seen

    replay = Replay(lambda _: [], fragile)
    history = history_of(SPACE, 5)
    replay(history)
    history.put([trial(5, 2e9), trial(6, 2e9)])
    broken[0] = True
    with pytest.raises(KeyboardInterrupt):
        replay(history)
    broken[0] = False
    assert replay(history) == history.finish_order.tolist()


def test_it_goes_with_its_history():
    class Value(list):
        pass

    replay = Replay(lambda _: Value(), lambda value, _, rows: value)
    history = history_of(SPACE, 5)
    gone = weakref.ref(replay(history))
    known = weakref.ref(history)
    del history
    gc.collect()
    assert gone() is None
    assert known() is None
