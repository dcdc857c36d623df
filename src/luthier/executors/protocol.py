"""What an executor is: it takes trials from a source, runs the objective on each, and hands back what came out.

Executors do not depend on studies, so a study can call them: they lie below it.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ..errors import TrialPruned
from ..trial import Session, Trial, TrialState
from ..types import Configuration


@dataclass(frozen=True)
class Outcome:
    """Holds what came out of an objective.

    >>> import luthier as lt
    >>> from luthier.executors import Outcome
    >>> Outcome(lt.TrialState.COMPLETE, values=0.5, params={"x": 0.2}).state.name
    'COMPLETE'

    Attributes:
        state: COMPLETE, PRUNED or FAIL.
        values: the number or numbers that the objective returned, unchecked; a short text in place of what is no
            number, which may be huge, or impossible to send.
        params: stored values of the parameters that it asked for.
        constraints: what it set.
        error: its traceback.
        exception: what it raised, except for `TrialPruned`.
    """

    state: TrialState
    values: Any
    params: Configuration
    constraints: tuple[float, ...] = ()
    error: str | None = None
    exception: Exception | None = None


class TrialSource(Protocol):
    """Gives an executor its trials, and takes what came of them. Safe for threads.

    >>> import luthier as lt
    >>> from luthier.executors import Outcome, TrialSource
    >>> class Guess:
    ...     def run(self, objective, source: TrialSource):
    ...         while (trial := source.next()) is not None:
    ...             source.done(trial, Outcome(lt.TrialState.COMPLETE, 0.5, trial.params))
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)})
    >>> study.optimize(lambda trial: trial.params["x"], n_trials=2, executor=Guess())
    >>> [trial.values for trial in study.trials]
    [(0.5,), (0.5,)]
    """

    @property
    def session(self) -> Session:
        """What running trials talk to."""
        ...

    def next(self) -> Trial | None:
        """Return a trial to run; None when there are no more."""
        ...

    def done(self, trial: Trial, outcome: Outcome) -> None:
        """The objective ended. Raises what it raised, unless that is to be caught."""
        ...

    def tell_and_ask(self, trial: Trial, outcome: Outcome) -> Trial | None:
        """`done`, and `next` right after it, which may cost less than the two."""
        ...

    def lost(self, trial: Trial, reason: str) -> None:
        """The worker of the trial died: the trial is queued again, or given up after too many times."""
        ...

    def interrupted(self, trial: Trial) -> None:
        """The run ends before the trial did: the trial is queued again."""
        ...


@runtime_checkable
class Executor(Protocol):
    """Runs an objective on the trials of a source until there are no more.

    >>> import luthier as lt
    >>> from luthier.executors import Executor, InlineExecutor
    >>> class Loud:
    ...     def run(self, objective, source):
    ...         print("starts")
    ...         InlineExecutor().run(objective, source)
    >>> isinstance(Loud(), Executor)
    True
    >>> lt.create_study().optimize(lambda trial: 0.5, n_trials=1, executor=Loud())
    starts
    """

    def run(self, objective: Callable[[Trial], Any], source: TrialSource) -> None:
        """Run them all. Whatever ends it, no trial of the source is left running."""
        ...


def evaluate(objective: Callable[[Trial], Any], trial: Trial) -> Outcome:
    """Run the objective on one trial; its exceptions become outcomes, Ctrl-C and exits do not.

    >>> import luthier as lt
    >>> from luthier.executors import evaluate
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)}, seed=0)
    >>> outcome = evaluate(lambda trial: 2.0, study.ask())
    >>> outcome.state.name, outcome.values
    ('COMPLETE', 2.0)
    """
    try:
        values = objective(trial)
    except TrialPruned:
        return Outcome(TrialState.PRUNED, None, trial.stored_params, trial.constraints)
    except Exception as error:
        import traceback

        text = "".join(traceback.format_exception(error))
        return Outcome(TrialState.FAIL, None, trial.stored_params, trial.constraints, text, error)
    return Outcome(TrialState.COMPLETE, _plain(values), trial.stored_params, trial.constraints)


def _plain(values: Any) -> Any:
    if values is None or isinstance(values, float | bool):
        return values
    try:
        if isinstance(values, Sequence) and not isinstance(values, str | bytes):
            return tuple(map(float, values))
        return shown(values) if isinstance(values, str | bytes) else float(values)
    except Exception:  # whatever a foreign object raises: it is not a number
        return shown(values)


def shown(value: Any) -> str:
    """Any object in a few characters; exceptions whole."""
    try:
        if isinstance(value, str):
            return value[:80]
        return repr(value) if isinstance(value, BaseException) else reprlib.repr(value)
    except Exception:  # its own __repr__ is broken
        return f"an object of {type(value).__name__}"
