"""Suggestions: the sampler at work in a study: parameters for the trial of one number, whichever process asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..errors import SearchSpaceExhausted, SpaceError
from ..history import History
from ..samplers import Sampler, SuggestsOne
from ..samplers.tried import Tried
from ..space import Domain, Space
from ..space.partial import complete
from ..trial import TrialRecord
from ..types import Configuration, Label
from .streams import Streams

_RECENT = 16  # numbers before one that other processes may be working out parameters for; those before run for long


class Suggestions:
    """What a sampler suggests for the trial of a number, from the stream of that number. Under the engine's lock.

    Args:
        sampler: what proposes.
        seed: the study's.
    """

    def __init__(self, sampler: Sampler, seed: int) -> None:
        self.sampler = sampler
        self._streams = Streams(seed)

    @property
    def by_number(self) -> bool:
        """Whether no suggestion depends on the parameters of other trials."""
        return getattr(self.sampler, "by_number", False)

    @property
    def may_end(self) -> bool:
        """Whether there may be nothing left to suggest for a trial that has its number already."""
        return getattr(self.sampler, "is_finite", False)

    @property
    def are_shared(self) -> bool:
        """Whether a single value depends on what running trials have got so far, which is to be stored at once."""
        return isinstance(self.sampler, SuggestsOne)

    def configuration(
        self,
        history: History,
        number: int,
        fixed: Mapping[str, Label],
        is_elsewhere: Callable[[TrialRecord], bool] | None = None,
    ) -> Configuration:
        """Return the parameters of a trial.

        Args:
            history: what is known; it is left as it was.
            number: the trial's.
            fixed: values that it shall have.
            is_elsewhere: whether another process runs a trial, which may lack parameters only because that process is
                just working them out; None where there is no other process.

        Raises:
            SearchSpaceExhausted, SpaceError: as the sampler; nothing that `require` allows has the fixed values.
        """
        if len(history.space) == 0:
            return dict(fixed)
        if is_elsewhere is None or self.by_number:
            return self._suggested(history, number, fixed)
        unknown = _without_parameters(history, number, is_elsewhere)
        try:
            for record in unknown:
                try:
                    params = self._suggested(history, record.number, record.params)
                except (SearchSpaceExhausted, SpaceError):
                    continue  # the other process comes to the same
                history.put([record.with_(params=params)])
            return self._suggested(history, number, fixed)
        finally:
            if unknown:
                history.put(unknown)

    def _suggested(self, history: History, number: int, fixed: Mapping[str, Label]) -> Configuration:
        space, rng = history.space, self._streams.of_trial(number)
        history.asked = number
        try:
            (suggested,) = self.sampler.suggest(space, history, rng, 1)
        finally:
            history.asked = None
        if not fixed:
            return suggested
        known = space.known(fixed)
        completed = complete(space, known, suggested, rng)
        return {**completed, **{name: value for name, value in fixed.items() if name not in known}}

    def is_taken(self, history: History, number: int, params: Configuration) -> bool:
        """Return whether another trial that runs has the same parameters."""
        others = history.is_running.copy()
        others[number:][:1] = False
        row = history.space.encode([history.space.known(params)])[0]
        return row in Tried(history.X[others])

    def value(self, history: History, number: int, name: str, domain: Domain) -> Label:
        """Return the value of one parameter that an objective asks for in the middle of a trial."""
        if isinstance(self.sampler, SuggestsOne):
            return self.sampler.suggest_one(history.space, history, number, name)
        alone = Space({name: domain})
        rng = self._streams.of_trial(number, name)
        history = history.under(alone)
        if history.X.size == 0 or bool((history.X != history.X).all()):
            return alone.decode(alone.sample(rng, 1))[0][name]
        history.asked = number
        try:
            return self.sampler.suggest(alone, history, rng, 1)[0][name]
        except SearchSpaceExhausted:  # of this one parameter, not of the space
            return alone.decode(alone.sample(rng, 1))[0][name]
        finally:
            history.asked = None

    def check(self, space: Space, number: int, fixed: Mapping[str, Label]) -> None:
        """Raise `SpaceError` unless a configuration has these values."""
        complete(space, fixed, {}, self._streams.of_trial(number, "enqueue"))


def _without_parameters(
    history: History, number: int, is_elsewhere: Callable[[TrialRecord], bool]
) -> list[TrialRecord]:
    """Trials before this one for which other processes are just working out the parameters.

    Between taking a number and storing its parameters, a process needs as long as a suggestion takes. Programs that
    start together would all try about the same point; and what they will come to can be worked out here as well.
    """
    first = max(0, number - _RECENT)
    running = np.flatnonzero(history.is_running[first:number]) + first
    if len(running) == 0:
        return []
    X = history.X[running]
    lacks = (history.space.active(X) & np.isnan(X)).any(axis=1)
    return [r for r in (history.records[i] for i in running[lacks].tolist()) if is_elsewhere(r)]
