"""Which parameters matter, and which act together: functional ANOVA over a forest."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..errors import AnalysisError
from ..history import History
from ..surrogates.forest import Forest, as_forest
from ..types import Floats, Mask

_PAIRS_AMONG = 8  # pairs are sought among this many of the most important parameters


@dataclass(frozen=True, slots=True)
class Share:
    """Holds the part of the variance that one parameter, or two together, explain.

    >>> from luthier.analysis import Share
    >>> share = Share(("learning_rate",), share=0.8, spread=0.1)
    >>> f"{' × '.join(share.names)}: {share.share:.0%}"
    'learning_rate: 80%'

    Attributes:
        names: the parameter, or the two whose interaction it is.
        share: mean over the trees, of 1.
        spread: standard deviation over the trees.
    """

    names: tuple[str, ...]
    share: float
    spread: float


@dataclass(frozen=True, slots=True)
class Importance:
    """Holds what explains the values of a study's trials; each list the largest share first.

    >>> from luthier.analysis import Importance, Share
    >>> single = (Share(("lr",), 0.7, 0.1), Share(("width",), 0.1, 0.1))
    >>> found = Importance(single, (Share(("lr", "width"), 0.1, 0.05),), n=40)
    >>> found.single[0].names, found.pairs[0].names
    (('lr',), ('lr', 'width'))

    Attributes:
        single: one share for every parameter.
        pairs: what two parameters do together beyond the sum of both, among the most important parameters.
        n: how many trials it rests on.
    """

    single: tuple[Share, ...]
    pairs: tuple[Share, ...]
    n: int


def importance(source: History | Forest) -> Importance:
    """Return shares of the variance over the whole space (Hutter et al. 2014, section 4).

    >>> import luthier as lt
    >>> from luthier.analysis import importance
    >>> study = lt.create_study(space={"x": lt.Float(0, 1), "y": lt.Float(0, 1)}, seed=0)
    >>> study.optimize(lambda trial: trial.params["x"] + trial.params["y"] / 10, n_trials=20)
    >>> found = importance(study.history)
    >>> [share.names for share in found.single], found.n
    ([('x',), ('y',)], 20)

    Raises:
        AnalysisError: fewer than 5 complete trials, no parameters, or values that no parameter explains.
        MissingDependency: scikit-learn is not installed.
    """
    forest = as_forest(source)
    total = np.array([tree.variance for tree in forest.trees])  # (trees,)
    means = np.array([tree.mean for tree in forest.trees])
    size = max(float(np.abs(tree.values).max()) for tree in forest.trees)
    telling = total > (1e-9 * size) ** 2  # less is rounding
    if not telling.any():
        raise AnalysisError("the values do not depend on the parameters that were tried: there is nothing to explain")
    variances = []  # (trees,) of each parameter
    for j, axis in enumerate(forest.axes):
        gaps = forest.marginals(j) - means[:, None]
        variances.append(gaps**2 @ axis.weights)
    single = [
        _share((a.name,), v / np.where(telling, total, 1), telling) for a, v in zip(forest.axes, variances, strict=True)
    ]
    order = sorted(range(len(single)), key=lambda j: -single[j].share)
    pairs = []
    for j, k in combinations(sorted(order[:_PAIRS_AMONG]), 2):
        gaps = forest.marginal_pairs(j, k) - means[:, None, None]
        both = np.einsum("tjk,j,k->t", gaps**2, forest.axes[j].weights, forest.axes[k].weights)
        beyond = np.maximum(both - variances[j] - variances[k], 0.0)
        pairs.append(_share((forest.axes[j].name, forest.axes[k].name), beyond / np.where(telling, total, 1), telling))
    return Importance(tuple(single[j] for j in order), tuple(sorted(pairs, key=lambda p: -p.share)), forest.n)


def _share(names: tuple[str, ...], shares: Floats, telling: Mask) -> Share:
    shares = np.clip(shares[telling], 0.0, 1.0)
    return Share(names, float(shares.mean()), float(shares.std()))
