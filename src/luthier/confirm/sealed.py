"""The last word: baseline and winner judged once on examples that the search never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..types import Direction, Floats, Label
from .compare import mcnemar, paired_t
from .intervals import Interval, bootstrap_interval, pair, paired_bootstrap, wilson_interval


@dataclass(frozen=True, slots=True)
class Baseline:
    """Holds what is to be beaten: usually the default configuration on the validation set.

    >>> from luthier.confirm import Baseline
    >>> Baseline("default configuration", 0.91, {"lr": 0.001}, seconds=12.0).value
    0.91

    Attributes:
        name: what it is, such as "default configuration".
        value: its score, in the study's metric and direction.
        params: its parameters, if it has any.
        interval: of the value over seeds, if it ran on several.
        seconds: what one run costs.
    """

    name: str
    value: float
    params: Mapping[str, Label] = field(default_factory=dict)
    interval: Interval | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """Holds baseline and winner on the sealed test set; `check` makes it.

    >>> from luthier.confirm import Check, check
    >>> verdict = check("accuracy", best=[1, 1, 1, 0, 1, 1], baseline=[1, 0, 1, 0, 0, 1])
    >>> verdict.test, verdict.is_better
    ("McNemar's exact test", False)
    >>> Check.from_json(verdict.to_json()) == verdict
    True

    Attributes:
        metric: its name, such as "accuracy".
        direction: whether more or less of it is better.
        n: number of test examples.
        baseline, best: the two scores with 95 % intervals: Wilson's for an accuracy, bootstrap otherwise.
        difference: best less baseline, with a paired bootstrap interval.
        p_value: of McNemar's exact test for an accuracy, of the paired t-test otherwise.
        test: the name of that test.
    """

    metric: str
    direction: Direction
    n: int
    baseline: Interval
    best: Interval
    difference: Interval
    p_value: float
    test: str

    @property
    def is_better(self) -> bool:
        """Whether the whole interval of the difference lies on the good side of zero."""
        return self.difference.low > 0 if self.direction == "maximize" else self.difference.high < 0

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        data: dict[str, Any] = {name: getattr(self, name) for name in ("metric", "direction", "n", "p_value", "test")}
        return data | {name: getattr(self, name).to_json() for name in ("baseline", "best", "difference")}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Check:
        """The check of a JSON object."""
        parts = {name: Interval.from_json(data[name]) for name in ("baseline", "best", "difference")}
        return Check(**{**data, **parts})


def check(
    metric: str, best: ArrayLike, baseline: ArrayLike, *, direction: Direction = "maximize", seed: int = 0
) -> Check:
    """Judge the winner against the baseline on the sealed test set; do this once.

    >>> from luthier.confirm import check
    >>> verdict = check("accuracy", best=[1, 1, 1, 0, 1, 1], baseline=[1, 0, 1, 0, 0, 1])
    >>> verdict.n, round(verdict.difference.estimate, 3), verdict.p_value
    (6, 0.333, 0.5)

    Args:
        metric: the name of what the scores' mean is.
        best, baseline: (n,) scores of both models on the same examples: 1 for right and 0 for wrong where the metric
            is an accuracy, a loss of each example otherwise.
        direction: "maximize" where a higher mean is better.
        seed: of the bootstrap.

    Raises:
        DataError: lengths differ, no scores, or one that is not finite.
    """
    a, b = pair(best, baseline)
    binary = bool(np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all())
    p_value = mcnemar(a, b) if binary else paired_t(a, b)
    test = "McNemar's exact test" if binary else "paired t-test"
    difference = paired_bootstrap(a, b, seed=seed)
    return Check(metric, direction, len(a), _score(b, binary), _score(a, binary), difference, p_value, test)


def _score(x: Floats, binary: bool) -> Interval:
    return wilson_interval(int(x.sum()), len(x)) if binary else bootstrap_interval(x)
