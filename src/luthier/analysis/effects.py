"""What one parameter does, what two do together, and what changed from the default to the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import AnalysisError
from ..history import History
from ..surrogates.forest import Forest, as_forest
from ..types import Label


@dataclass(frozen=True, slots=True)
class Effect:
    """Holds the expected value over one parameter where it is active, all others averaged.

    >>> from luthier.analysis import Effect
    >>> optimizer = Effect("optimizer", labels=("sgd", "adamw"), mean=(0.4, 0.3), spread=(0.02, 0.01))
    >>> min(zip(optimizer.mean, optimizer.labels))
    (0.3, 'adamw')

    Attributes:
        name: of the parameter.
        labels: (g,) its values, in the order of the domain.
        mean: (g,) expected value of the objective.
        spread: (g,) standard deviation over the trees.
    """

    name: str
    labels: tuple[Label, ...]
    mean: tuple[float, ...]
    spread: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Interaction:
    """Holds the expected value over two parameters, all others averaged; where both are active.

    >>> from luthier.analysis import Interaction
    >>> both = Interaction(("a", "b"), rows=(1, 2), columns=("x", "y"), mean=((0.1, 0.2), (0.3, 0.4)))
    >>> both.mean[both.rows.index(2)][both.columns.index("x")]
    0.3

    Attributes:
        names: of the two parameters.
        rows, columns: values of the first and of the second.
        mean: (rows, columns) expected values of the objective.
    """

    names: tuple[str, str]
    rows: tuple[Label, ...]
    columns: tuple[Label, ...]
    mean: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Holds one parameter that differs between two configurations.

    >>> from luthier.analysis import Difference
    >>> change = Difference("optimizer", before="sgd", after="adamw", gain=0.02)
    >>> f"{change.name}: {change.before} to {change.after}, {change.gain:+.2f}"
    'optimizer: sgd to adamw, +0.02'

    Attributes:
        name: of the parameter.
        before, after: its values; None where it is inactive.
        gain: how much better the objective is expected to become by this alone, all others averaged; in the
            objective's units, positive for better whatever the direction. A parameter that becomes active (or
            inactive) is compared with its own average.
    """

    name: str
    before: Label
    after: Label
    gain: float


def effect(source: History | Forest, name: str) -> Effect:
    """Return the marginal mean of one parameter with its spread.

    >>> import luthier as lt
    >>> from luthier.analysis import effect
    >>> study = lt.create_study(space={"act": lt.Choice(["relu", "tanh"]), "x": lt.Float(0, 1)}, seed=0)
    >>> study.optimize(lambda trial: trial.params["x"] + (trial.params["act"] == "relu"), n_trials=20)
    >>> found = effect(study.history, "act")
    >>> found.labels, found.mean[0] > found.mean[1]
    (('relu', 'tanh'), True)

    Raises:
        AnalysisError: no such parameter, fewer than 5 complete trials, or all values equal.
        MissingDependency: scikit-learn is not installed.
    """
    forest = as_forest(source)
    j = forest.axis(name)
    marginals = forest.marginals(j, active=True)  # (trees, g)
    mean, spread = marginals.mean(axis=0), marginals.std(axis=0)
    return Effect(name, forest.axes[j].labels, tuple(mean.tolist()), tuple(spread.tolist()))


def interaction(source: History | Forest, first: str, second: str) -> Interaction:
    """Return the marginal mean of two parameters on a grid.

    >>> import luthier as lt
    >>> from luthier.analysis import interaction
    >>> study = lt.create_study(space={"act": lt.Choice(["relu", "tanh"]), "x": lt.Float(0, 1)}, seed=0)
    >>> study.optimize(lambda trial: trial.params["x"] * (trial.params["act"] == "relu"), n_trials=20)
    >>> found = interaction(study.history, "act", "x")
    >>> found.rows, len(found.columns) == len(found.mean[0])
    (('relu', 'tanh'), True)

    Raises:
        AnalysisError: no such parameters, the same twice, fewer than 5 complete trials, or all values equal.
        MissingDependency: scikit-learn is not installed.
    """
    forest = as_forest(source)
    j, k = forest.axis(first), forest.axis(second)
    if j == k:
        raise AnalysisError(f"an interaction needs two parameters, not {first!r} twice")
    mean = forest.marginal_pairs(j, k, active=True).mean(axis=0)
    return Interaction(
        (first, second), forest.axes[j].labels, forest.axes[k].labels, tuple(tuple(row) for row in mean.tolist())
    )


def changed(
    source: History | Forest, default: Mapping[str, Label], best: Mapping[str, Label]
) -> tuple[Difference, ...]:
    """Return what differs between two configurations, the largest gain first.

    >>> import luthier as lt
    >>> from luthier.analysis import changed
    >>> study = lt.create_study(space={"act": lt.Choice(["relu", "tanh"]), "x": lt.Float(0, 1)}, seed=0)
    >>> study.optimize(lambda trial: trial.params["x"] + (trial.params["act"] == "relu"), n_trials=20)
    >>> (change,) = changed(study.history, {"act": "relu", "x": 0.5}, {"act": "tanh", "x": 0.5})
    >>> change.name, change.before, change.after, change.gain > 0
    ('act', 'relu', 'tanh', True)

    The gains are marginal: they need not add up to the whole difference where parameters act together.

    Args:
        source: the study's history, or a forest over it.
        default, best: stored values of the active parameters.

    Raises:
        AnalysisError: fewer than 5 complete trials, or all values equal.
        SpaceError: a choice that the space does not have.
        MissingDependency: scikit-learn is not installed.
    """
    forest = as_forest(source)
    sign = -1.0 if forest.direction == "minimize" else 1.0
    changes = []
    for j, axis in enumerate(forest.axes):
        name = axis.name
        if name in default and name in best and default[name] == best[name]:
            continue
        if name not in default and name not in best:
            continue
        mean = forest.marginals(j, active=True).mean(axis=0)
        average = float(mean @ axis.weights)  # what the parent's own gain counts on
        before, after = (float(mean[axis.cell(c[name])]) if name in c else average for c in (default, best))
        gain = sign * (after - before)
        changes.append(Difference(name, default.get(name), best.get(name), gain))
    return tuple(sorted(changes, key=lambda change: -change.gain))
