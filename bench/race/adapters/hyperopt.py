"""Hyperopt's `tpe.suggest` with its defaults; conditional parameters inside `hp.choice`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hyperopt import JOB_STATE_DONE, STATUS_OK, Trials, hp, space_eval, tpe
from hyperopt.base import Domain

from ..plain import Parameter, Raw, WorstSeen


def _tree(parameters: Sequence[Parameter], parent: str | None = None, index: int | None = None) -> dict[str, Any]:
    """Nodes of the parameters that hang under one choice of one parent, and of all below them."""
    mine = [p for p in parameters if (parent in p.when and index in p.when[parent] if parent else not p.when)]
    return {p.name: _node(parameters, p) for p in mine}


def _node(parameters: Sequence[Parameter], p: Parameter) -> Any:
    if p.is_choice:
        return hp.choice(p.name, [(i, _tree(parameters, p.name, i)) for i in range(len(p.labels))])
    if p.is_float:
        return hp.loguniform(p.name, math.log(p.low), math.log(p.high)) if p.log else hp.uniform(p.name, p.low, p.high)
    if p.log:
        return hp.qloguniform(p.name, math.log(p.low), math.log(p.high), 1)
    return hp.uniformint(p.name, p.low, p.high)


def _flatten(nested: dict[str, Any]) -> Raw:
    raw: Raw = {}
    for name, value in nested.items():
        if isinstance(value, tuple):
            raw[name] = value[0]
            raw |= _flatten(value[1])
        else:
            raw[name] = value
    return raw


class Hyperopt:
    """What `fmin` does, one trial at a time."""

    def __init__(self, parameters: Sequence[Parameter], seed: int) -> None:
        for p in parameters:
            if len(p.when) > 1:
                raise ValueError(f"parameter {p.name!r} has two parents, which hp.choice cannot say")
        self._space, self._finite = _tree(parameters), WorstSeen()
        self._domain, self._trials = Domain(lambda _: 0.0, self._space), Trials()
        self._rng = np.random.default_rng(seed)

    def ask(self) -> Raw:
        ids = self._trials.new_trial_ids(1)
        self._trials.refresh()
        documents = tpe.suggest(ids, self._domain, self._trials, int(self._rng.integers(2**31 - 1)), verbose=False)
        self._trials.insert_trial_docs(documents)
        self._trials.refresh()
        self._document = next(t for t in self._trials._dynamic_trials if t["tid"] == ids[0])
        chosen = {name: value[0] for name, value in documents[0]["misc"]["vals"].items() if value}
        return _flatten(space_eval(self._space, chosen))

    def tell(self, loss: float) -> None:
        for document, value in self._finite(self._document, loss):
            document["state"], document["result"] = JOB_STATE_DONE, {"loss": value, "status": STATUS_OK}
        self._trials.refresh()
