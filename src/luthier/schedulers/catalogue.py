"""The pruners by name, as in `create_study(pruner="median")`: the one list of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..catalogue import Entry, named
from .protocol import Scheduler

PRUNERS: Mapping[str, Entry[Scheduler]] = MappingProxyType(
    {
        "median": Entry(
            "luthier.schedulers.percentile",
            "MedianPruner",
            "stop a trial that is worse than the median of complete trials at the same step",
        ),
        "halving": Entry(
            "luthier.schedulers.successive_halving",
            "SuccessiveHalvingPruner",
            "asynchronous successive halving: only the best trials go on at each rung",
        ),
        "percentile": Entry(
            "luthier.schedulers.percentile",
            "PercentilePruner",
            "stop a trial that is not among a given share of the best at the same step",
            needs="percentile=",
        ),
        "patient": Entry(
            "luthier.schedulers.patient",
            "PatientPruner",
            "stop a trial that has not improved for a number of steps",
            needs="the pruner to wrap, or None, and patience=",
        ),
        "threshold": Entry(
            "luthier.schedulers.threshold",
            "ThresholdPruner",
            "stop a trial whose reports leave a range",
            needs="lower=, upper=, or both",
        ),
    }
)

NAMES: tuple[str, ...] = tuple(name for name, entry in PRUNERS.items() if not entry.needs)
"""The pruners that can be made by their name alone."""

NO_PRUNER = "none"
"""What stands for no pruner where a word is needed: on the command line."""


def make_pruner(given: Scheduler | str | None, objectives: int = 1) -> Scheduler | None:
    """Return the pruner of an argument `pruner=`: by name, as it is, or None for None and "none".

    Args:
        given: the argument.
        objectives: how many the study has.

    Raises:
        ValueError: an unknown name, one that needs options, or a pruner for several objectives.
        TypeError: a class that was not called, or an object that is not a pruner.
    """
    if given is None or given == NO_PRUNER:
        return None
    pruner = named("pruner", given, PRUNERS, "decide")
    if objectives > 1:
        raise ValueError(
            f"a pruner needs one objective, and the study has {objectives}: leave pruner out, or optimize one objective"
        )
    return pruner
