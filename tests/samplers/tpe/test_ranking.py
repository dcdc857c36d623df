"""The order of trials, and the split into good and bad."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.history import History
from luthier.samplers.tpe.ranking import split
from luthier.space import Float, Space
from luthier.testing.samplers import history_of
from luthier.trial import TrialRecord, TrialState

LINE = Space({"x": Float(0, 1)})
COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def history(*records: TrialRecord, maximize: bool = False) -> History:
    result = History(LINE, ("maximize",) if maximize else ("minimize",))
    result.put(records)
    return result


@pytest.mark.parametrize("maximize", [False, True])
def test_the_order_of_all_kinds(maximize: bool) -> None:
    sign = -1.0 if maximize else 1.0
    p = {"x": 0.5}
    nan = float("nan")
    known = history(
        TrialRecord(0, PRUNED, p, reports=((1, sign * 1.0),)),
        TrialRecord(1, COMPLETE, p, (sign * 5.0,)),
        TrialRecord(2, COMPLETE, p, (sign * 9.0,), constraints=(0.1,)),
        TrialRecord(3, FAIL, p),
        TrialRecord(4, PRUNED, p, reports=((1, 0.0), (7, sign * 3.0))),
        TrialRecord(5, COMPLETE, p, (sign * 2.0,), constraints=(-1.0,)),
        TrialRecord(6, PRUNED, p, reports=((7, sign * 2.0),)),
        TrialRecord(7, TrialState.RUNNING, p),
        TrialRecord(8, COMPLETE, p, (sign * 0.0,), constraints=(0.2, 0.3)),
        TrialRecord(9, PRUNED, p),
        TrialRecord(10, PRUNED, p, reports=((7, nan),)),
        maximize=maximize,
    )
    order = [5, 1, 6, 4, 10, 0, 9, 2, 8]
    for n in range(len(order) + 2):
        parts = split(known, n, 100)
        assert parts.good.tolist() == order[:n]
        assert sorted([*parts.good, *parts.bad]) == list(range(11))


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=60), st.integers(1, 30))
@settings(deadline=None, max_examples=100)
def test_the_good_are_the_best(values: list[float], n: int) -> None:
    known = history(*(TrialRecord(i, COMPLETE, {"x": 0.5}, (v,)) for i, v in enumerate(values)))
    good = split(known, n, 100).good
    assert [values[i] for i in good] == sorted(values)[:n]


def test_the_bad_are_thinned_out_evenly_but_for_the_running_ones() -> None:
    running = {1501, 2998}
    known = history_of(LINE, 3000)
    known.put([known.records[i].with_(state=TrialState.RUNNING, values=None) for i in running])
    bad = split(known, 25, 500).bad
    assert running <= set(bad.tolist())
    assert 500 <= len(bad) <= 502
    assert np.diff(bad).max() < 20


def test_of_several_objectives_the_best_are_the_feasible_of_the_first_front() -> None:
    told = [(0.0, 3.0), (3.0, 0.0), (1.0, 1.0), (2.0, 2.0), (-1.0, -1.0)]
    known = History(LINE, ("minimize", "maximize"))
    known.put(
        TrialRecord(i, COMPLETE, {"x": 0.5}, (a, -b), constraints=(1.0,) if a < 0 else ())
        for i, (a, b) in enumerate(told)
    )
    assert set(split(known, 3, 100).good.tolist()) == {0, 1, 2}
    assert split(known, 4, 100).good.tolist()[3:] == [3]
