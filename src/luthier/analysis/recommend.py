"""Which trials are expected to be best when they run again: the best value of a noisy search is a lucky one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..history import History
from ..samplers.tried import marks
from ..surrogates.gp.blas import one_thread
from ..surrogates.gp.observations import Observations, observations
from ..surrogates.gp.refits import Afresh
from ..surrogates.gp.surrogate import Surrogate
from ..surrogates.gp.targets import Target, objective
from ..trial import TrialState
from ..types import Floats

_REAL = 0.5  # of what a value differs from its model: a configuration has quirks of its own, the rest is luck
_MOST = 200  # trials that the model takes, so that an answer costs less than half a second
_SURROGATE = Surrogate(Afresh(starts=2, iterations=60, most=_MOST))


def expected_order(history: History) -> NDArray[np.intp]:
    """Return the rows of the history's complete, feasible trials, the one that is expected to be best first.

    >>> import luthier as lt
    >>> from luthier.analysis import expected_order
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)})
    >>> for x in (0.9, 0.1, 0.5):
    ...     record = study.tell(study.ask(fixed={"x": x}), x)
    >>> expected_order(study.history).tolist()
    [1, 2, 0]

    A value counts for half, what a Gaussian process makes of all trials for the rest: a value that its
    neighbours do not support is pulled towards theirs, and equal configurations share what they showed. Without
    noise the process goes through the values and the order is theirs. See bench/RESULTS.md for what this gains.

    Args:
        history: of a study with one objective; a pure function of it.
    """
    rows = np.flatnonzero(history.is_complete & history.feasible)
    return rows[np.argsort(_expected(history)[rows], kind="stable")]


def _expected(history: History) -> Floats:
    """(n,) an expected loss for every complete trial, in units of the process; as observed where it knows nothing.

    A trial without any of the space's parameters says nothing of them: it comes after the others.
    """
    seen = observations(history)
    if np.count_nonzero(seen.states == TrialState.COMPLETE) < 2:
        return history.losses[:, 0]
    expected = np.full(len(history.losses), np.inf)
    target = objective(seen)
    with one_thread():
        mean = _means(history, target)
    expected[seen.rows] = _REAL * _shared(target.y, seen) + (1.0 - _REAL) * mean
    return expected


def _shared(y: Floats, seen: Observations) -> Floats:
    """(n,) values, averaged over equal configurations."""
    _, group = np.unique(marks(seen.X), return_inverse=True)
    return np.asarray((np.bincount(group, y) / np.bincount(group))[group])


def _means(history: History, target: Target) -> Floats:
    """(n,) posterior means at what was seen."""
    found = _SURROGATE.posteriors(history.space, [target])
    return found.processes[0].predict(found.embedding(target.X))[0]
