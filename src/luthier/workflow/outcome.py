"""What a run of the nine steps came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..confirm import Check
from .choice import Winner
from .walk import Walk


@dataclass(frozen=True)
class Cost:
    """What a run cost, over all its starts.

    >>> from luthier.workflow import Cost
    >>> cost = Cost(seconds=70.0, trials=7, search_seconds=40.0, reruns=4, rerun_seconds=20.0)
    >>> cost.training_seconds
    60.0

    Attributes:
        seconds: by the clock.
        trials, search_seconds: of the search, and what its trainings took.
        reruns, rerun_seconds: trainings on fresh seeds, and what they took.
    """

    seconds: float
    trials: int
    search_seconds: float
    reruns: int
    rerun_seconds: float

    @property
    def training_seconds(self) -> float:
        """What all trainings took."""
        return self.search_seconds + self.rerun_seconds


@dataclass(frozen=True)
class Outcome:
    """What `tune` found, and where it is.

    >>> from luthier.tasks.image import ImageTask, load_model
    >>> from luthier.workflow import tune
    >>> outcome = tune(ImageTask("digits", epochs=1, limit=200), "digits", trials=2, top=1, seeds=1)
    >>> outcome.params.keys() >= {"learning_rate", "batch_size"}, 0 <= outcome.check.best.estimate <= 1
    (True, True)
    >>> load_model(outcome.model).shape
    (1, 8, 8)

    Attributes:
        trial: number of the chosen trial; None for the default configuration.
        params: the chosen configuration.
        is_default: whether it is the default one.
        confirmed: whether re-runs on fresh seeds decided; else it is the best of the search, as the time was over.
        mean: of the re-runs; None without any.
        compared: how many configurations ran again.
        baseline_value, baseline_params: of the default configuration, in the search.
        check: it and the baseline on the sealed test set.
        cost: what it took.
        run, study, report, model: where things are.
    """

    trial: int | None
    params: Mapping[str, Any]
    is_default: bool
    confirmed: bool
    mean: float | None
    compared: int
    baseline_value: float | None
    baseline_params: Mapping[str, Any]
    check: Check
    cost: Cost
    run: Path
    study: Path
    report: Path
    model: Path

    @property
    def name(self) -> str:
        """What to call the choice."""
        return "the default configuration" if self.trial is None else f"trial {self.trial}"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        cost = self.cost
        return {
            "best": {
                "trial": self.trial,
                "params": dict(self.params),
                "mean": self.mean,
                "confirmed": self.confirmed,
                "compared": self.compared,
            },
            "baseline": {"value": self.baseline_value, "params": dict(self.baseline_params)},
            "check": self.check.to_json(),
            "cost": {
                "seconds": cost.seconds,
                "trials": cost.trials,
                "search_seconds": cost.search_seconds,
                "reruns": cost.reruns,
                "rerun_seconds": cost.rerun_seconds,
                "training_seconds": cost.training_seconds,
            },
            **{name: str(getattr(self, name)) for name in ("run", "study", "report", "model")},
        }


def outcome_of(walk: Walk, winner: Winner, verdict: Check) -> Outcome:
    """Make the winner's model the run's, and return what the run came to."""
    folder, records, baseline = walk.folder, walk.study.trials, walk.baseline
    folder.put_model(winner.model)
    candidates = () if winner.confirmation is None else winner.confirmation.candidates
    runs = [run for candidate in candidates for run in candidate.runs]
    return Outcome(
        trial=winner.number,
        params=dict(winner.params),
        is_default=walk.number(winner.number) is None,
        confirmed=winner.confirmation is not None,
        mean=winner.mean,
        compared=sum(bool(candidate.runs) for candidate in candidates),
        baseline_value=baseline.value,
        baseline_params=dict(baseline.params),
        check=verdict,
        cost=Cost(
            folder.seconds,
            len(records),
            sum(t.seconds or 0.0 for t in records),
            len(runs),
            sum(run.seconds for run in runs),
        ),
        run=folder.path,
        study=folder.study,
        report=folder.report,
        model=folder.model,
    )
