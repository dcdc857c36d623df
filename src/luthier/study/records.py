"""What comes from elsewhere, fitted to a study before it is stored: trials, as `create_trial` makes, and parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ..engine.engine import Engine
from ..errors import ObjectiveError, SpaceError
from ..space import Domain, Space
from ..space.growing import stored_without_space
from ..space.space import check_name
from ..trial import TrialRecord, TrialState
from ..trial.results import check_json, check_values, checked_report, finite_numbers
from ..types import Configuration
from .arguments import checked_state, checked_values_by_name, shown


def create_trial(
    params: Mapping[str, Any],
    value: float | None = None,
    *,
    values: Sequence[float] | None = None,
    state: TrialState | None = None,
    constraints: Iterable[float] = (),
    reports: Mapping[int, float] | Iterable[tuple[int, float]] = (),
    user_attrs: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> TrialRecord:
    """Return a trial that was run elsewhere, or is to be run, for `Study.add_trial`.

    >>> import luthier as lt
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)})
    >>> study.add_trial(lt.create_trial({"x": 0.25}, 1.5))
    >>> study.best_params, study.best_value
    ({'x': 0.25}, 1.5)

    Args:
        params: values by name; objects stand for themselves in a declared space.
        value: the value of the only objective.
        values: one for each of several objectives.
        state: COMPLETE by default where there is a value, else WAITING.
        constraints: feasible where every one is at most 0.
        reports: intermediate values by step, or pairs of step and value.
        user_attrs: JSON values by name.
        error: why it failed.

    Raises:
        TypeError, ValueError: an argument of the wrong kind; both value and values.
        SpaceError: a name that no parameter can have.
        ObjectiveError: values, constraints or reports that are not numbers; a step that is not a whole number of at
            least 0, or is there twice; values of a trial that waits; attributes that are not JSON.
    """
    if value is not None and values is not None:
        raise ValueError("give value (one objective) or values (several), not both")
    given = values if value is None else value
    state = checked_state(state)
    if state is None:  # WAITING counts as false
        state = TrialState.WAITING if given is None else TrialState.COMPLETE
    numbers = None if given is None else check_values(0, given, 1 if values is None else len(values))
    pairs = reports.items() if isinstance(reports, Mapping) else reports
    attrs = {} if user_attrs is None else checked_values_by_name("user_attrs", user_attrs)
    for key, attr in attrs.items():
        check_json(key, attr)
    named = checked_values_by_name("params", params)
    for name in named:
        check_name(name)
    record = TrialRecord(
        0,
        state,
        named,
        numbers,
        finite_numbers(constraints, "the constraints"),
        _checked_reports(0, pairs),
        attrs,
        error=error,
    )
    _check_not_begun(record)
    return record


def _checked_reports(trial: int, pairs: Iterable[Any]) -> tuple[tuple[int, float], ...]:
    """Reports in the order of their steps."""
    found: dict[int, float] = {}
    for pair in pairs:
        try:
            step, value = pair
        except (TypeError, ValueError):
            raise ObjectiveError(
                f"trial {trial} has the report {shown(pair)}: give values by step, or pairs of step and value"
            ) from None
        step, number = checked_report(trial, step, value)
        if step in found:
            raise ObjectiveError(f"trial {trial} reports step {step} twice: give one value for each step")
        found[step] = number
    return tuple(sorted(found.items()))


def _check_not_begun(trial: TrialRecord) -> None:
    if trial.state is TrialState.WAITING and trial.values is not None:
        raise ObjectiveError(
            f"trial {trial.number} is WAITING and has the values {trial.values}: leave them out, or add it as COMPLETE"
        )


def add_to(engine: Engine, trials: Iterable[TrialRecord], client: str | None = None) -> list[TrialRecord]:
    """Return trials from elsewhere as the study of an engine stores them now: all of them, or none.

    Args:
        engine: of the study.
        trials: what is added.
        client: a unique id of this call; None makes one.

    Raises:
        TypeError, SpaceError, ObjectiveError: as `checked_trials`, and where values do not fit the objectives.
    """
    given = list(trials) if isinstance(trials, Iterable) and not isinstance(trials, TrialRecord) else trials

    def checked() -> list[TrialRecord]:
        if engine.declared is not None:
            return checked_trials(given, engine.declared, {}, engine.stored)
        known = engine.domains_of(None)
        return checked_trials(given, None, known, partial(stored_without_space, known=known))

    return engine.add(checked, client)


def told_params(engine: Engine, params: Mapping[str, Any]) -> Configuration:
    """Return the parameters that a trial is told with as they are stored. Raises SpaceError where they cannot be."""
    if engine.declared is not None:
        return engine.declared.check_partial(params)
    return stored_without_space(params, engine.domains_of(params.keys()))


def checked_trials(
    trials: Iterable[TrialRecord],
    declared: Space | None,
    known: Mapping[str, Domain],
    waits: Callable[[Mapping[str, Any]], Configuration],
) -> list[TrialRecord]:
    """Trials with their parameters as a study stores them.

    Args:
        trials: from elsewhere.
        declared: the declared space; None where the objective defines it.
        known: the domains that it has shown so far, then.
        waits: returns the values of a trial that waits as they are stored.

    Raises:
        TypeError: something else than a record is among them.
        SpaceError: a parameter that the space lacks, a value outside its domain; for a trial that is complete or
            pruned also one that is missing, or a constraint of the space that does not hold.
        ObjectiveError: a trial that runs; one that waits and has values; reports as in `create_trial`.
    """
    if isinstance(trials, TrialRecord) or not isinstance(trials, Iterable):
        raise TypeError(f"trials={shown(trials)} is not a list of trials: use add_trial for one")
    return [_checked(i, trial, declared, known, waits) for i, trial in enumerate(trials)]


def _checked(
    i: int,
    trial: TrialRecord,
    declared: Space | None,
    known: Mapping[str, Domain],
    waits: Callable[[Mapping[str, Any]], Configuration],
) -> TrialRecord:
    if not isinstance(trial, TrialRecord):
        raise TypeError(f"{shown(trial)} is not a trial: make one with create_trial(params, value)")
    if trial.state is TrialState.RUNNING:
        raise ObjectiveError(f"trial {trial.number} is RUNNING elsewhere: add it when it is finished")
    _check_not_begun(trial)
    reports = _checked_reports(trial.number, trial.reports)
    try:
        if trial.state is TrialState.WAITING:
            params = waits(trial.params)
        elif declared is None:
            params = stored_without_space(trial.params, known)
        elif trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            params = declared.check(trial.params)
        else:
            params = declared.check_partial(trial.params)
    except SpaceError as error:
        raise SpaceError(f"the trial at position {i} does not fit the study: {error}") from error
    return trial.with_(params=params, reports=reports)
