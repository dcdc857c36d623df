from __future__ import annotations

import numpy as np

from luthier.surrogates.gp.observations import observations
from luthier.testing.samplers import HISTORIES, SPACES, history_of, one_by_one
from luthier.trial import TrialState

NAN = float("nan")
COMPLETE, PRUNED = int(TrialState.COMPLETE), int(TrialState.PRUNED)


def test_observations_leave_out_what_says_nothing():
    assert len(observations(HISTORIES["all running"](SPACES["mixed"]))) == 0
    assert len(observations(HISTORIES["no parameters"](SPACES["mixed"]))) == 0
    history = HISTORIES["pruned"](SPACES["mixed"])
    seen = observations(history)
    assert 0 < (seen.states == PRUNED).sum() < (history.states == PRUNED).sum()  # those that reported a number
    failed = observations(HISTORIES["all failed"](SPACES["mixed"]))
    assert len(failed) == 25
    assert not failed.succeeded.any()


def test_where_all_were_pruned_they_rank_by_how_far_they_came_then_by_value():
    def change(record, _):
        reports = {
            0: ((0, 3.0),),
            1: ((0, 9.0), (4, 2.0)),
            2: ((0, 1.0), (4, 1.0)),
            3: ((0, 3.0),),
            4: (),
            5: ((2, NAN),),
        }
        return record.with_(state=TrialState.PRUNED, values=None, reports=reports[record.number])

    for directions, ranks in ((("minimize",), [2, 1, 0, 2]), (("maximize",), [2, 0, 1, 2])):
        seen = observations(history_of(SPACES["floats"], 6, directions=directions, change=change))
        assert sorted(seen.rows.tolist()) == [0, 1, 2, 3]
        assert (seen.states == COMPLETE).all()
        assert seen.losses[np.argsort(seen.rows), 0].tolist() == ranks


def test_one_complete_trial_is_worth_more_than_the_ranks_of_those_pruned():
    def change(record, _):
        if record.number == 3:
            return record
        return record.with_(state=TrialState.PRUNED, values=None, reports=((0, float(record.number)),))

    seen = observations(history_of(SPACES["floats"], 6, change=change))
    assert (seen.states == PRUNED).sum() == 5
    assert seen.losses[np.argsort(seen.rows)[[0, 1, 2, 4, 5]], 0].tolist() == [0, 1, 2, 4, 5]


def test_they_come_in_the_order_in_which_they_finished():
    history = HISTORIES["everything"](SPACES["mixed"])
    rows = observations(history).rows.tolist()
    order = history.finish_order.tolist()
    assert rows == [row for row in order if row in rows] != sorted(rows)
    for grown in one_by_one(history):  # so what is known stays in front when another trial finishes
        part = observations(grown).rows.tolist()
        assert rows[: len(part)] == part
