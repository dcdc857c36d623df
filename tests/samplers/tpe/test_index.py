"""The index of a history that grew by any path is the one of a history that is read at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.history import History
from luthier.samplers.tpe.index import best_rows, index_of
from luthier.samplers.tried import marks
from luthier.space import Choice, Float, Int, Space
from luthier.testing.samplers import HISTORIES, history_of
from luthier.trial import TrialRecord, TrialState

SPACE = Space({"n": Int(1, 3), "c": Choice(["a", "b"]), "x": Float(0, 1, when={"c": "b"})})


def seen(history: History, n: int) -> tuple[object, ...]:
    index = index_of(history)
    return index.n_ranked, index.tried, best_rows(history, n).tolist()


def read_at_once(history: History, n: int) -> tuple[object, ...]:
    loaded = History(history.space, history.directions)
    loaded.put(history.records)
    return seen(loaded, n)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_however_it_grew_it_is_the_same(data: st.DataObject) -> None:
    history = History(SPACE, (data.draw(st.sampled_from(["minimize", "maximize"])),))
    points = SPACE.decode(SPACE.sample(np.random.default_rng(0), 5))
    for _ in range(data.draw(st.integers(1, 12))):
        for _ in range(data.draw(st.integers(1, 5))):  # any change at all, also those that no engine makes
            number = data.draw(st.integers(0, len(history)))
            state = data.draw(st.sampled_from(TrialState))
            value = data.draw(st.sampled_from([-1.0, 0.0, 2.0, float("nan")]))
            record = TrialRecord(
                number,
                state,
                data.draw(st.sampled_from([{}, *points])),
                (value,) if state is TrialState.COMPLETE else None,
                constraints=data.draw(st.sampled_from([(), (), (1.0,), (-1.0, 2.0)])),
            )
            history.put([record])
        n = data.draw(st.integers(1, 30))
        assert seen(history, n) == read_at_once(history, n)


@pytest.mark.parametrize("kind", ["everything", "repeated", "violations"])
def test_the_best_are_those_of_the_whole_order(kind: str) -> None:
    history = HISTORIES[kind](SPACE)
    rows = [r for r in history.records if r.state is TrialState.COMPLETE and r.is_feasible]
    expected = [r.number for r in sorted(rows, key=lambda r: (r.value, r.number))]
    for n in (1, 10, 25, 26, 100):
        assert best_rows(history, n).tolist() == expected[:n]


def test_what_was_tried_are_the_finished_trials() -> None:
    history = history_of(SPACE, 20)
    history.put([history.records[i].with_(state=TrialState.RUNNING, values=None, finished=None) for i in (3, 8)])
    others = np.delete(np.arange(20), [3, 8])
    assert index_of(history).tried == set(marks(history.X[others]).tolist())
    assert index_of(history).n_ranked == 18
