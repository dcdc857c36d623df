"""A random forest over a study's trials, and the exact marginals of its trees.

A tree is constant on boxes. Each parameter's domain is cut into cells of known weight: equal parts of the unit interval
for numbers, the labels for choices. A box covers some of the cells along each parameter, so every mean over the other
parameters is a product of small matrices: Hutter, Hoos and Leyton-Brown 2014, "An Efficient Approach for Assessing
Hyperparameter Importance".

Where a parameter is inactive its value does nothing, so a value is drawn for it. A code of its own for "inactive" would
be a copy of the condition, and the trees would credit the child with what its parent does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AnalysisError, missing
from ..history import History
from ..space import Choice, Float, Int, Ordinal, Space
from ..space.domain import Domain
from ..types import Direction, Floats, Label, Mask

LEAST = 5  # finished trials below which a forest would tell nothing
_TREES = 64
_LEAVES = 400  # about as many a tree at most, so that cost stays linear in the trials
_CELLS = 40  # of a continuum


@dataclass(frozen=True)
class Axis:
    """One parameter's cells.

    Attributes:
        name: of the parameter.
        domain: of the parameter.
        labels: (g,) a value in each cell, or the label of a choice.
        codes: (g,) what the forest sees in that cell.
        weights: (g,) share of each cell; sums to 1.
        given: weights of other axes where this parameter is active, by their index; only those of its ancestors differ.
    """

    name: str
    domain: Domain
    labels: tuple[Label, ...]
    codes: Floats
    weights: Floats
    given: Mapping[int, Floats]

    def cell(self, value: Label) -> int:
        """Index of the cell of a stored value."""
        u = float(self.domain.encode([value])[0])
        return int(u) if isinstance(self.domain, Choice) else int(np.abs(self.codes - u).argmin())


@dataclass(frozen=True)
class Tree:
    """One tree's boxes.

    Attributes:
        values: (L,) mean value in each box.
        covers: for every axis (L, g), 1 where the box covers the cell.
        shares: (L, d) how much of each axis a box covers.
    """

    values: Floats
    covers: tuple[Floats, ...]
    shares: Floats

    @cached_property
    def volumes(self) -> Floats:
        """(L,) share of the space in each box."""
        volume: Floats = self.shares.prod(axis=1)
        return volume

    @property
    def mean(self) -> float:
        """Mean over the space."""
        return float(self.values @ self.volumes)

    @property
    def variance(self) -> float:
        """Variance over the space."""
        return float((self.values - self.mean) ** 2 @ self.volumes)

    def _without(self, axes: tuple[int, ...], given: Mapping[int, Floats]) -> Floats:
        """(L,) value times the share of a box in all but some axes."""
        shares = self.shares.copy()
        for k, weights in given.items():
            shares[:, k] = self.covers[k] @ weights
        rest: Floats = self.values * np.delete(shares, axes, axis=1).prod(axis=1)
        return rest

    def marginal(self, j: int, given: Mapping[int, Floats]) -> Floats:
        """(g,) mean over all other parameters in each cell of axis j; `given` weighs some of their axes anew."""
        marginal: Floats = self._without((j,), given) @ self.covers[j]
        return marginal

    def marginal_pair(self, j: int, k: int, given: Mapping[int, Floats]) -> Floats:
        """(g_j, g_k) mean over all other parameters in each pair of cells; `given` as in `marginal`."""
        marginal: Floats = (self.covers[j] * self._without((j, k), given)[:, None]).T @ self.covers[k]
        return marginal


@dataclass(frozen=True)
class Forest:
    """What `fit_forest` learned from a study.

    >>> import luthier as lt
    >>> from luthier.analysis import effect, fit_forest, importance
    >>> study = lt.create_study(space={"x": lt.Float(0, 1), "y": lt.Float(0, 1)}, seed=0)
    >>> study.optimize(lambda trial: trial.params["x"], n_trials=20)
    >>> forest = fit_forest(study.history)  # once for both
    >>> forest.n, importance(forest).single[0].names, effect(forest, "x").name
    (20, ('x',), 'x')

    Attributes:
        space: of the study.
        direction: of the objective.
        axes: one for each parameter.
        trees: the forest.
        n: how many trials it saw.
    """

    space: Space
    direction: Direction
    axes: tuple[Axis, ...]
    trees: tuple[Tree, ...]
    n: int

    def axis(self, name: str) -> int:
        """Return the index of a parameter; raise `AnalysisError` for an unknown name."""
        if name not in self.space:
            raise AnalysisError(
                f"the study has no parameter {name!r}: its parameters are {', '.join(self.space.names)}"
            )
        return self.space.index[name]

    def marginals(self, j: int, *, active: bool = False) -> Floats:
        """(trees, g) marginals of axis j over the whole space, or over where its parameter is active."""
        given = self.axes[j].given if active else {}
        return np.stack([tree.marginal(j, given) for tree in self.trees])

    def marginal_pairs(self, j: int, k: int, *, active: bool = False) -> Floats:
        """(trees, g_j, g_k) marginals of two axes over the whole space, or over where both are active."""
        given = {**self.axes[j].given, **self.axes[k].given} if active else {}
        return np.stack([tree.marginal_pair(j, k, given) for tree in self.trees])


def fit_forest(history: History, objective: int = 0, *, seed: int = 0) -> Forest:
    """Fit a random forest to the complete trials.

    >>> import luthier as lt
    >>> from luthier.analysis import fit_forest, importance
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)}, directions=["minimize", "maximize"], seed=0)
    >>> study.optimize(lambda trial: (trial.params["x"], 1 - trial.params["x"]), n_trials=10)
    >>> importance(fit_forest(study.history, objective=1)).single[0].names
    ('x',)

    Values are the study's own. The worst ones are pulled in to three quartile ranges beyond the quartile (Tukey's "far
    out"), so that one diverged training does not drown everything else. Pruned trials are left out: their last
    reports are of other epochs.

    Args:
        history: of the study.
        objective: which of its values.
        seed: of the forest.

    Raises:
        AnalysisError: fewer than 5 complete trials, no parameters, or all values equal.
        MissingDependency: scikit-learn is not installed.
    """
    if len(history.space) == 0:
        raise AnalysisError("the study has no parameters: there is nothing to explain")
    values = history.values[:, objective]
    rows = np.flatnonzero(history.is_complete & np.isfinite(values))
    if len(rows) < LEAST:
        raise AnalysisError(f"the study has {len(rows)} complete trials, an explanation needs at least {LEAST}")
    y = _pulled_in(values[rows], float(history.signs[objective]))
    if np.ptp(y) == 0:
        raise AnalysisError(f"all {len(rows)} complete trials have the value {y[0]:g}: there is nothing to explain")
    X = history.X[rows]
    axes = _axes(history.space, X, y)
    rng = np.random.default_rng(seed)
    codes = np.column_stack([_coded(axis, X[:, j], rng) for j, axis in enumerate(axes)])  # (n, d)
    centre, scale = float(y.mean()), float(y.std())  # scikit-learn does not split where variance is below 1e-16
    trees = tuple(_tree(t, axes, centre, scale) for t in _grow(codes, (y - centre) / scale, seed))
    return Forest(history.space, history.directions[objective], axes, trees, len(rows))


def as_forest(source: History | Forest) -> Forest:
    """The forest itself, or that of a history's first objective."""
    return source if isinstance(source, Forest) else fit_forest(source)


def _pulled_in(values: Floats, sign: float) -> Floats:
    loss = values * sign
    low, high = np.quantile(loss, [0.25, 0.75])
    return np.minimum(loss, high + 3 * (high - low)) * sign if high > low else values


def _axes(space: Space, X: Floats, y: Floats) -> tuple[Axis, ...]:
    axes = list[Axis]()
    for j, (name, domain) in enumerate(space.parameters.items()):
        if isinstance(domain, Choice):
            # ordered by their mean value a single split can part choices at best: Breiman et al. 1984, section 4.2.2
            means = [y[X[:, j] == i].mean() if np.any(X[:, j] == i) else y.mean() for i in range(domain.size)]
            codes = np.argsort(np.argsort(means, kind="stable"), kind="stable").astype(np.float64)
            labels: tuple[Label, ...] = domain.labels
            weights = np.full(domain.size, 1 / domain.size)
        else:
            labels, codes, weights = _cells(domain)
        axes.append(Axis(name, domain, labels, codes, weights, {}))
    return tuple(axes) if space.is_flat else _with_conditions(space, axes)


def _with_conditions(space: Space, axes: list[Axis]) -> tuple[Axis, ...]:
    """The axes with the weights of their ancestors' cells where they are active, by sampling."""
    X = space.sample(np.random.default_rng(0), 4000)
    done = []
    for j, axis in enumerate(axes):
        here = X[~np.isnan(X[:, j])]
        given = {}
        for k in _ancestors(space, axis.name) if len(here) else ():
            codes = here[:, k] if not isinstance(axes[k].domain, Choice) else axes[k].codes[here[:, k].astype(np.intp)]
            cells = np.abs(codes[:, None] - axes[k].codes[None, :]).argmin(axis=1)  # (rows, g_k)
            given[k] = np.bincount(cells, minlength=len(axes[k].codes)) / len(here)
        done.append(replace(axis, given=given))
    return tuple(done)


def _ancestors(space: Space, name: str) -> set[int]:
    """Columns of all parameters that decide whether this one is active."""
    parents = space.parents(name)
    return {space.index[p] for p in parents}.union(*(_ancestors(space, p) for p in parents))


def _cells(domain: Float | Int | Ordinal) -> tuple[tuple[Label, ...], Floats, Floats]:
    """Labels, codes and weights of a numeric domain: each of a few values, or equal cells of a continuum."""
    size = domain.size
    few = size is not None and size <= _CELLS
    if size == 1:
        fine, weights = np.array([0.5]), np.ones(1)
    elif few:
        fine = (np.arange(25 * _CELLS) + 0.5) / (25 * _CELLS)  # fine enough to weigh the values of a log integer
        weights = np.full(len(fine), 1 / len(fine))
    else:
        fine = np.linspace(0, 1, _CELLS + 1)  # with both ends, whose cells are half as wide
        weights = np.full(len(fine), 1 / _CELLS)
        weights[[0, -1]] /= 2
    distinct, first, cell = np.unique(domain.decode(fine), return_index=True, return_inverse=True)
    labels = tuple(domain.value(float(u)) for u in fine[first])
    codes = fine if len(distinct) == len(fine) else np.asarray(domain.encode(labels))
    return labels, codes, np.asarray(np.bincount(cell, weights), dtype=np.float64)


def _coded(axis: Axis, column: Floats, rng: np.random.Generator) -> Floats:
    """What the forest sees of one column; drawn where it is inactive."""
    missing = np.isnan(column)
    drawn = rng.choice(axis.codes, len(column), p=axis.weights)
    if not isinstance(axis.domain, Choice):
        return np.where(missing, drawn, column)
    return np.where(missing, drawn, axis.codes[np.where(missing, 0, column).astype(np.intp)])


def _grow(X: Floats, y: Floats, seed: int) -> list[Any]:
    try:
        from sklearn.ensemble import RandomForestRegressor
    except ImportError as error:
        raise missing("importance and effects need scikit-learn", "report") from error
    forest = RandomForestRegressor(_TREES, min_samples_leaf=max(1, len(y) // _LEAVES), random_state=seed)
    forest.fit(X, y)
    return [estimator.tree_ for estimator in forest.estimators_]


def _tree(tree: Any, axes: tuple[Axis, ...], centre: float, scale: float) -> Tree:
    low, high = _boxes(tree, len(axes))
    leaves = tree.children_left < 0
    low, high = low[leaves], high[leaves]
    covers, shares = [], []
    for j, axis in enumerate(axes):
        codes = axis.codes.astype(np.float32)[None, :]  # (1, g), as coarse as scikit-learn's own comparisons
        inside: Mask = (codes > low[:, j, None]) & (codes <= high[:, j, None])
        cover = inside.astype(np.float64)
        covers.append(cover)
        shares.append(cover @ axis.weights)
    values: NDArray[np.float64] = centre + scale * tree.value[leaves, 0, 0]
    return Tree(values, tuple(covers), np.column_stack(shares))


def _boxes(tree: Any, d: int) -> tuple[Floats, Floats]:
    """(nodes, d) bounds of every node, low excluded and high included, found level by level."""
    low = np.full((tree.node_count, d), -np.inf)
    high = np.full((tree.node_count, d), np.inf)
    nodes = np.array([0])
    while len(nodes := nodes[tree.children_left[nodes] >= 0]):
        left, right = tree.children_left[nodes], tree.children_right[nodes]
        feature, threshold = tree.feature[nodes], tree.threshold[nodes]
        low[left], high[left] = low[nodes], high[nodes]
        low[right], high[right] = low[nodes], high[nodes]
        high[left, feature] = threshold
        low[right, feature] = threshold
        nodes = np.concatenate([left, right])
    return low, high
