"""write and tell: what they keep and what they refuse (promises 1, 4 and 7)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from ...errors import ConflictingTell, LuthierError, ObjectiveError, TrialNotFound, TrialNotRunning
from ...stores import Result, Store
from ...types import Configuration
from .tools import COMPLETE, DONE, FAIL, HOUR, PRUNED, RUNNING, WAITING, new_study, trials


class _Writing:
    """write and tell: what they keep and what they refuse (promises 1, 4 and 7)."""

    def test_written_fields_come_back(self, store: Store) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1").token
        params: Configuration = {"a": True, "b": 1, "c": 1.0, "d": "x", "e": None, "f": 1e-300, "g": 10**20}
        store.write(name, 0, token, params=params, attrs={"k": [1, "ü", None]})
        store.write(name, 0, token, attrs={"l": 2})
        trial = trials(store, name)[0]
        assert trial.params == params
        assert [type(x) for x in trial.params.values()] == [type(x) for x in params.values()]
        assert (trial.attrs, trial.state) == ({"k": [1, "ü", None], "l": 2}, RUNNING)
        store.write(name, 0, token, params={"a": 2})
        assert trials(store, name)[0].params == {"a": 2}

    def test_reports_are_in_order_each_step_once(self, store: Store) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1").token
        store.write(name, 0, token, reports=[(1, 0.1), (5, 0.5)])
        store.write(name, 0, token, reports=[(3, 0.3), (5, 9.0), (3, 9.0), (7, 0.7)])
        assert trials(store, name)[0].reports == ((1, 0.1), (3, 0.3), (5, 0.5), (7, 0.7))

    def test_numbers_that_are_not_finite_come_back(self, store: Store) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1").token
        store.write(name, 0, token, reports=[(1, math.nan), (2, math.inf), (3, -math.inf), (4, 0.1)])
        store.write(name, 0, token, attrs={"grad": [math.nan, {"max": math.inf}]})
        told = store.tell(name, 0, token, Result(PRUNED, (math.nan,), (math.nan, -1.0)))
        found = trials(store, name)[0]
        for trial in (told, found):
            assert [step for step, _ in trial.reports] == [1, 2, 3, 4]
            assert math.isnan(trial.reports[0][1])
            assert [value for _, value in trial.reports[1:]] == [math.inf, -math.inf, 0.1]
            assert trial.values is not None
            assert math.isnan(trial.values[0])
            assert math.isnan(trial.constraints[0])
            assert math.isnan(trial.attrs["grad"][0])
            assert trial.attrs["grad"][1] == {"max": math.inf}

    def test_what_is_not_json_is_refused_and_harms_nothing(self, store: Store) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1").token
        for call in (
            lambda: store.write(name, 0, token, attrs={"x": object()}),
            lambda: store.tell(name, 0, token, DONE, attrs={"x": {1, 2}}),
            lambda: store.set_trial_attrs(name, 0, {"x": b""}),
            lambda: store.set_study_attrs(name, {"x": object()}),
        ):
            with pytest.raises(LuthierError, match=r"str\(\.\.\.\)"):
                call()
        assert trials(store, name)[0].state is RUNNING
        store.tell(name, 0, token, DONE)

    def test_told_trial_is_finished_with_all_that_was_said(self, store: Store) -> None:
        name = new_study(store, directions=("minimize", "maximize"))
        trial = store.ask(name, "me", "1", HOUR)
        result = Result(COMPLETE, (0.1, -2.0), (0.5, -1.0))
        extras: dict[str, Any] = {"params": {"x": 1}, "reports": [(1, 1.0)], "attrs": {"a": 1}}
        told = store.tell(name, 0, trial.token, result, **extras)
        assert trials(store, name) == [told]
        assert (told.state, told.values, told.constraints) == (COMPLETE, (0.1, -2.0), (0.5, -1.0))
        assert (told.params, told.reports, told.attrs) == ({"x": 1}, ((1, 1.0),), {"a": 1})
        assert told.finished is not None
        assert trial.started is not None
        assert trial.started <= told.finished <= store.now()

    def test_pruned_and_failed_trials(self, store: Store) -> None:
        name = new_study(store)
        tokens = [store.ask(name, "me", str(i)).token for i in range(3)]
        error = 'Traceback "x"\n\x00 \ud800'  # what no database takes as it is
        store.tell(name, 0, tokens[0], Result(PRUNED))
        store.tell(name, 1, tokens[1], Result(PRUNED, (2.0,)))
        store.tell(name, 2, tokens[2], Result(FAIL, error=error))
        found = [(trial.state, trial.values, trial.error) for trial in trials(store, name)]
        assert found == [(PRUNED, None, None), (PRUNED, (2.0,), None), (FAIL, None, error)]

    def test_same_result_may_be_told_again(self, store: Store) -> None:
        name = new_study(store)
        for i, result in enumerate((DONE, Result(FAIL, error="x"), Result(PRUNED, (math.nan,), (math.inf,)))):
            token = store.ask(name, "me", str(i)).token
            told = store.tell(name, i, token, result)
            again = store.tell(name, i, token, result)
            assert (again.state, again.finished, again.token) == (told.state, told.finished, told.token)

    @pytest.mark.parametrize(
        "other", [Result(COMPLETE, (2.0,)), Result(COMPLETE, (1.0,), (0.0,)), Result(PRUNED, (1.0,)), Result(FAIL)]
    )
    def test_another_result_conflicts(self, store: Store, other: Result) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1").token
        told = store.tell(name, 0, token, DONE)
        with pytest.raises(ConflictingTell, match="trial 0 was told COMPLETE"):
            store.tell(name, 0, token, other)
        assert trials(store, name) == [told]

    @pytest.mark.parametrize(
        "result",
        [
            Result(COMPLETE),
            Result(COMPLETE, (math.nan,)),
            Result(COMPLETE, (math.inf,)),
            Result(COMPLETE, (-math.inf,)),
            Result(COMPLETE, (1.0, 2.0)),
            Result(PRUNED, (1.0, 2.0)),
            Result(FAIL, (1.0,)),
            Result(RUNNING),
            Result(WAITING),
        ],
        ids=str,
    )
    def test_what_is_no_result_is_refused(self, store: Store, result: Result) -> None:
        name = new_study(store)
        trial = store.ask(name, "me", "1")
        with pytest.raises(ObjectiveError, match="trial 0 was told"):
            store.tell(name, 0, trial.token, result)
        assert trials(store, name) == [trial]
        store.tell(name, 0, trial.token, DONE)

    @pytest.mark.parametrize("number", [1, -1, 2**80])
    def test_missing_trial(self, store: Store, number: int) -> None:
        name = new_study(store)
        token = store.ask(name, "me", "1").token
        calls: list[Callable[[], Any]] = [
            lambda: store.write(name, number, token),
            lambda: store.tell(name, number, token, DONE),
            lambda: store.set_trial_attrs(name, number, {}),
            lambda: store.requeue(name, number, token),
            lambda: store.fail(name, number, token, ""),
        ]
        for call in calls:
            with pytest.raises(TrialNotFound, match=f"no trial {number}"):
                call()

    def test_only_a_running_trial_can_be_told_or_written_to(self, store: Store) -> None:
        name = new_study(store)
        store.enqueue(name, {}, {}, "q")
        for token in ("", "t"):
            with pytest.raises(TrialNotRunning, match="trial 0 is WAITING"):
                store.write(name, 0, token)
        for state in (COMPLETE, FAIL):
            with pytest.raises(TrialNotRunning, match="trial 0 is WAITING"):
                store.tell(name, 0, None, Result(state, (1.0,) if state is COMPLETE else None))
        token = store.ask(name, "me", "1").token
        told = store.tell(name, 0, token, DONE)
        with pytest.raises(TrialNotRunning, match="trial 0 is COMPLETE"):
            store.write(name, 0, token, attrs={"a": 1})
        with pytest.raises(TrialNotRunning, match="trial 0 is COMPLETE"):
            store.tell(name, 0, None, DONE)
        assert trials(store, name) == [told]

    def test_attributes_can_be_set_in_any_state(self, store: Store) -> None:
        name = new_study(store)
        store.enqueue(name, {}, {"a": 0}, "q")
        store.set_trial_attrs(name, 0, {"b": 1})
        token = store.ask(name, "me", "1").token
        store.set_trial_attrs(name, 0, {"c": 2})
        store.tell(name, 0, token, DONE)
        store.set_trial_attrs(name, 0, {"a": 3})
        assert trials(store, name)[0].attrs == {"a": 3, "b": 1, "c": 2}
