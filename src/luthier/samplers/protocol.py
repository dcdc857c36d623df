"""What a sampler is: one pure function from what is known to what to try next."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from ..history import History
from ..space import Space
from ..types import Configuration, Label


@runtime_checkable
class Sampler(Protocol):
    """Proposes configurations.

    >>> import luthier as lt
    >>> class Middle:
    ...     def suggest(self, space, history, rng, n):
    ...         return [space.defaults() for _ in range(n)]
    >>> study = lt.create_study(space={"x": lt.Float(0, 1, default=0.5)}, sampler=Middle())
    >>> study.ask().params
    {'x': 0.5}

    A sampler whose suggestion for a number does not depend on the parameters of other trials, such as random search,
    may have the class attribute `by_number = True`: then programs that share a storage need fewer transactions.
    One that may raise `SearchSpaceExhausted` should have `is_finite = True`: then no trial is started that it could not
    give parameters, even if several programs ask for the last at once.
    One that cannot search every space may have a method `check_space(space)`, which raises `SpaceError`: studies that
    declare their space call it at once.
    """

    def suggest(self, space: Space, history: History, rng: np.random.Generator, n: int) -> list[Configuration]:
        """n configurations to try next.

        A pure function of its arguments: a sampler may cache what it could compute again, nothing else. So a
        study that was killed and loaded goes on as one that was not. What follows from trials in the order in which
        they finished (a population, say) may be kept by a `Replay`. Called under the study's lock.

        Args:
            space: what to search; `history.space` is the same.
            history: all trials so far, running ones among them. `history.X` is encoded under `space`.
                Rows may hold NaN where a parameter was inactive or unknown, and coordinates outside
                [0, 1] where a range was another then. Less is better in `history.losses`. Trials may finish in
                any order: `history.finish_order`.
            rng: the stream of this trial alone. Its number is `history.next_numbers(1)[0]`.
            n: how many are wanted at once.

        Returns:
            n configurations that satisfy the space (`space.check` accepts each); fewer only where those are
            the last of a finite design.

        Raises:
            SearchSpaceExhausted: a finite design, such as a grid, has nothing left; the study may stop.
            SpaceError: hardly anything satisfies the space's `require`.
        """
        ...


@runtime_checkable
class SuggestsOne(Protocol):
    """Proposes also one parameter alone, which an objective is the first to ask for.

    >>> from luthier.samplers import GridSampler, RandomSampler, SuggestsOne
    >>> isinstance(GridSampler(), SuggestsOne), isinstance(RandomSampler(), SuggestsOne)
    (True, False)

    Other samplers get a random value for such a parameter; a design, such as a grid, would lose a trial by it.
    """

    def suggest_one(self, space: Space, history: History, number: int, name: str) -> Label:
        """Return a value for one parameter of a running trial.

        Args:
            space: all parameters that are known so far, this one among them; `history.space` is the same.
            history: all trials so far. Row `number` holds what the trial has been given already.
            number: the trial's.
            name: the parameter's.
        """
        ...
