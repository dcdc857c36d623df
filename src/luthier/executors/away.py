"""evaluate_away: the objective in a worker, with whatever it raises made fit to be sent home.

Pickle is the only way for lambdas and exceptions. What is loaded here comes from the user's own study, or from a worker
that has proved to have the key of the run (`line`).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..errors import LuthierError
from ..trial import Trial
from .protocol import Outcome, evaluate, shown


@dataclass(frozen=True)
class Exited:
    """The objective left in a way that ends the run, as `sys.exit` does."""

    exception: BaseException


def packed_objective(objective: Any) -> bytes:
    """Return the objective for workers, and whatever goes with it; lambdas and closures too.

    Raises:
        LuthierError: something in it cannot be sent.
    """
    import cloudpickle

    try:
        return cloudpickle.dumps(objective)  # type: ignore[no-any-return]
    except Exception as error:  # whatever the objects in it raise
        raise LuthierError(
            f"the objective cannot be sent to workers: {type(error).__name__}: {error}; open files, locks, connections "
            "and the like inside the objective, or run in this process with n_jobs=1"
        ) from error


def unpacked_objective(objective: bytes) -> Any:
    """Return what was packed, in a worker.

    Raises:
        LuthierError: something that it needs is not there.
    """
    try:
        return pickle.loads(objective)
    except Exception as error:
        raise LuthierError(
            f"a worker cannot load the objective: {type(error).__name__}: {error}; what it imports must be installed "
            "where it runs, in the same version"
        ) from None


def evaluate_away(objective: Callable[[Trial], Any], trial: Trial) -> Outcome | Exited:
    """Run the objective on one trial, in a worker."""
    try:
        outcome = evaluate(objective, trial)
    except BaseException as error:  # Ctrl-C, an exit: not the end of this worker, but of the run
        return Exited(sendable(error))
    exception = None if outcome.exception is None else sendable(outcome.exception)
    return replace(outcome, exception=exception)


def sendable(error: Any) -> Any:
    """Return the exception in a wrapper that becomes it again on arrival, or one like it if it cannot travel."""
    import cloudpickle

    state = {name: value for name, value in vars(error).items() if _travels(value)}
    arguments = tuple(x if _travels(x) else shown(x) for x in error.args)
    for content in (error, (type(error), arguments, state)):
        try:
            data = cloudpickle.dumps(content)
            if type(_restored(data)) is type(error):
                return _Pickled(data, shown(error))
        except Exception:  # whatever its own methods raise: the next way is tried
            continue
    return RuntimeError(f"the objective raised {shown(error)}")


class _Pickled:
    """An exception on its way."""

    def __init__(self, data: bytes, shown: str) -> None:
        self._data = data
        self._shown = shown

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (self._data, self._shown)


def _arrived(data: bytes, shown: str) -> BaseException:
    try:
        return _restored(data)
    except Exception as error:  # its class is only there
        return RuntimeError(f"the objective raised {shown}, which cannot be loaded here: {error}")


def _restored(data: bytes) -> BaseException:
    content = pickle.loads(data)
    if isinstance(content, BaseException):
        return content
    kind, arguments, state = content
    error: BaseException = kind.__new__(kind, *arguments)  # not by its own __init__, whose arguments are unknown
    error.args = arguments
    vars(error).update(state)
    return error


def _travels(value: Any) -> bool:
    import cloudpickle

    try:
        pickle.loads(cloudpickle.dumps(value))
    except Exception:  # whatever its own methods raise: then it is shown as text
        return False
    return True
