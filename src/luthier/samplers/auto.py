"""The default sampler: what fits the space and the number of trials."""

from __future__ import annotations

import numpy as np

from ..history import History
from ..space import Space
from ..types import Configuration
from .gp import GPSampler
from .options import clear_options
from .tpe import TPESampler

_GP_TRIALS = 200  # finished trials up to which a Gaussian process is asked: its cost grows with their cube
_GP_DIMENSIONS = 200  # parameters up to which it was measured: a suggestion takes an eighth of a second there


@clear_options
class AutoSampler:
    """Chooses by itself: an initial design, a Gaussian process up to 200 trials, then TPE.

    >>> import luthier as lt
    >>> from luthier.samplers import AutoSampler
    >>> study = lt.create_study(sampler=AutoSampler(), seed=0)  # the default
    >>> study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=12)
    >>> study.best_value < 0.01
    True

    Spaces of more than 200 parameters go to TPE after the initial design. All three see all trials, so nothing
    is lost at a change.

    Not safe for threads by itself: a study calls its sampler under its lock.
    """

    def __init__(self) -> None:
        self._gp = GPSampler()
        self._tpe = TPESampler()

    def __repr__(self) -> str:
        return "AutoSampler()"

    def suggest(self, space: Space, history: History, rng: np.random.Generator, n: int) -> list[Configuration]:
        """n configurations to try next; see `Sampler`."""
        finished = int(np.count_nonzero(history.is_finished))
        use_gp = finished <= _GP_TRIALS and len(space) <= _GP_DIMENSIONS
        return (self._gp if use_gp else self._tpe).suggest(space, history, rng, n)
