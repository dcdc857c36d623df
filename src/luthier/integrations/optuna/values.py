"""Optuna's distributions, values and trials in Luthier's terms, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from ...errors import SpaceError
from ...space import Choice, Domain, Float, Int
from ...space.labels import label_key, label_of
from ...trial import TrialRecord, TrialState
from ...types import Configuration, Direction, Label


def domain_of(distribution: BaseDistribution) -> Domain:
    """Return the domain of a distribution, without condition or default.

    A choice that is no JSON scalar, is not finite or is listed twice gets its `repr` as label.

    Raises:
        SpaceError: there is no such domain.
    """
    if isinstance(distribution, FloatDistribution):
        return Float(distribution.low, distribution.high, log=distribution.log, step=distribution.step)
    if isinstance(distribution, IntDistribution):
        return Int(distribution.low, distribution.high, log=distribution.log, step=distribution.step)
    if isinstance(distribution, CategoricalDistribution):
        return Choice(labels_of(distribution.choices))
    raise SpaceError(f"{distribution!r} is a distribution that Luthier does not support")


def labels_of(choices: Sequence[Any]) -> list[Label]:
    """Return the labels under which the choices are stored, in their order."""
    labels: dict[str, Label] = {}
    for i, choice in enumerate(choices):
        try:
            label = label_of(choice)
        except SpaceError:
            label = repr(choice)
        if label_key(label) in labels:
            label = f"{label} ({i})"
        labels[label_key(label)] = label
    return list(labels.values())


def to_label(distribution: BaseDistribution, value: Any) -> Label:
    """Return the stored form of a parameter's value."""
    if not isinstance(distribution, CategoricalDistribution):
        return float(value) if isinstance(distribution, FloatDistribution) else int(value)
    labels = labels_of(distribution.choices)
    for i, choice in enumerate(distribution.choices):
        if choice is value:  # before -0.0 equals 0.0
            return labels[i]
    for i, choice in enumerate(distribution.choices):
        if type(choice) is type(value) and choice == value:  # True is not 1 here
            return labels[i]
    return labels[int(distribution.to_internal_repr(value))]


def to_value(distribution: BaseDistribution, label: Label) -> Any:
    """Return the value behind the stored form."""
    if not isinstance(distribution, CategoricalDistribution):
        return label
    keys = [label_key(known) for known in labels_of(distribution.choices)]
    return distribution.choices[keys.index(label_key(label))]


def record_of(
    trial: FrozenTrial, number: int, params: Configuration, constraints: tuple[float, ...], created: float
) -> TrialRecord:
    """Return the record of a trial as it stands in Optuna."""
    state, error = TrialState[trial.state.name], trial.system_attrs.get("fail_reason")
    values = tuple(map(float, trial.values)) if trial.values is not None else None
    if values is not None and not all(map(math.isfinite, values)):
        if state is TrialState.COMPLETE:
            state, error = TrialState.FAIL, f"it is COMPLETE in Optuna with the values {values}: values must be finite"
        values = None
    started, finished = _seconds(trial.datetime_start), _seconds(trial.datetime_complete)
    if state.is_finished and finished is None:
        finished = started if started is not None else created
    return TrialRecord(
        number,
        state,
        params,
        values if state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
        constraints,
        tuple(sorted((int(step), float(value)) for step, value in trial.intermediate_values.items())),
        dict(trial.user_attrs),
        error=error,
        created=created if started is None else started,
        started=started,
        finished=finished,
    )


def _seconds(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()  # Optuna's are in local time, without saying so


def _constraints(trial: FrozenTrial) -> dict[str, float]:
    """A trial's constraints by name: of Optuna 4, in a list, and of Optuna 5, one by one."""
    found = {str(i): float(x) for i, x in enumerate(trial.system_attrs.get("constraints") or ())}
    prefix = "constraints:"
    for key, value in trial.system_attrs.items():
        if key.startswith(prefix):
            found[key.removeprefix(prefix)] = float(value)
    return found


class Constraints:
    """Names of constraints in the order in which they were met, which is their order in a record."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def of(self, trial: FrozenTrial) -> tuple[float, ...]:
        """Return the constraints of a trial, by position."""
        found = _constraints(trial)
        self._names.update(dict.fromkeys(found))
        return tuple(found.get(name, 0.0) for name in self._names) if found else ()  # what is missing holds


def params_of(trial: FrozenTrial, distributions: Mapping[str, BaseDistribution]) -> Configuration:
    """Return a trial's parameters as they are stored, as far as they are wanted."""
    return {name: to_label(distributions[name], x) for name, x in trial.params.items() if name in distributions}


def directions_of(study: optuna.Study) -> tuple[Direction, ...]:
    """Return whether each objective is minimized or maximized."""
    maximize = optuna.study.StudyDirection.MAXIMIZE
    return tuple("maximize" if direction == maximize else "minimize" for direction in study.directions)


def queued_of(trial: FrozenTrial, latest: Mapping[str, BaseDistribution]) -> Configuration:
    """Return the parameters that an unfinished trial was enqueued with."""
    if trial.state.is_finished():
        return {}
    params: Configuration = {}
    for name, value in trial.system_attrs.get("fixed_params", {}).items():
        try:
            params[name] = to_label(latest[name], value)
        except (KeyError, ValueError):  # not suggested so far, or with other choices
            params[name] = labels_of([value])[0]
    return params
