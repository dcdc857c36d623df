"""The best trials of a study once more, on fresh seeds: a search's own best value is a lucky one."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..errors import DataError
from ..history import History
from ..samplers import expected_order
from ..trial import TrialRecord
from ..types import Configuration, Direction, Label
from .intervals import Interval, number_from_json, number_to_json, standard_error, t_interval

FIRST_SEED = 10_001  # far from the small seeds that searches use
Evaluate: TypeAlias = Callable[[dict[str, Any], int], float]


@dataclass(frozen=True, slots=True)
class Run:
    """One finished re-run.

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
    """A configuration with its re-runs.

    Attributes:
        number: the trial it comes from; None for the default configuration.
        params: stored values.
        search_value: what the search saw; NaN for a default that the search did not try.
        runs: one for each seed.
    """

    number: int | None
    params: Mapping[str, Label]
    search_value: float
    runs: tuple[Run, ...]

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
        """Mean over the seeds; NaN if one failed."""
        return float(np.mean(self.values))

    @property
    def error(self) -> float:
        """Standard error of the mean; NaN for one seed."""
        return standard_error(self.values)

    @property
    def interval(self) -> Interval:
        """95 % t-interval of the mean; NaN for one seed, or if one failed."""
        return Interval(math.nan, math.nan, math.nan) if self.failed else t_interval(self.values)

    @property
    def seconds(self) -> float:
        """Mean cost of one run."""
        return float(np.mean([run.seconds for run in self.runs]))

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        return {
            "number": self.number,
            "params": dict(self.params),
            "search_value": number_to_json(self.search_value),
            "runs": [run.to_json() for run in self.runs],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Candidate:
        """The candidate of a JSON object."""
        runs = tuple(Run.from_json(run) for run in data["runs"])
        return Candidate(data["number"], data["params"], number_from_json(data["search_value"]), runs)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The best trials re-run, in the order of their search values; the default configuration, if asked for, last.

    `choose` names the winner.
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
                raise DataError(f"the confirmation has format {data['format']}, this Luthier reads 1: upgrade it")
            candidates = tuple(Candidate.from_json(candidate) for candidate in data["candidates"])
            return Confirmation(data["direction"], tuple(data["seeds"]), candidates)
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise DataError(f"this is not the JSON of a confirmation: {error!r}") from error


def best_trials(history: History, objective: int = 0) -> list[TrialRecord]:
    """Complete, feasible trials, the best first; equal configurations count once."""
    losses = history.losses[:, objective]
    good = history.is_complete & history.feasible & np.isfinite(losses)
    rows = np.flatnonzero(good)
    return _distinct(history, rows[np.argsort(losses[rows], kind="stable")])


def _distinct(history: History, rows: Iterable[int]) -> list[TrialRecord]:
    first: dict[str, TrialRecord] = {}
    for row in rows:
        record = history.records[row]
        first.setdefault(_key(record.params), record)
    return list(first.values())


def _leaders(history: History, observed: Sequence[TrialRecord], top: int) -> list[TrialRecord]:
    """Those of the `best_trials` that are expected to be best, and the first whatever is expected of it."""
    known = {_key(t.params): t for t in observed}  # of equal configurations the luckiest, as everywhere
    keys = (_key(t.params) for t in _distinct(history, expected_order(history)))
    expected = [known[key] for key in keys if key in known][:top]
    return expected if observed[0] in expected else [*expected[:-1], observed[0]]


@dataclass(frozen=True, slots=True)
class Plan:
    """Which configurations run again on which seeds.

    Attributes:
        direction: of the objective.
        seeds: the same for all, so that paired tests apply.
        entries: number, stored parameters and search value of each; None numbers the default configuration.
    """

    direction: Direction
    seeds: tuple[int, ...]
    entries: tuple[tuple[int | None, Configuration, float], ...]

    def pending(self, done: Iterable[Run] = ()) -> list[tuple[int | None, int, Configuration]]:
        """Number, seed and stored parameters of what is still to run; seed by seed, so that an early end is fair."""
        finished = {(run.number, run.seed) for run in done}
        return [(n, seed, p) for seed in self.seeds for n, p, _ in self.entries if (n, seed) not in finished]

    def confirmation(self, done: Iterable[Run]) -> Confirmation:
        """The result, once nothing is pending."""
        runs = {(run.number, run.seed): run for run in done}
        candidates = (Candidate(n, p, v, tuple(runs[n, seed] for seed in self.seeds)) for n, p, v in self.entries)
        return Confirmation(self.direction, self.seeds, tuple(candidates))


def plan_reruns(history: History, top: int = 5, seeds: int | Sequence[int] = 3, include_default: bool = False) -> Plan:
    """Which runs it takes to confirm the best trials; arguments and errors as for `rerun`."""
    chosen = _seeds(seeds)
    if top < 1:
        raise DataError(f"top={top}: at least one trial must run again")
    if len(history.directions) != 1:
        raise DataError(f"the study has {len(history.directions)} objectives: re-runs rank trials by one")
    trials = best_trials(history)
    if not trials:
        raise DataError("the study has no complete and feasible trial to run again: run more trials first")
    entries: list[tuple[int | None, Configuration, float]] = [
        (t.number, dict(t.params), t.values[0]) for t in _leaders(history, trials, top) if t.values
    ]
    if include_default:
        default = history.space.defaults()
        if all(_key(params) != _key(default) for _, params, _ in entries):
            known = (t.values[0] for t in trials if t.values and _key(t.params) == _key(default))
            entries.append((None, default, next(known, math.nan)))
    return Plan(history.directions[0], chosen, tuple(entries))


def rerun(
    history: History,
    evaluate: Evaluate,
    top: int = 5,
    seeds: int | Sequence[int] = 3,
    *,
    include_default: bool = False,
    done: Iterable[Run] = (),
    on_result: Callable[[Run], None] | None = None,
) -> Confirmation:
    """Run the most promising distinct trials again on fresh seeds.

    These are the trials that are expected to be best (see `luthier.samplers.expected_order`), and the one with the
    best value among them: of the luckiest values the re-runs would find fewer good ones. All candidates get the
    same seeds, so paired tests apply. What raises in `evaluate` or `on_result` ends the re-run; pass the runs that
    `on_result` saw as `done` to go on where it ended. To spread the runs over processes, take them from
    `plan_reruns`.

    Args:
        history: of a study with one objective.
        evaluate: trains with these parameters (as the objective gets them) and this seed; a value that is not finite
            is a failed run.
        top: how many trials; fewer if the study has fewer, and for 1 the one with the best value.
        seeds: the seeds, or how many; a number k stands for 10001, 10002, ...
        include_default: run the space's default configuration too, unless it is among the best.
        done: runs that finished earlier; those of other trials or seeds are ignored.
        on_result: called with every new run.

    Raises:
        DataError: several objectives, no complete feasible trial, no seeds, or top < 1.
    """
    plan = plan_reruns(history, top, seeds, include_default)
    runs = list(done)
    for number, seed, params in plan.pending(runs):
        run = timed_run(number, seed, history.space.restore(params), evaluate)
        if on_result is not None:
            on_result(run)
        runs.append(run)
    return plan.confirmation(runs)


def timed_run(number: int | None, seed: int, params: dict[str, Any], evaluate: Evaluate) -> Run:
    """Evaluate once, and take the time; a value that is not finite is a failed run."""
    start = time.perf_counter()
    value = float(evaluate(params, seed))
    return Run(number, seed, value if math.isfinite(value) else math.nan, time.perf_counter() - start)


def _seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    chosen = tuple(range(FIRST_SEED, FIRST_SEED + seeds)) if isinstance(seeds, int) else tuple(seeds)
    if not chosen or len(set(chosen)) != len(chosen):
        raise DataError(f"seeds={seeds!r}: give at least one seed, and none twice")
    return chosen


def _key(params: Mapping[str, Label]) -> str:
    return json.dumps(params if isinstance(params, dict) else dict(params), sort_keys=True)
