"""The surrogate: Gaussian processes of what trials showed, for samplers and for whatever else asks a model.

The recipe is the same everywhere. Rows become features; of more trials than a process takes, some are chosen;
hyperparameters are fitted; and the processes are conditioned on the trials that were chosen. What differs is given:
the targets, which trials come first, and where hyperparameters come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...space import Space
from ...types import Floats
from .fit import draws
from .kernel import Embedding
from .posterior import Posterior, condition
from .refits import Fitting, subset
from .targets import Target


@dataclass(frozen=True)
class Posteriors:
    """Processes of the same trials.

    Attributes:
        embedding: of the space: what turns encoded rows into the features that processes take.
        rows: (k,) the trials that they took, of those that the targets have.
        Y: (t, k) standardised numbers of these trials, a row for each target.
        processes: one for each target, or several of one target.
    """

    embedding: Embedding
    rows: NDArray[np.intp]
    Y: Floats
    processes: tuple[Posterior, ...]


@dataclass(frozen=True)
class Surrogate:
    """Makes processes of targets.

    Attributes:
        fitting: where hyperparameters come from: `Fits` where targets grow by a trial at a time, else `Afresh`.
    """

    fitting: Fitting

    def posteriors(self, space: Space, targets: Sequence[Target], order: Floats | None = None) -> Posteriors:
        """Return a process for each of several targets of the same trials.

        Args:
            space: under which the trials are encoded.
            targets: at least one.
            order: (n,) which trials are taken first, the least first, where there are more than a process takes (see
                `subset`); None for the numbers of the first target.
        """
        embedding = Embedding(space)
        thetas = [self.fitting.theta(embedding, target) for target in targets]
        rows = subset(targets[0].y if order is None else order, self.fitting.most)
        F, Y = embedding(targets[0].X[rows]), np.stack([target.y[rows] for target in targets])
        processes = tuple(condition(embedding, theta, F, y) for theta, y in zip(thetas, Y, strict=True))
        return Posteriors(embedding, rows, Y, processes)

    def drawn(self, space: Space, target: Target, rng: np.random.Generator, k: int) -> Posteriors:
        """Return several processes of one target: with the best hyperparameters, and with k draws from around them."""
        embedding = Embedding(space)
        theta = self.fitting.theta(embedding, target)
        root = self.fitting.root(embedding, target, theta)
        rows = subset(target.y, self.fitting.most)
        F, y = embedding(target.X[rows]), target.y[rows]
        thetas = [theta, *draws(theta, embedding, len(target), root, rng, k)]
        return Posteriors(embedding, rows, y[None], tuple(condition(embedding, theta, F, y) for theta in thetas))
