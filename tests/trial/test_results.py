"""The one rule that turns what an objective returned, and how it ended, into a result."""

import math

import numpy as np
import pytest

import luthier as lt
from luthier.errors import ObjectiveError
from luthier.stores import Result
from luthier.trial.results import result_of

COMPLETE, PRUNED, FAIL = lt.TrialState.COMPLETE, lt.TrialState.PRUNED, lt.TrialState.FAIL
REPORTS = ((0, 3.0), (4, 2.5))


@pytest.mark.parametrize(
    "values, state, more, wanted",
    [
        (1, None, {}, (COMPLETE, (1.0,))),
        (np.float32(0.5), COMPLETE, {}, (COMPLETE, (0.5,))),
        ([1, np.int64(2)], None, {"objectives": 2}, (COMPLETE, (1.0, 2.0))),
        (np.array(1.5), None, {}, (COMPLETE, (1.5,))),
        (0.25, PRUNED, {"reports": REPORTS}, (PRUNED, (0.25,))),
        (None, PRUNED, {}, (PRUNED, None)),
        (None, PRUNED, {"reports": REPORTS}, (PRUNED, (2.5,))),
        (None, PRUNED, {"reports": ((0, math.nan),)}, (PRUNED, None)),
        (None, PRUNED, {"reports": ((0, -math.inf),)}, (PRUNED, None)),
        (None, PRUNED, {"reports": REPORTS, "objectives": 2}, (PRUNED, None)),
        (None, FAIL, {"reports": REPORTS}, (FAIL, None)),
        (3.0, FAIL, {}, (FAIL, None)),
        ("text", FAIL, {}, (FAIL, None)),
    ],
)
def test_what_becomes_of_what_was_returned(values, state, more, wanted):
    result = result_of(0, values, state, **{"objectives": 1, **more})
    assert result == Result(*wanted)


@pytest.mark.parametrize("state", [None, COMPLETE, PRUNED])
@pytest.mark.parametrize("values, objectives", [(math.nan, 1), (np.float64("nan"), 1), ((1.0, math.nan), 2)])
def test_nan_fails_whatever_the_state(values, objectives, state):
    result = result_of(0, values, state, objectives=objectives)
    assert (result.state, result.values) == (FAIL, None) and "nan" in result.error
    assert result_of(0, values, state, (), "because", objectives=objectives).error == "because"


@pytest.mark.parametrize(
    "values, objectives, message",
    [
        (None, 1, "trial 7 has no value"),
        ("0.5", 1, "must be a number"),
        (True, 1, "must be a number"),
        (math.inf, 1, "infinite values are refused"),
        (10**400, 1, "no float is that large"),
        ((1.0, 2.0), 1, "has 2 values: the study has 1 objectives"),
        ((), 1, "has 0 values"),
        ({"loss": 1.0}, 1, "must be a number"),
    ],
)
def test_what_is_not_a_result_is_refused_with_the_trial_named(values, objectives, message):
    with pytest.raises(ObjectiveError, match=message):
        result_of(7, values, objectives=objectives)


@pytest.mark.parametrize("state", [lt.TrialState.WAITING, lt.TrialState.RUNNING])
def test_a_trial_is_told_only_a_finished_state(state):
    with pytest.raises(ObjectiveError, match=f"told {state.name}, which is not a finished state"):
        result_of(0, 1.0, state, objectives=1)


@pytest.mark.parametrize("given", [(1, -2.0), [1, -2.0], np.array([1, -2.0]), iter([1, -2.0])])
def test_constraints_come_in_any_iterable(given):
    assert result_of(0, 1.0, None, given, objectives=1).constraints == (1.0, -2.0)


@pytest.mark.parametrize("state", [None, PRUNED, FAIL])
@pytest.mark.parametrize("given", [[math.nan], [math.inf], ["a"], 3])
def test_constraints_that_are_not_finite_numbers_are_refused_whatever_the_state(given, state):
    with pytest.raises(ObjectiveError, match="the constraints of trial 0 are"):
        result_of(0, 1.0, state, given, objectives=1)


def test_a_trial_that_is_told_by_its_number_keeps_the_constraints_that_it_set():
    study = lt.create_study(space={"x": lt.Float(0, 1)})
    trial = study.ask()
    trial.set_constraints([0.5])
    record = study.tell(trial.number, 1.0)
    assert record.constraints == (0.5,) and not record.is_feasible
