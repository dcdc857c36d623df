"""The best trials of a study once more, on fresh seeds: a search's own best value is a lucky one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from ..analysis.recommend import expected_order
from ..errors import DataError
from ..history import History
from ..samplers.tried import marks, marks_of_trials
from ..trial import TrialRecord
from ..types import Configuration, Rows
from .candidate import Confirmation, Run
from .intervals import EVERYWHERE, Bounds
from .race import Plan

FIRST_SEED = 10_001  # far from the small seeds that searches use
Evaluate: TypeAlias = Callable[[dict[str, Any], int], float]


def best_trials(history: History, objective: int = 0) -> list[TrialRecord]:
    """Return the complete, feasible trials, the best first; equal configurations count once.

    >>> import luthier as lt
    >>> from luthier.confirm import best_trials
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)})
    >>> for x in (0.7, 0.2, 0.5):
    ...     record = study.tell(study.ask(fixed={"x": x}), x)
    >>> [trial.number for trial in best_trials(study.history)]
    [1, 2, 0]
    """
    losses = history.losses[:, objective]
    good = history.is_complete & history.feasible & np.isfinite(losses)
    rows = np.flatnonzero(good)
    return _distinct(history, rows[np.argsort(losses[rows], kind="stable")])


def _distinct(history: History, rows: Rows) -> list[TrialRecord]:
    first: dict[int, TrialRecord] = {}
    for row, mark in zip(rows.tolist(), marks_of_trials(history, rows), strict=True):
        first.setdefault(mark, history.records[row])
    return list(first.values())


def _leaders(history: History, observed: Sequence[TrialRecord], top: int) -> list[TrialRecord]:
    """Those of the `best_trials` that are expected to be best, and the first whatever is expected of it."""
    known = dict(zip(_marks(history, observed), observed, strict=True))  # of equal ones the luckiest, as everywhere
    likely = _marks(history, _distinct(history, expected_order(history)))
    expected = [known[mark] for mark in likely if mark in known][:top]
    return expected if observed[0] in expected else [*expected[:-1], observed[0]]


def plan_reruns(
    history: History,
    top: int = 5,
    seeds: int | Sequence[int] = 3,
    include_default: bool = False,
    *,
    race: bool = True,
    bounds: Bounds = EVERYWHERE,
) -> Plan:
    """Return which runs it takes at most to confirm the best trials; arguments and errors as for `rerun`.

    >>> import luthier as lt
    >>> from luthier.confirm import plan_reruns
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)})
    >>> record = study.tell(study.ask(fixed={"x": 0.5}), 0.5)
    >>> plan_reruns(study.history, seeds=2).pending()
    [(0, 10001, {'x': 0.5}), (0, 10002, {'x': 0.5})]
    """
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
    first: list[int | None] = [trials[0].number]
    if include_default:
        default = history.space.defaults()
        (mark,) = marks(history.space.encode([default])).tolist()
        same = next((t for t, m in zip(trials, _marks(history, trials), strict=True) if m == mark), None)
        is_among = same is not None and same.number in [number for number, _, _ in entries]
        if not is_among:
            entries.append((None, default, same.values[0] if same is not None and same.values else math.nan))
        first.append(same.number if same is not None and is_among else None)
    reference = tuple(dict.fromkeys(first)) if race else ()
    return Plan(history.directions[0], chosen, tuple(entries), reference, bounds)


def rerun(
    history: History,
    evaluate: Evaluate,
    top: int = 5,
    seeds: int | Sequence[int] = 3,
    *,
    include_default: bool = False,
    race: bool = True,
    bounds: Bounds = EVERYWHERE,
    done: Iterable[Run] = (),
    on_result: Callable[[Run], None] | None = None,
) -> Confirmation:
    """Run the most promising distinct trials again on fresh seeds, and return what came out.

    These are the trials that are expected to be best (see `luthier.analysis.expected_order`), and the one with the
    best value among them: of the luckiest values the re-runs would find fewer good ones. All candidates get the
    same seeds, so paired tests apply. Seeds are given one by one, and a candidate that cannot win any more gets no
    further ones: `luthier.confirm.race` states the rule and what it does to the statistics.

    >>> import luthier as lt
    >>> from luthier.confirm import rerun
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)}, seed=0)
    >>> study.optimize(lambda trial: trial.params["x"], n_trials=5)
    >>> confirmation = rerun(study.history, lambda params, seed: params["x"] + 1e-3 * (seed % 2), top=2, seeds=2)
    >>> [len(candidate.runs) for candidate in confirmation.candidates]
    [2, 0]

    The second candidate is too far behind the first to be run again.

    What raises in `evaluate` or `on_result` ends the re-run; pass the runs that `on_result` saw as `done` to go on
    where it ended. To spread the runs over processes, take them from `plan_reruns`.

    Args:
        history: of a study with one objective.
        evaluate: trains with these parameters (as the objective gets them) and this seed; a value that is not finite
            is a failed run.
        top: how many trials; fewer if the study has fewer, and for 1 the one with the best value.
        seeds: the seeds, or how many; a number k stands for 10001, 10002, ...
        include_default: run the space's default configuration too, unless it is among the best.
        race: False runs every candidate on every seed.
        bounds: lowest and highest possible value, such as (0, 1) for an accuracy; intervals stay inside.
        done: runs that finished earlier; those of other trials or seeds are ignored.
        on_result: called with every new run.

    Raises:
        DataError: several objectives, no complete feasible trial, no seeds, or top < 1.
    """
    plan = plan_reruns(history, top, seeds, include_default, race=race, bounds=bounds)
    runs = list(done)
    while todo := plan.pending(runs):
        for number, seed, params in todo:
            run = timed_run(number, seed, history.space.restore(params), evaluate)
            if on_result is not None:
                on_result(run)
            runs.append(run)
    return plan.confirmation(runs)


def timed_run(number: int | None, seed: int, params: dict[str, Any], evaluate: Evaluate) -> Run:
    """Evaluate once, and take the time; a value that is not finite is a failed run.

    >>> from luthier.confirm import timed_run
    >>> run = timed_run(3, 10_001, {"lr": 0.01}, lambda params, seed: params["lr"] * 2)
    >>> run.number, run.value, run.seconds >= 0
    (3, 0.02, True)
    """
    start = time.perf_counter()
    value = float(evaluate(params, seed))
    return Run(number, seed, value if math.isfinite(value) else math.nan, time.perf_counter() - start)


def _seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    chosen = tuple(range(FIRST_SEED, FIRST_SEED + seeds)) if isinstance(seeds, int) else tuple(seeds)
    if not chosen or len(set(chosen)) != len(chosen):
        raise DataError(f"seeds={seeds!r}: give at least one seed, and none twice")
    return chosen


def _marks(history: History, trials: Sequence[TrialRecord]) -> list[int]:
    return marks_of_trials(history, [trial.number for trial in trials])
