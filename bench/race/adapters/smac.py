"""SMAC3's HyperparameterOptimizationFacade, with conditions in ConfigSpace.

`deterministic=True`: SMAC then spends every trial on a new configuration, as all others here do; its other mode
re-evaluates incumbents, which a race judged by the best observed value would not reward.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import ConfigSpace as cs
from smac import HyperparameterOptimizationFacade, Scenario
from smac.runhistory import TrialValue

from ..plain import Parameter, Raw, WorstSeen


def _space(parameters: Sequence[Parameter], seed: int) -> cs.ConfigurationSpace:
    space = cs.ConfigurationSpace(seed=seed)
    for p in parameters:
        if p.is_choice:
            space.add(cs.CategoricalHyperparameter(p.name, [str(i) for i in range(len(p.labels))]))
        elif p.is_float:
            space.add(cs.UniformFloatHyperparameter(p.name, p.low, p.high, log=p.log))
        else:
            space.add(cs.UniformIntegerHyperparameter(p.name, int(p.low), int(p.high), log=p.log))
    for p in parameters:
        conditions = [
            cs.InCondition(space[p.name], space[parent], [str(i) for i in allowed])
            for parent, allowed in p.when.items()
        ]
        if conditions:
            space.add(conditions[0] if len(conditions) == 1 else cs.AndConjunction(*conditions))
    return space


def _never_called(config: cs.Configuration, seed: int) -> float:
    """What the facade must be given although it is asked and told."""
    raise NotImplementedError(f"asked for the cost of {config} with seed {seed}")


class Smac:
    """Ask and tell of the facade."""

    def __init__(self, parameters: Sequence[Parameter], seed: int, trials: int) -> None:
        self._parameters, self._finite = parameters, WorstSeen()
        self._folder = tempfile.TemporaryDirectory(prefix="smac-")
        scenario = Scenario(
            _space(parameters, seed),
            deterministic=True,
            n_trials=trials,
            seed=seed,
            output_directory=self._folder.name,
        )
        self._smac = HyperparameterOptimizationFacade(
            scenario, target_function=_never_called, overwrite=True, logging_level=False
        )

    def ask(self) -> Raw:
        self._info = self._smac.ask()
        chosen = dict(self._info.config)
        return {
            p.name: int(chosen[p.name]) if p.is_choice else chosen[p.name] for p in self._parameters if p.name in chosen
        }

    def tell(self, loss: float) -> None:
        for info, value in self._finite(self._info, loss):
            self._smac.tell(info, TrialValue(cost=value), save=False)
