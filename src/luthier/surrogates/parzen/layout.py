"""Layout: how each column of a space is modelled by a Parzen estimator."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...space import Choice, Space
from ...types import Floats

_MAX_TABLE = 16  # values above which the density at a bin's centre stands for its mass
_MIN_WIDTH = 0.01


class Layout(NamedTuple):
    """How each column is modelled.

    Attributes:
        line: columns with a density on [0, 1]: continua, and numbers with enough values that they act like one.
        tables: the others.
        narrowest: (d,) least width of a kernel, from which neighbouring values are in reach.
        choices: (d,) number of choices; 1 for a number.
    """

    line: NDArray[np.intp]
    tables: Tables
    narrowest: Floats
    choices: Floats


class Tables(NamedTuple):
    """The t columns of few values, choices first, and their levels one below the other, k of choices, k' of numbers.

    Attributes:
        columns: (t,) where they are.
        sizes: (t,) how many levels each has.
        starts: (t,) the first level of each.
        table: (k + k',) the position of each level's column among the t.
        level: (k + k',) 0, 1, 2 and so on in each column.
        choices: (k,) where the column of each level of a choice is.
        numbers: (k',) where that of each level of a number is.
        bins: (k', 2) its bounds.
        edges: where the bins of each column of numbers meet.
    """

    columns: NDArray[np.intp]
    sizes: NDArray[np.intp]
    starts: NDArray[np.intp]
    table: NDArray[np.intp]
    level: NDArray[np.intp]
    choices: NDArray[np.intp]
    numbers: NDArray[np.intp]
    bins: Floats
    edges: tuple[Floats, ...]


@lru_cache(maxsize=32)
def layout(space: Space) -> Layout:
    """Return the layout of a space."""
    small = [not isinstance(x, Choice) and x.size is not None and x.size <= _MAX_TABLE for x in space.domains]
    line = np.flatnonzero(~space.is_choice & ~np.array(small, dtype=bool))
    narrowest = np.maximum(_MIN_WIDTH, 0.3 / space.sizes)
    choices = np.where(space.is_choice, space.sizes, 1.0)
    return Layout(line, _tables(space, np.flatnonzero(small)), narrowest, choices)


def _tables(space: Space, numbers: NDArray[np.intp]) -> Tables:
    columns = np.concatenate([np.flatnonzero(space.is_choice), numbers])
    sizes = space.sizes[columns].astype(np.intp)
    starts = np.cumsum(sizes) - sizes
    table = np.repeat(np.arange(len(sizes)), sizes)
    edges = tuple(_edges(space, j, int(space.sizes[j])) for j in numbers.tolist())
    bins = [np.stack([e[:-1], e[1:]], axis=1) for e in edges]
    level = np.arange(len(table)) - starts[table]
    k = int(sizes[: len(sizes) - len(numbers)].sum())
    choices, numbers = columns[table[:k]], columns[table[k:]]
    return Tables(
        columns,
        sizes,
        starts,
        table,
        level,
        choices,
        numbers,
        np.concatenate(bins) if bins else np.empty((0, 2)),
        edges,
    )


def _edges(space: Space, j: int, size: int) -> Floats:
    """(size + 1,) where the bins of a column meet."""
    if size == 1 or np.isfinite(space.bins[j]):
        return np.linspace(0, 1, size + 1)
    domain = space.domains[j]  # an Int on a log scale: bins of width 1 around each whole number
    low = domain.low  # type: ignore[union-attr]
    edges = domain.encode(low - 0.5 + np.arange(size + 1))  # type: ignore[arg-type]
    return np.clip(edges, 0, 1)
