"""What an objective may return and report, checked: numbers that a study can keep."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import ObjectiveError
from ..space.labels import shown

_MAX_STEP = 2**63
_TOO_LARGE = "no float is that large; return NaN, or raise, if the trial failed, or a number up to 1e308"


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
    if values is None:
        raise ObjectiveError(f"trial {number} has no value (None): return a number from the objective")
    if isinstance(values, str | bytes | bool):
        raise ObjectiveError(f"trial {number} has the value {values!r}: it must be a number")
    try:
        if isinstance(values, float) or not isinstance(values, Sequence):  # the usual case first
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
