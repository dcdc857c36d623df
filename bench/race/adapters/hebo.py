"""HEBO with its defaults. It does not support conditions: it gets the flat space."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO

from ..plain import Parameter, Raw, WorstSeen


def _config(p: Parameter) -> dict[str, Any]:
    if p.is_choice:
        return {"name": p.name, "type": "cat", "categories": [str(i) for i in range(len(p.labels))]}
    kind = ("pow" if p.log else "num") if p.is_float else ("pow_int" if p.log else "int")
    return {"name": p.name, "type": kind, "lb": p.low, "ub": p.high}


class Hebo:
    """`suggest` and `observe`; HEBO draws from the global generators, which are seeded here."""

    def __init__(self, parameters: Sequence[Parameter], seed: int) -> None:
        warnings.filterwarnings("ignore")
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        self._parameters, self._finite = parameters, WorstSeen()
        self._hebo = HEBO(DesignSpace().parse([_config(p) for p in parameters]), scramble_seed=seed)

    def ask(self) -> Raw:
        self._suggestion = self._hebo.suggest(n_suggestions=1)
        row = self._suggestion.iloc[0]
        return {p.name: int(row[p.name]) if p.is_choice else float(row[p.name]) for p in self._parameters}

    def tell(self, loss: float) -> None:
        for suggestion, value in self._finite(self._suggestion, loss):
            self._hebo.observe(suggestion, np.array([[value]]))
