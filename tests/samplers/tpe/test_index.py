"""The index of a history that grew by any path is the one of a history that is read at once."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier import history as history_module
from luthier.history import History
from luthier.samplers.tpe.index import Index, index_of
from luthier.space import Choice, Float, Int, Space
from luthier.testing.samplers import HISTORIES, history_of
from luthier.trial import TrialRecord, TrialState

SPACE = Space({"n": Int(1, 3), "c": Choice(["a", "b"]), "x": Float(0, 1, when={"c": "b"})})


def seen(index: Index, history: History, n: int) -> tuple[object, ...]:
    return index.n_ranked, index.unfinished, index.tried, index.best(history, n).tolist()


def read_at_once(history: History, n: int) -> tuple[object, ...]:
    loaded = History(history.space, history.directions)
    loaded.put(history.records)
    return seen(index_of(loaded), loaded, n)


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
        assert seen(index_of(history), history, n) == read_at_once(history, n)


@pytest.mark.parametrize("kind", ["everything", "repeated", "violations"])
def test_the_best_are_those_of_the_whole_order(kind: str) -> None:
    history = HISTORIES[kind](SPACE)
    rows = [r for r in history.records if r.state is TrialState.COMPLETE and r.is_feasible]
    expected = [r.number for r in sorted(rows, key=lambda r: (r.value, r.number))]
    for n in (1, 10, 100):
        assert index_of(history).best(history, n).tolist() == expected[:n]


def test_more_changes_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "_KEPT_CHANGES", 8)
    whole = history_of(SPACE, 30)
    history = History(SPACE)
    for record in whole.records[:5]:
        history.put([record])
    index_of(history).best(history, 3)
    history.put(whole.records[5:])
    assert history.changed_since(history.version - 2) is None
    assert seen(index_of(history), history, 3) == read_at_once(history, 3)


def test_it_goes_with_its_history() -> None:
    history = history_of(SPACE, 5)
    gone = weakref.ref(index_of(history))
    del history
    gc.collect()
    assert gone() is None
