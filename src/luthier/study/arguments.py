"""What users pass, checked at once: pure functions that return an argument in its one form, or raise."""

from __future__ import annotations

import enum
import inspect
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import timedelta
from typing import Any, TypeVar

from ..space import Domain, Space
from ..trial import TrialState
from ..types import Direction

T = TypeVar("T")

MAX_NAME = 200
"""Characters of a study's name: what every storage, and the service, can keep."""


# -- of a run


def checked_objective(objective: Callable[[Any], T]) -> Callable[[Any], T]:
    """The objective, if it can be called with a trial.

    Raises:
        TypeError: it is not callable, a class, a coroutine or generator function, or takes other arguments than one.
    """
    if not callable(objective):
        raise TypeError(f"objective={shown(objective)} is not callable: pass a function that takes a trial")
    if isinstance(objective, type):
        raise TypeError(f"objective={objective.__name__} is a class: pass an instance with __call__, or a function")
    if _is(inspect.iscoroutinefunction, objective) or _is(inspect.isasyncgenfunction, objective):
        raise TypeError(
            f"objective={_name(objective)} is an async function, which nothing would await: pass "
            "lambda trial: asyncio.run(objective(trial))"
        )
    if _is(inspect.isgeneratorfunction, objective):
        raise TypeError(f"objective={_name(objective)} has a `yield`, so it returns no value: use `return`")
    try:
        signature = inspect.signature(objective)
    except (TypeError, ValueError):  # of a function in C that does not tell
        return objective
    try:
        signature.bind(None)
    except TypeError:
        raise TypeError(
            f"objective={_name(objective)}{signature} must take one argument, the trial: bind the others with "
            "lambda trial: objective(trial, ...)"
        ) from None
    return objective


def _is(test: Callable[[Any], bool], objective: Any) -> bool:
    """Whether a test holds for a function, for the one in a `partial`, or for the `__call__` of an object."""
    return test(objective) or test(getattr(objective, "func", None)) or test(getattr(objective, "__call__", None))  # noqa: B004


def _name(objective: Any) -> str:
    return getattr(objective, "__qualname__", None) or type(objective).__qualname__


def checked_count(argument: str, value: Any, least: int = 0) -> int | None:
    """A whole number, NumPy's included, or None.

    Raises:
        TypeError: it is something else, such as True, 2.5, or text.
        ValueError: it is less than `least`.
    """
    if value is None:
        return None
    number = _whole(argument, value, "a whole number, or None for no limit")
    if number < least:
        raise ValueError(f"{argument}={number} must be at least {least}")
    return number


def checked_retries(max_retries: Any) -> int:
    """A whole number of at least 0. Raises TypeError or ValueError for anything else."""
    number = _whole("max_retries", max_retries, "a whole number")
    if number < 0:
        raise ValueError(f"max_retries={number} must be at least 0")
    return number


def checked_jobs(n_jobs: Any) -> int:
    """The number of workers.

    Raises:
        TypeError: it is not a whole number.
        ValueError: it is neither -1 nor at least 1.
    """
    number = _whole("n_jobs", n_jobs, "a whole number of workers, or -1 for one per core")
    if number < 1 and number != -1:
        raise ValueError(f"n_jobs={number} must be at least 1, or -1 for one per core")
    return number


def checked_seconds(argument: str, value: Any, *, positive: bool = False) -> float | None:
    """Seconds from a number or a `timedelta`; None for no limit.

    Args:
        argument: its name.
        value: what was given.
        positive: whether 0 is refused as well.

    Raises:
        TypeError: it is neither.
        ValueError: it is negative or NaN.
    """
    if value is None:
        return None
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    else:
        seconds = _real(argument, value, "seconds as a number, a timedelta, or None for no limit")
    if not seconds >= 0 or (positive and seconds == 0):
        raise ValueError(f"{argument}={value} must be {'more than' if positive else 'at least'} 0 seconds")
    return seconds


def checked_catch(catch: Any) -> tuple[type[Exception], ...]:
    """Exception classes, from one, from several, or from None.

    Raises:
        TypeError: something in it is not a class of exceptions, or one of those that end a program.
    """
    if catch is None:
        return ()
    if isinstance(catch, str | bytes | BaseException):
        instead = type(catch).__name__ if isinstance(catch, BaseException) else "Exception"
        raise TypeError(
            f"catch={shown(catch)} is not a class of exceptions: pass catch={instead}, or several in a list"
        )
    kinds = tuple(catch) if isinstance(catch, Iterable) and not isinstance(catch, type) else (catch,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise TypeError(
                f"catch has {shown(kind)}, which is not a subclass of Exception: pass classes, as in catch=[ValueError]"
            )
    return kinds


def checked_callbacks(callbacks: Any) -> tuple[Callable[..., Any], ...]:
    """Functions from a list of them, or from None.

    Raises:
        TypeError: it is one function, or something in it cannot be called.
    """
    if callbacks is None:
        return ()
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks={shown(callbacks)} is not a list of functions: pass callbacks=[...]")
    functions = tuple(callbacks)
    for function in functions:
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"callbacks has {shown(function)}, which is not a function of a study and a trial")
    return functions


def check_one_limit(n_trials: Any, total_trials: Any) -> None:
    """Raise ValueError where both ways to count trials are given."""
    if n_trials is not None and total_trials is not None:
        raise ValueError("give n_trials (adds trials) or total_trials (counts all), not both")


# -- of a trial


def checked_number(trial: Any) -> int:
    """The number of a trial. Raises TypeError if it is neither a whole number nor what `ask` returned."""
    return _whole("trial", trial, "a Trial or its number")


def checked_state(state: Any) -> TrialState | None:
    """A state, or None; members of another enumeration, and strings, count by their name.

    Raises:
        TypeError: it is something else.
        ValueError: there is no state of that name.
    """
    if state is None or isinstance(state, TrialState):
        return state
    name = state.name if isinstance(state, enum.Enum) else state
    if not isinstance(name, str):
        raise TypeError(f"state={shown(state)} is not a TrialState: pass lt.TrialState.COMPLETE, PRUNED or FAIL")
    if name not in TrialState.__members__:
        raise ValueError(f"state={name!r} is unknown: it must be one of {', '.join(TrialState.__members__)}")
    return TrialState[name]


def checked_values_by_name(argument: str, given: Any) -> dict[str, Any]:
    """A dictionary of values by name. Raises TypeError for anything else."""
    if not isinstance(given, Mapping):
        raise TypeError(f"{argument}={shown(given)} is not a dictionary of values by name")
    return dict(given)


# -- of a study


def checked_directions(direction: Any, directions: Any) -> tuple[Direction, ...]:
    """The direction of each objective; members of an enumeration count by their name.

    Raises:
        TypeError: `directions` is one string, or has no order.
        ValueError: both are given, there is none, or one is neither "minimize" nor "maximize".
    """
    if direction is not None and directions is not None:
        raise ValueError("give direction (one objective) or directions (several), not both")
    if directions is None:
        return (_direction("direction", "minimize" if direction is None else direction),)
    if isinstance(directions, str):
        raise TypeError(f"directions={directions!r} is one string: pass direction={directions!r}, or a list of several")
    if not isinstance(directions, Iterable) or isinstance(directions, Set | Mapping):
        raise TypeError(f"directions={shown(directions)} is not a list: pass one direction per objective, in order")
    chosen = tuple(_direction(f"directions[{i}]", one) for i, one in enumerate(directions))
    if not chosen:
        raise ValueError("directions=[] is empty: give at least one, each 'minimize' or 'maximize'")
    return chosen


def _direction(argument: str, given: Any) -> Direction:
    text = given.name.lower() if isinstance(given, enum.Enum) else given
    if isinstance(text, str) and text == "minimize":
        return "minimize"
    if isinstance(text, str) and text == "maximize":
        return "maximize"
    raise ValueError(f"{argument}={shown(given)} must be 'minimize' or 'maximize'")


def checked_objective_names(names: Any, objectives: int | None) -> tuple[str, ...] | None:
    """A name for each objective, or None.

    Args:
        names: what was given.
        objectives: how many there are; None where an existing study will tell.

    Raises:
        TypeError: they are not strings in a list.
        ValueError: they are not as many as the objectives, one is empty, or two are equal.
    """
    if names is None:
        return None
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise TypeError(f"objective_names={shown(names)} is not a list: pass one name per objective, in order")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"objective_names has {shown(name)}, which is not a string")
    if objectives is not None and len(names) != objectives:
        raise ValueError(f"objective_names has {len(names)} names: the study has {objectives} objectives")
    if len(set(names)) < len(names) or not all(names):
        raise ValueError(f"objective_names={list(names)} must differ from each other and must not be empty")
    return tuple(names)


def checked_seed(seed: Any) -> int | None:
    """A whole number of at least 0, or None.

    Raises:
        TypeError: it is something else.
        ValueError: it is negative.
    """
    if seed is None:
        return None
    number = _whole("seed", seed, "a whole number, or None for a fresh one")
    if number < 0:
        raise ValueError(f"seed={number} must be at least 0")
    return number


def checked_name(name: Any, argument: str = "study_name") -> str | None:
    """A name for a study, or None.

    Raises:
        TypeError: it is not a string.
        ValueError: it is empty, longer than 200 characters, or has characters that a storage cannot keep.
    """
    if name is None:
        return None
    if not isinstance(name, str):
        raise TypeError(f"{argument}={shown(name)} is not a string")
    if not name:
        raise ValueError(f"{argument} is empty: give a name, or leave it out")
    if len(name) > MAX_NAME:
        raise ValueError(f"{argument} has {len(name)} characters: at most {MAX_NAME} are allowed")
    if any(x < " " or x == "\x7f" or "\ud800" <= x <= "\udfff" for x in name):
        raise ValueError(f"{argument}={name!r} has control characters or lone surrogates: leave them out")
    return name


def checked_space(space: Any) -> Space | None:
    """A space, made of a dictionary of domains if it is one; None where the objective defines it.

    Raises:
        TypeError: it is something else.
        SpaceError: as `Space`.
    """
    if space is None or isinstance(space, Space):
        return space
    if isinstance(space, Mapping):
        return Space(space)
    if isinstance(space, Domain):
        raise TypeError(f"space={shown(space)} is one domain without a name: pass a dictionary, {{'x': ...}}")
    raise TypeError(f"space={shown(space)} is not a space: pass a Space, or a dictionary of domains by name")


def check_lease(seconds: Any) -> None:
    """Raise TypeError or ValueError unless a lease is a positive number of seconds."""
    if not 0 < _real("lease_seconds", seconds, "a number of seconds") < math.inf:
        raise ValueError(f"lease_seconds={seconds}: give a positive number of seconds")


# -- kinds


def _whole(argument: str, value: Any, expected: str) -> int:
    if not isinstance(value, bool) and type(value).__name__ not in ("bool_", "bool"):
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise TypeError(f"{argument}={shown(value)} is not {expected}")


def _real(argument: str, value: Any, expected: str) -> float:
    if not isinstance(value, bool | str | bytes | bytearray):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
        except OverflowError:
            return math.inf
    raise TypeError(f"{argument}={shown(value)} is not {expected}")


def shown(value: object) -> str:
    """A value for a message: short, and without the address of an object."""
    if callable(value) and hasattr(value, "__name__"):
        return str(value.__name__)
    text = repr(value)
    return text if len(text) <= 60 and " at 0x" not in text else f"<{type(value).__name__}>"
