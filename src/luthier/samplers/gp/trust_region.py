"""The box around the best trial in which a space of many parameters is searched.

Where parameters are many and trials few, the model knows nothing of most of the space, and its improvement is
greatest where it knows least. Trust regions: Eriksson et al. 2019, arXiv 1910.01739 (TuRBO), whose box grows and
shrinks with success; ours follows from the history alone.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from ...space import Space
from ...surrogates.gp.kernel import Embedding
from ...surrogates.gp.observations import Observations
from ...surrogates.gp.posterior import Posterior
from ...types import Floats

Box: TypeAlias = tuple[Floats, Floats]  # lowest and highest coordinate (d,) of every parameter

PARAMETERS = 20  # up to which the whole space is searched
_SIDE = 0.4  # of the box after an improvement
_SIDES = 5  # every `patience` trials without improvement it halves; after this many it starts anew
_STRETCH = 4.0  # by how much a side may differ from the mean side


def trust_region(
    space: Space, embedding: Embedding, process: Posterior, seen: Observations, centre: Floats
) -> Box | None:
    """The box to search, or None for all of the space.

    Its sides are in proportion to the length scales (as in section 2 there: their geometric mean is the
    side). Categories and what the centre has not are free.

    Args:
        space: what is searched.
        embedding: of the space.
        process: of the objective.
        seen: the trials; at least one has succeeded.
        centre: (d,) encoded row of the best.
    """
    d, numeric = len(space), embedding.numeric
    if d <= PARAMETERS or len(numeric) == 0:
        return None
    losses = np.where(seen.succeeded, seen.losses[:, 0], np.inf)
    stale = len(losses) - 1 - int(np.argmin(losses))
    side = _SIDE * 0.5 ** (stale // (d // 4) % _SIDES)
    log_length = -np.log(process.scale[: len(numeric)])
    stretch = np.clip(np.exp(log_length - log_length.mean()), 1.0 / _STRETCH, _STRETCH)
    half = np.ones(d)
    half[numeric] = 0.5 * side * stretch
    half[np.isnan(centre)] = 1.0
    middle = np.nan_to_num(centre, nan=0.5)
    return np.clip(middle - half, 0.0, 1.0), np.clip(middle + half, 0.0, 1.0)
