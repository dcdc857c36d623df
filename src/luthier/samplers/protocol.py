"""What a sampler is: one pure function from what is known to what to try next."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from ..history import History
from ..space import Space
from ..types import Configuration


@runtime_checkable
class Sampler(Protocol):
    """Proposes configurations.

    A sampler whose suggestion for a number does not depend on the parameters of other trials, such as random search,
    may have the class attribute `by_number = True`: then programs that share a storage need fewer transactions.
    """

    def suggest(self, space: Space, history: History, rng: np.random.Generator, n: int) -> list[Configuration]:
        """n configurations to try next.

        A pure function of its arguments: a sampler may cache what it could compute again, nothing else. So a
        study that was killed and loaded goes on as one that was not. Called under the study's lock.

        Args:
            space: what to search; `history.space` is the same.
            history: all trials so far, running ones among them. `history.X` is encoded under `space`.
                Rows may hold NaN where a parameter was inactive or unknown, and coordinates outside
                [0, 1] where a range was another then. Less is better in `history.losses`.
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
