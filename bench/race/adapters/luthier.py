"""Luthier through `create_study`, and the uniform sampler that is the race's baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import luthier as lt


class Luthier:
    """A study with a sampler; failures are told as NaN, which makes the trial FAIL."""

    def __init__(self, space: Mapping[str, Any], seed: int, sampler: str) -> None:
        lt.set_verbosity("error")
        self._study = lt.create_study(space=lt.Space.from_json(space), sampler=sampler, seed=seed)

    def ask(self) -> dict[str, Any]:
        self._trial = self._study.ask()
        return self._trial.stored_params

    def tell(self, loss: float) -> None:
        self._study.tell(self._trial, loss)

    def recommend(self) -> dict[str, Any]:
        return dict(self._study.recommended_trial.params)


class Uniform:
    """Independent uniform points of the space; no tuner at all."""

    def __init__(self, space: Mapping[str, Any], seed: int) -> None:
        self._space = lt.Space.from_json(space)
        self._rng = np.random.default_rng(seed)

    def ask(self) -> dict[str, Any]:
        return self._space.decode(self._space.sample(self._rng, 1))[0]

    def tell(self, loss: float) -> None:
        pass
