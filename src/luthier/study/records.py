"""Trials from elsewhere: `create_trial` makes one, `checked_trials` fits them to a study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import ObjectiveError, SpaceError
from ..live import check_json, check_values, finite_numbers
from ..space import Space
from ..space.labels import label_of
from ..trial import TrialRecord, TrialState
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
        ObjectiveError: values, constraints or reports that are not numbers, attributes that are not JSON.
    """
    if value is not None and values is not None:
        raise ValueError("give value (one objective) or values (several), not both")
    given = values if value is None else value
    state = checked_state(state) or (TrialState.WAITING if given is None else TrialState.COMPLETE)
    numbers = None if given is None else check_values(0, given, 1 if values is None else len(values))
    pairs = reports.items() if isinstance(reports, Mapping) else reports
    attrs = {} if user_attrs is None else checked_values_by_name("user_attrs", user_attrs)
    for key, attr in attrs.items():
        check_json(key, attr)
    return TrialRecord(
        0,
        state,
        checked_values_by_name("params", params),
        numbers,
        finite_numbers(constraints, "the constraints"),
        tuple(sorted((int(step), float(x)) for step, x in pairs)),
        attrs,
        error=error,
    )


def checked_trials(trials: Iterable[TrialRecord], space: Space | None) -> list[TrialRecord]:
    """Trials with their parameters as a study stores them.

    Args:
        trials: from elsewhere.
        space: the declared space; None where the objective defines it.

    Raises:
        TypeError: something else than a record is among them.
        SpaceError: a parameter that the space lacks, a value outside its domain; for a trial that is complete or
            pruned also one that is missing, or a constraint of the space that does not hold.
    """
    if isinstance(trials, TrialRecord) or not isinstance(trials, Iterable):
        raise TypeError(f"trials={shown(trials)} is not a list of trials: use add_trial for one")
    return [_checked(i, trial, space) for i, trial in enumerate(trials)]


def _checked(i: int, trial: TrialRecord, space: Space | None) -> TrialRecord:
    if not isinstance(trial, TrialRecord):
        raise TypeError(f"{shown(trial)} is not a trial: make one with create_trial(params, value)")
    if trial.state is TrialState.RUNNING:
        raise ObjectiveError(f"trial {trial.number} is RUNNING elsewhere: add it when it is finished")
    try:
        if space is None:
            params = {name: label_of(value) for name, value in trial.params.items()}
        elif trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            params = space.check(trial.params)
        else:
            params = space.check_partial(trial.params)
    except SpaceError as error:
        raise SpaceError(f"the trial at position {i} does not fit the study: {error}") from error
    return trial.with_(params=params)
