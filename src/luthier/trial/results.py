"""The rule for results: what becomes of what an objective returned, raised or reported."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ObjectiveError
from ..space.labels import shown
from ..types import Reports
from .record import TrialState

_MAX_STEP = 2**63
_TOO_LARGE = "no float is that large; return NaN, or raise, if the trial failed, or a number up to 1e308"


@dataclass(frozen=True, slots=True)
class Result:
    """Holds what a trial is told. Two results are the same when every field is.

    >>> import luthier as lt
    >>> from luthier.stores import MemoryStore, Result, StudyRecord
    >>> store = MemoryStore()
    >>> store.create_study(StudyRecord("mine", ("minimize",), seed=0))
    >>> trial = store.ask("mine", "me", "call-1")
    >>> store.tell("mine", trial.number, trial.token, Result(lt.TrialState.COMPLETE, (0.5,))).values
    (0.5,)
    """

    state: TrialState
    values: tuple[float, ...] | None = None
    constraints: tuple[float, ...] = ()
    error: str | None = None


def result_of(
    number: int,
    values: Any,
    state: TrialState | None = None,
    constraints: Iterable[float] = (),
    error: str | None = None,
    *,
    objectives: int,
    reports: Reports = (),
) -> Result:
    """Return what a trial is told: the one rule for what an objective returned, and for how it ended.

    >>> from luthier.trial.results import result_of
    >>> result_of(7, 0.5, objectives=1).values
    (0.5,)
    >>> result_of(7, float("nan"), objectives=1).state.name
    'FAIL'

    Args:
        number: of the trial, for messages.
        values: what the objective returned: one number per objective. NaN among them makes the trial FAIL.
        state: COMPLETE by default. A FAIL has no values, whatever they are.
        constraints: feasible where every entry is at most 0.
        error: why it failed.
        objectives: how many the study has.
        reports: of the trial: the last is the value of a pruned trial without values, if it is finite and the study
            has one objective.

    Raises:
        ObjectiveError: values that are not a result: None, text, ±inf, too few or too many; a state that is not a
            finished one; constraints that are not finite numbers.
    """
    if state is not None and not state.is_finished:
        raise ObjectiveError(
            f"trial {number} was told {state.name}, which is not a finished state: tell COMPLETE, PRUNED or FAIL"
        )
    if type(constraints) is not tuple or constraints:
        constraints = finite_numbers(constraints, f"the constraints of trial {number}")
    if state is TrialState.FAIL:
        return Result(state, None, constraints, error)
    if state is TrialState.PRUNED and values is None:
        last = reports[-1][1] if reports and objectives == 1 else math.nan
        return Result(state, (last,) if math.isfinite(last) else None, constraints, error)
    numbers = check_values(number, values, objectives)
    if any(map(math.isnan, numbers)):
        return Result(TrialState.FAIL, None, constraints, error or f"the objective returned {values}: NaN fails")
    return Result(TrialState.COMPLETE if state is None else state, numbers, constraints, error)


def checked_report(trial: int, step: Any, value: Any) -> tuple[int, float]:
    """A step and the intermediate value there; `ObjectiveError` unless they are a whole number >= 0 and a number.

    Args:
        trial: the number of the trial that reports it.
        step: a whole number.
        value: a number; NaN and infinite ones are allowed.
    """
    try:
        number = float(value)  # a tensor of one element is a number too
    except OverflowError:
        raise ObjectiveError(f"trial {trial} reports {shown(value)}: {_TOO_LARGE}") from None
    except (TypeError, ValueError):
        number = None
    if number is None or isinstance(value, bool | str):
        raise ObjectiveError(f"trial {trial} reports {shown(value)}: a report must be a number")
    if isinstance(step, bool) or not isinstance(step, int | np.integer) or not 0 <= step < _MAX_STEP:
        raise ObjectiveError(
            f"trial {trial} reports step {shown(step)}: a step must be a whole number from 0 to 2**63 - 1"
        )
    return int(step), number


def check_values(number: int, values: Any, count: int) -> tuple[float, ...]:
    """The values of a trial as floats, NaN among them perhaps.

    Raises:
        ObjectiveError: None, text, ±inf, or not one number per objective.
    """
    if type(values) is float and count == 1 and math.isfinite(values):  # the usual case first
        return (values,)
    if values is None:
        raise ObjectiveError(f"trial {number} has no value (None): return a number from the objective")
    if isinstance(values, str | bytes | bool):
        raise ObjectiveError(f"trial {number} has the value {values!r}: it must be a number")
    try:
        if isinstance(values, float) or not isinstance(values, Sequence):
            numbers: tuple[float, ...] = (float(values),)
        else:
            numbers = tuple(map(float, values))
    except OverflowError:
        raise ObjectiveError(f"trial {number} has the value {shown(values)}: {_TOO_LARGE}") from None
    except (TypeError, ValueError):
        raise ObjectiveError(f"trial {number} has the value {shown(values)}: it must be a number") from None
    if len(numbers) != count:
        raise ObjectiveError(f"trial {number} has {len(numbers)} values: the study has {count} objectives")
    if any(map(math.isinf, numbers)):
        raise ObjectiveError(
            f"trial {number} has the value {numbers if count > 1 else numbers[0]}: infinite values are refused; "
            "return NaN, or raise, if the trial failed, or a large finite number"
        )
    return numbers


def finite_numbers(values: Iterable[float], what: str) -> tuple[float, ...]:
    """The values as floats; `ObjectiveError` unless all are finite numbers."""
    try:
        numbers = tuple(float(x) for x in values)
    except (TypeError, ValueError, OverflowError) as error:
        raise ObjectiveError(f"{what} are {shown(values)}: give numbers up to 1e308") from error
    if not all(map(math.isfinite, numbers)):
        raise ObjectiveError(f"{what} are {numbers}: give finite numbers")
    return numbers


def check_json(key: str, value: Any) -> None:
    """Raise `ObjectiveError` unless the value can be stored as JSON."""
    if not isinstance(key, str):
        raise ObjectiveError(f"an attribute's name is {key!r}: it must be a string")
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ObjectiveError(f"attribute {key!r} is {shown(value)}, which is not JSON: {error}") from error
