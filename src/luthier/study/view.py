"""StudyView: what follows from a study's history alone, wherever the study is kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..history import History
from ..multiobjective.dominance import non_dominated
from ..notebook import table
from ..space import Space
from ..trial import TrialRecord
from ..types import Direction
from .dataframe import ATTRS, trials_dataframe

if TYPE_CHECKING:
    from .dataframe import DataFrame

_SHOWN = 10  # trials in a notebook


class StudyView(ABC):
    """The answers that `Study` and `RemoteStudy` share: each needs the history and nothing else."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name of the study in its storage."""

    @property
    @abstractmethod
    def directions(self) -> tuple[Direction, ...]:
        """ "minimize" or "maximize" for each objective."""

    @property
    @abstractmethod
    def history(self) -> History:
        """All trials in columns; do not change it."""

    @property
    @abstractmethod
    def space(self) -> Space:
        """The search space: as declared, or the parameters that the objective has asked for so far."""

    @property
    @abstractmethod
    def _declared(self) -> Space | None:
        """The declared space, with its objects; None where the objective defines it."""

    def _repr_html_(self) -> str:
        trials = self.trials
        states = Counter(t.state.name for t in trials)
        counts = ", ".join(f"{n} {state}" for state, n in states.items()) or "no trials"
        labels = self.objective_names or _value_labels(len(self.directions))
        header = ["trial", "state", *(f"{x} ({d})" for x, d in zip(labels, self.directions, strict=True)), "parameters"]
        best = self.best_trials[:_SHOWN]
        rows = [(t.number, t.state.name, *(t.values or ()), dict(t.params)) for t in best]
        return table(f"study {self.name}: {counts}; the best so far", header, rows)

    @property
    def direction(self) -> Direction:
        """The direction of the only objective. Raises ValueError if there are several."""
        self._one_objective("directions")
        return self.directions[0]

    @property
    def trials(self) -> list[TrialRecord]:
        """All trials, by number."""
        return list(self.history.records)

    @property
    def best_trial(self) -> TrialRecord:
        """The complete, feasible trial with the best value, the earliest of equals.

        Raises:
            ValueError: there is no complete trial yet, or the study has several objectives.
        """
        self._one_objective("best_trials")
        return self._found(self.history.best())

    @property
    def recommended_trial(self) -> TrialRecord:
        """The complete, feasible trial that is expected to be best when it runs again.

        The best value of a noisy search is a lucky one. Here a value counts for half, and what a Gaussian process
        makes of all trials for the rest; without noise it is nearly always `best_trial`. An answer takes
        some tens of milliseconds at 100 trials. To know rather than expect, run the best again:
        `luthier.confirm.rerun`.

        Raises:
            ValueError: there is no complete trial yet, or the study has several objectives.
        """
        from ..analysis.recommend import expected_order

        self._one_objective("best_trials")
        history = self.history
        self._found(history.best())
        return history.records[int(expected_order(history)[0])]

    def _found(self, best: TrialRecord | None) -> TrialRecord:
        if best is None:
            raise ValueError(f"study {self.name!r} has no complete, feasible trial yet")
        return best

    @property
    def best_trials(self) -> list[TrialRecord]:
        """The Pareto front: complete, feasible trials that no other beats in every objective."""
        history = self.history
        candidates = np.flatnonzero(history.is_complete & history.feasible)
        front = candidates[non_dominated(history.losses[candidates])]
        return [history.records[int(i)] for i in front]

    @property
    def best_params(self) -> dict[str, Any]:
        """The parameters of the best trial as the objective got them: objects in place of their labels."""
        return self.space.restore(self.best_trial.params)

    @property
    def best_value(self) -> float:
        """The value of the best trial."""
        value = self.best_trial.value
        assert value is not None
        return value

    def trials_dataframe(self, attrs: Iterable[str] = ATTRS, multi_index: bool = False) -> DataFrame:
        """Return all trials as a pandas DataFrame, a row each.

        Args:
            attrs: what becomes columns, in this order: "number", "value" (or "values": for several objectives
                columns `values_0`, `values_1`, or by their names), "datetime_start", "datetime_complete" (in local
                time), "duration", "params" (columns `params_NAME`), "user_attrs", "state"; also "constraints",
                "intermediate_values", "error" and "retries".
            multi_index: columns of two levels, as in `df["params"]["lr"]`.

        Raises:
            MissingDependency: pandas is not installed.
            ValueError: an unknown name in attrs.
        """
        return trials_dataframe(self.trials, len(self.directions), self.objective_names, attrs, multi_index)

    @property
    @abstractmethod
    def objective_names(self) -> tuple[str, ...] | None:
        """The names of the objectives, as given to `create_study`; None if they have none."""

    def _one_objective(self, instead: str) -> None:
        if len(self.directions) != 1:
            raise ValueError(f"study {self.name!r} has {len(self.directions)} objectives: use .{instead}")


def _value_labels(objectives: int) -> list[str]:
    return ["value"] if objectives == 1 else [f"value {i}" for i in range(objectives)]
