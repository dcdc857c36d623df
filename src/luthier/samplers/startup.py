"""The initial design that model-based samplers share: the defaults, then scrambled Sobol points."""

from __future__ import annotations

import json

import numpy as np

from ..errors import SpaceError
from ..history import History
from ..space import Space
from ..trial import TrialState
from ..types import Configuration, Floats
from .sequences import MAX_SOBOL_DIMENSIONS, point_sequence
from .tried import Tried

_OTHERS = 64  # random points of which one takes the place of a point that was tried


def default_startup_trials(space: Space, per_parameter: int) -> int:
    """Return how many trials come before a model is asked: max(5, min(per_parameter · d, 15))."""
    return max(5, min(per_parameter * len(space), 15))


def startup(
    space: Space, history: History, rng: np.random.Generator, n: int, startup_trials: int
) -> list[Configuration] | None:
    """Return the initial design, or None when it is over.

    It is over when `startup_trials` trials are COMPLETE, PRUNED or RUNNING. First come the space's
    defaults, if it names any, they satisfy `require` and no trial had them; then scrambled Sobol
    points by trial number. The scramble differs from study to study and is the same within one: it comes
    from the parameters of the study's first trial (after the defaults), which is a uniform random point.

    Returns:
        n configurations, or None.

    Raises:
        SpaceError: hardly anything satisfies the space's `require`.
    """
    for states in (history.states[: 8 * startup_trials], history.states):  # most often the first ones are enough
        begun = (states == TrialState.RUNNING) | (states == TrialState.COMPLETE) | (states == TrialState.PRUNED)
        if np.count_nonzero(begun) >= startup_trials:
            return None
    if len(space) == 0:
        return [{} for _ in range(n)]
    defaults = _defaults(space)
    found: list[Configuration] = []
    if defaults is not None and space.encode([defaults])[0] not in Tried(history.X):
        found.append(defaults)
    if len(space) > MAX_SOBOL_DIMENSIONS:
        return found[:n] + space.decode(space.sample(rng, n - len(found[:n])))
    numbers = history.next_numbers(n)
    before = history.records[: numbers[0]]
    anchor = next((dict(r.params) for r in before if r.params and r.params != defaults), None)
    if anchor is None and len(found) < n:
        anchor = space.decode(space.sample(rng, 1))[0]
        found.append(anchor)
    if len(found) < n:
        rows = point_sequence(space, "sobol", _seed_of(anchor)).rows(numbers[len(found) :])
        found += space.decode(untried(space, history, rows, rng))
    return found


def untried(space: Space, history: History, X: Floats, rng: np.random.Generator) -> Floats:
    """Return rows (n, d) with random ones in place of those that a trial had, or that come twice.

    Points of a sequence repeat themselves where the space has few. Where no other is found, a row stays.
    """
    known, out = Tried(history.X), X.copy()
    for i in range(len(X)):
        if out[i] in known:
            others = space.sample(rng, _OTHERS)
            new = ~known.among(others)
            out[i] = others[np.argmax(new)] if new.any() else out[i]
        known = known.with_rows(out[i : i + 1])
    return out


def _defaults(space: Space) -> Configuration | None:
    if not space.has_defaults:
        return None
    try:
        return space.defaults()
    except SpaceError:  # they do not satisfy `require`: no place to start
        return None


def _seed_of(configuration: Configuration | None) -> int:
    """A seed from the stored values, the same on every machine."""
    import hashlib  # loads OpenSSL, a tenth of the time that this package takes to import

    text = json.dumps(configuration, sort_keys=True)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")
