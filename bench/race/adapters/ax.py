"""Ax's `Client` with its default generation strategy; conditions as dependent parameters."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

from ..plain import Parameter, Raw, WorstSeen


def _config(parameters: Sequence[Parameter], p: Parameter) -> Any:
    if p.is_choice:
        below = {i: [q.name for q in parameters if i in q.when.get(p.name, ())] for i in range(len(p.labels))}
        dependent = {i: names for i, names in below.items() if names}
        return ChoiceParameterConfig(
            name=p.name,
            values=list(range(len(p.labels))),
            parameter_type="int",
            is_ordered=False,
            dependent_parameters=dependent or None,
        )
    if p.labels:
        return ChoiceParameterConfig(
            name=p.name, values=list(range(len(p.labels))), parameter_type="int", is_ordered=True
        )
    kind = "float" if p.is_float else "int"
    scaling = "log" if p.log else "linear"
    return RangeParameterConfig(name=p.name, bounds=(p.low, p.high), parameter_type=kind, scaling=scaling)


class Ax:
    """Ask and tell of the client."""

    def __init__(self, parameters: Sequence[Parameter], seed: int) -> None:
        logging.disable(logging.WARNING)
        warnings.filterwarnings("ignore")
        self._finite = WorstSeen()
        self._client = Client(random_seed=seed)
        self._client.configure_experiment(parameters=[_config(parameters, p) for p in parameters])
        self._client.configure_optimization(objective="-loss")

    def ask(self) -> Raw:
        ((self._index, chosen),) = self._client.get_next_trials(max_trials=1).items()
        return dict(chosen)

    def tell(self, loss: float) -> None:
        for index, value in self._finite(self._index, loss):
            self._client.complete_trial(trial_index=index, raw_data={"loss": value})

    def recommend(self) -> Raw:
        return dict(self._client.get_best_parameterization()[0])
