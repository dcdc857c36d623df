"""Optuna's samplers with their defaults, define-by-run; a failed trial is told as FAIL."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import optuna
from optuna.trial import TrialState

from ..plain import Parameter, Raw


class Optuna:
    """`TPESampler`, `GPSampler` or `CmaEsSampler`.

    CMA-ES cannot hold conditional parameters and gets the flat space.
    """

    def __init__(self, parameters: Sequence[Parameter], seed: int, sampler: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        makers: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
            "gp": lambda: optuna.samplers.GPSampler(seed=seed),
            "cma": lambda: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
        }
        self._parameters, self._flat = parameters, sampler == "cma"
        self._study = optuna.create_study(sampler=makers[sampler]())

    def ask(self) -> Raw:
        self._trial = self._study.ask()
        raw: Raw = {}
        for p in self._parameters:
            if not self._flat and not p.is_active(raw):
                continue
            if p.is_choice:
                raw[p.name] = self._trial.suggest_categorical(p.name, range(len(p.labels)))
            elif p.is_float:
                raw[p.name] = self._trial.suggest_float(p.name, p.low, p.high, log=p.log)
            else:
                raw[p.name] = self._trial.suggest_int(p.name, int(p.low), int(p.high), log=p.log)
        return raw

    def tell(self, loss: float) -> None:
        if loss != loss:
            self._study.tell(self._trial, state=TrialState.FAIL)
        else:
            self._study.tell(self._trial, loss)
