"""What re-runs come to: one run, a configuration with its runs, and all of them together."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from ..types import Direction, Label
from .intervals import EVERYWHERE, Bounds, Interval, number_from_json, number_to_json, standard_error, t_interval


@dataclass(frozen=True, slots=True)
class Run:
    """Holds one finished re-run.

    >>> from luthier.confirm import Run
    >>> run = Run(number=3, seed=10_001, value=0.12, seconds=4.5)
    >>> Run.from_json(run.to_json()) == run
    True

    Attributes:
        number: the trial whose parameters ran; None for the default configuration.
        seed: of this run.
        value: what came out; NaN for a run that failed.
        seconds: how long it took.
    """

    number: int | None
    seed: int
    value: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        return {
            "number": self.number,
            "seed": self.seed,
            "value": number_to_json(self.value),
            "seconds": number_to_json(self.seconds),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Run:
        """The run of a JSON object."""
        value, seconds = number_from_json(data["value"]), number_from_json(data["seconds"])
        return Run(data["number"], data["seed"], value, seconds)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Holds a configuration with its re-runs.

    >>> from luthier.confirm import Candidate, Run
    >>> runs = (Run(3, 10_001, 0.12, 4.5), Run(3, 10_002, 0.16, 4.7))
    >>> candidate = Candidate(3, {"lr": 0.01}, search_value=0.1, runs=runs)
    >>> candidate.name, round(candidate.mean, 3), round(candidate.error, 3), candidate.failed
    ('trial 3', 0.14, 0.02, False)

    Attributes:
        number: the trial it comes from; None for the default configuration.
        params: stored values.
        search_value: what the search saw; NaN for a default that the search did not try.
        runs: one for each seed that it ran on: all of them, unless it left the race.
        left: why it was not run on every seed; empty if it was.
        bounds: lowest and highest possible value of the metric; the interval stays inside.
    """

    number: int | None
    params: Mapping[str, Label]
    search_value: float
    runs: tuple[Run, ...]
    left: str = ""
    bounds: Bounds = EVERYWHERE

    @property
    def name(self) -> str:
        """What to call it."""
        return "default" if self.number is None else f"trial {self.number}"

    @property
    def values(self) -> tuple[float, ...]:
        """What came out, in the order of the seeds."""
        return tuple(run.value for run in self.runs)

    @property
    def failed(self) -> bool:
        """Whether any re-run failed: such a candidate is never chosen."""
        return any(math.isnan(value) for value in self.values)

    @property
    def mean(self) -> float:
        """Mean over its seeds; NaN if one failed, or it did not run again."""
        return float(np.mean(self.values)) if self.runs else math.nan

    @property
    def error(self) -> float:
        """Standard error of the mean; NaN for one seed."""
        return standard_error(self.values)

    @property
    def interval(self) -> Interval:
        """95 % t-interval of the mean; NaN bounds for one seed and for equal values, all NaN if a run failed."""
        if self.failed or not self.runs:
            return Interval(math.nan, math.nan, math.nan)
        return t_interval(self.values, bounds=self.bounds)

    @property
    def scatter(self) -> str:
        """Why the interval has no bounds, such as "3 equal values"; empty if it has."""
        if self.failed or self.interval.is_known:
            return ""
        return ("not re-run", "one value")[len(self.runs)] if len(self.runs) < 2 else f"{len(self.runs)} equal values"

    @property
    def seconds(self) -> float:
        """Mean cost of one run; NaN without any."""
        return float(np.mean([run.seconds for run in self.runs])) if self.runs else math.nan

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        return {
            "number": self.number,
            "params": dict(self.params),
            "search_value": number_to_json(self.search_value),
            "runs": [run.to_json() for run in self.runs],
            "left": self.left,
            "bounds": [number_to_json(bound) for bound in self.bounds],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Candidate:
        """The candidate of a JSON object."""
        runs = tuple(Run.from_json(run) for run in data["runs"])
        low, high = data.get("bounds", (None, None))  # runs of earlier versions have neither these nor `left`
        bounds = (-math.inf if low is None else low, math.inf if high is None else high)
        value = number_from_json(data["search_value"])
        return Candidate(data["number"], data["params"], value, runs, data.get("left", ""), bounds)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The best trials re-run, the most promising first; the default configuration, if asked for, last.

    >>> from luthier.confirm import Candidate, Confirmation, Run
    >>> default = Candidate(None, {"lr": 0.01}, 0.5, (Run(None, 10_001, 0.48, 2.0),))
    >>> again = Confirmation("minimize", (10_001,), (default,))
    >>> again.default.name, Confirmation.from_json(again.to_json()) == again
    ('default', True)

    `choose` names the winner. Candidates that left the race early ran on fewer seeds than the others.
    """

    direction: Direction
    seeds: tuple[int, ...]
    candidates: tuple[Candidate, ...]

    @property
    def default(self) -> Candidate | None:
        """The default configuration's re-runs, if there are any."""
        return next((c for c in self.candidates if c.number is None), None)

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        candidates = [candidate.to_json() for candidate in self.candidates]
        return {"format": 1, "direction": self.direction, "seeds": list(self.seeds), "candidates": candidates}

    @staticmethod
    def from_json(data: Mapping[str, Any] | str) -> Confirmation:
        """The confirmation of a JSON object or its text.

        Raises:
            DataError: it is not one, or of a newer format.
        """
        try:
            if isinstance(data, str):
                data = json.loads(data)
            assert not isinstance(data, str)
            if data["format"] != 1:
                raise DataError(
                    f"the confirmation has format {data['format']}, this version of Luthier reads 1: upgrade it"
                )
            candidates = tuple(Candidate.from_json(candidate) for candidate in data["candidates"])
            return Confirmation(data["direction"], tuple(data["seeds"]), candidates)
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise DataError(f"this is not the JSON of a confirmation: {error!r}") from error
