"""The race of re-runs: seeds one by one, and only to configurations that can still win.

The rule is successive elimination with paired differences against the leader, as in Hoeffding races (Maron and Moore
1994) and in F-Race (Birattari et al. 2002), with Student's t in place of Hoeffding's bound and of Friedman's test:

1. The *reference* runs first, on two seeds: the trial with the best value, and the default configuration if asked for.
2. Every other configuration whose value in the search lies too far behind the leader of these is not run again, and
   one whose first re-run does leaves. "Too far" is a one-sided t-test of a single new value against the leader's mean;
   the scatter is that of the reference, its values in the search among them. A search's best values are lucky, so this
   errs towards running too many again.
3. After each further seed, those too far behind the leader on the same seeds leave: a one-sided t-test of the
   mean paired difference, with the residual scatter of configurations × seeds, as in a randomised block design.
4. The others go on to the last seed; the leader does even when it is alone, as its interval is part of the answer.

Each of these cuts has the level `LEVEL`, divided by the number of comparisons in it (Bonferroni): with three seeds, the
configuration that is truly best is dropped with a probability of at most 3 %, if the scatter is normal and about the
same for all. Where the values show no scatter at all, none leaves.

What this does to the statistics: configurations that stay to the end have all seeds, so their means, intervals and
paired tests are those of a fixed design, up to the small selection that any choice among them brings. The mean of one
that left is that of the seeds that it ran on: low by selection, and not to be compared further.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from ..types import Configuration, Direction
from .candidate import Candidate, Confirmation, Run
from .intervals import EVERYWHERE, Bounds

LEVEL = 0.01  # of one cut, over all comparisons in it
_FIRST = 2  # seeds of the reference before any other entry runs: one shows no scatter

Number: TypeAlias = int | None  # of a trial; None for the default configuration
Values: TypeAlias = Mapping[Number, Mapping[int, float]]  # losses by number and seed


@dataclass(frozen=True, slots=True)
class Plan:
    """Says which configurations run again on which seeds, at most, so that they can be spread over processes.

    >>> import luthier as lt
    >>> from luthier.confirm import plan_reruns, timed_run
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)})
    >>> record = study.tell(study.ask(fixed={"x": 0.5}), 0.5)
    >>> plan = plan_reruns(study.history, seeds=2)
    >>> runs = [timed_run(number, seed, params, lambda p, s: p["x"]) for number, seed, params in plan.pending()]
    >>> plan.pending(runs), plan.confirmation(runs).candidates[0].mean
    ([], 0.5)

    Attributes:
        direction: of the objective.
        seeds: the same for all, so that paired tests apply.
        entries: number, stored parameters and search value of each; None numbers the default configuration.
        reference: numbers of the entries that run first; empty where every entry runs on every seed.
        bounds: lowest and highest possible value of the metric.
    """

    direction: Direction
    seeds: tuple[int, ...]
    entries: tuple[tuple[Number, Configuration, float], ...]
    reference: tuple[Number, ...] = ()
    bounds: Bounds = EVERYWHERE

    @property
    def numbers(self) -> tuple[Number, ...]:
        """Numbers of the entries."""
        return tuple(number for number, _, _ in self.entries)

    def pending(self, done: Iterable[Run] = ()) -> list[tuple[Number, int, Configuration]]:
        """Return number, seed and stored parameters of the runs to make next.

        Make them all, in any order, then ask again; there are none when the race is over.
        """
        params = {number: configuration for number, configuration, _ in self.entries}
        return [(number, seed, params[number]) for number, seed in _standing(self, done).todo]

    def remaining(self, done: Iterable[Run] = ()) -> tuple[tuple[Number, int], ...]:
        """Return number and seed of all runs that may still come, if no other leaves."""
        done = list(done)
        finished = {(run.number, run.seed) for run in done}
        left = _standing(self, done).left
        pairs = ((number, seed) for seed in self.seeds for number in self.numbers if number not in left)
        return tuple(pair for pair in pairs if pair not in finished)

    def confirmation(self, done: Iterable[Run]) -> Confirmation:
        """Return what the runs so far come to."""
        done = list(done)
        runs = {(run.number, run.seed): run for run in done}
        state = _standing(self, done)
        candidates = []
        for number, params, value in self.entries:
            own = tuple(runs[number, seed] for seed in self.seeds if (number, seed) in runs)
            left = state.left.get(number, "")
            if not left and len(own) < len(self.seeds) and state.todo:
                left = "not run again on all seeds: the re-runs ended early"
            candidates.append(Candidate(number, params, value, own, left, self.bounds))
        return Confirmation(self.direction, self.seeds, tuple(candidates))


def largest_cost(plan: Plan, costs: Mapping[Number, float]) -> float:
    """Return what a plan costs if none leaves the race, in the unit of the costs of one run of each entry.

    >>> from luthier.confirm import Plan, largest_cost
    >>> plan = Plan("maximize", (1, 2, 3), ((4, {"x": 0.1}, 0.98), (7, {"x": 0.2}, 0.97)), reference=(4,))
    >>> largest_cost(plan, {4: 10.0, 7: 20.0})
    90.0
    """
    return len(plan.seeds) * sum(costs[number] for number in plan.numbers)


def within(plan: Plan, costs: Mapping[Number, float], budget: float, done: Iterable[Run] = ()) -> Plan:
    """Return the part of a plan that costs at most `budget`, even if none leaves the race.

    >>> from luthier.confirm import Plan, Run, within
    >>> plan = Plan("maximize", (1, 2, 3), ((4, {"x": 0.1}, 0.98), (7, {"x": 0.2}, 0.97)), reference=(4,))
    >>> within(plan, {4: 10.0, 7: 20.0}, budget=50.0).numbers
    (4,)
    >>> within(plan, {4: 10.0, 7: 20.0}, budget=50.0, done=[Run(7, seed, 0.9, 20.0) for seed in (1, 2)]).numbers
    (4, 7)

    Entries give way before seeds do: the reference keeps as many of the seeds as it can pay for, at least one, and
    others join in the order of the plan where they fit. What has run is paid for: such a run costs nothing, and
    neither its entry nor its seed gives way.

    Args:
        plan: what to run again.
        costs: of one run of each entry, in any unit.
        budget: in the same unit, for runs still to come.
        done: runs that finished earlier; those of other entries or seeds are ignored.
    """
    paid = {(run.number, run.seed) for run in done if run.number in plan.numbers and run.seed in plan.seeds}

    def cost(number: Number, seeds: int) -> float:
        return costs[number] * sum((number, seed) not in paid for seed in plan.seeds[:seeds])

    most = budget + 1e-9 * abs(budget)  # sums of the same costs in another order differ in their last digits
    begun = {number for number, _ in paid}
    first = dict.fromkeys([*(plan.reference or plan.numbers[:1]), *(n for n in plan.numbers if n in begun)])
    least = max((k for k, seed in enumerate(plan.seeds, 1) if any(seed == s for _, s in paid)), default=1)
    fitting = (k for k in range(len(plan.seeds), least, -1) if sum(cost(n, k) for n in first) <= most)
    seeds = next(fitting, least)
    kept, spent = set(first), sum(cost(number, seeds) for number in first)
    for number in plan.numbers:
        if number not in kept and spent + cost(number, seeds) <= most:
            kept.add(number)
            spent += cost(number, seeds)
    return replace(plan, seeds=plan.seeds[:seeds], entries=tuple(e for e in plan.entries if e[0] in kept))


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where a race is: what runs next, and why those that left did."""

    todo: Sequence[tuple[Number, int]]
    left: Mapping[Number, str]


def _standing(plan: Plan, done: Iterable[Run]) -> _Standing:
    """A pure function of the finished runs, whatever their order: so a race that was killed goes on as it was."""
    sign = 1.0 if plan.direction == "minimize" else -1.0
    values: dict[Number, dict[int, float]] = {number: {} for number in plan.numbers}
    for run in done:
        if run.number in values and run.seed in plan.seeds:
            values[run.number][run.seed] = sign * run.value
    left = {n: "failed on a fresh seed" for n, own in values.items() if any(map(math.isnan, own.values()))}
    if not plan.reference:
        return _Standing(_missing(values, plan.numbers, plan.seeds), left)
    sound = [n for n in (*plan.reference, *plan.numbers) if n not in left]
    sound = list(dict.fromkeys(sound))  # a failed one counts as never run: it eliminates no other
    racers, others = sound[: len(plan.reference)], sound[len(plan.reference) :]
    first = plan.seeds[:_FIRST]
    if todo := _missing(values, racers, first):
        return _Standing(todo, left)
    search = {number: sign * value for number, _, value in plan.entries}
    for seeds in ((), first[:1]):
        if todo := _missing(values, others, seeds):
            return _Standing(todo, left)
        shown = {n: values[n][seeds[0]] if seeds else search[n] for n in others}
        why = "too far behind in its first re-run" if seeds else "not re-run: too far behind in the search"
        out = _single_values_behind(shown, [[search[n], *(values[n][s] for s in first)] for n in racers], len(first))
        left |= dict.fromkeys(out, why)
        others = [n for n in others if n not in out]
    racers += others
    for k in range(len(first), len(plan.seeds) + 1):
        if todo := _missing(values, racers, plan.seeds[:k]):
            return _Standing(todo, left)
        if racers and 1 < k < len(plan.seeds):
            out = _means_behind({n: [values[n][s] for s in plan.seeds[:k]] for n in racers})
            left |= dict.fromkeys(out, f"too far behind after {k} seeds")
            racers = [n for n in racers if n not in out]
    return _Standing([], left)


def _missing(values: Values, numbers: Sequence[Number], seeds: Sequence[int]) -> list[tuple[Number, int]]:
    return [(n, seed) for seed in seeds for n in numbers if seed not in values[n]]


def _single_values_behind(shown: Mapping[Number, float], groups: Sequence[Sequence[float]], runs: int) -> set[Number]:
    """Return whose single value lies too far above the reference's best mean, that of its last `runs` values."""
    if not groups:
        return set()
    best = min(float(np.mean(group[-runs:])) for group in groups)
    known = [[x for x in group if math.isfinite(x)] for group in groups]
    degrees = sum(len(group) - 1 for group in known)
    squares = sum(float(np.var(group)) * len(group) for group in known)
    variance = squares / degrees if degrees else 0.0
    # the leader is the luckiest of the reference, so every other is compared with each of them
    comparisons = len(shown) * len(groups)
    return _behind({n: x - best for n, x in shown.items()}, variance * (1 + 1 / runs), degrees, comparisons)


def _means_behind(rows: Mapping[Number, Sequence[float]]) -> set[Number]:
    """Return whose mean lies too far above the best one; rows are configurations, columns the same seeds."""
    x = np.array(list(rows.values()))  # (m, k)
    m, k = x.shape
    means = x.mean(axis=1)  # (m,)
    residuals = x - means[:, None] - x.mean(axis=0) + x.mean()
    degrees = (m - 1) * (k - 1)
    variance = float((residuals**2).sum()) / degrees if degrees else 0.0
    gaps = dict(zip(rows, (means - means.min()).tolist(), strict=True))
    leader = min(gaps, key=lambda n: gaps[n])
    return _behind({n: gap for n, gap in gaps.items() if n != leader}, 2 * variance / k, degrees, m - 1)


def _behind(gaps: Mapping[Number, float], variance: float, degrees: int, comparisons: int) -> set[Number]:
    """Return whose gap is more than chance explains, with Bonferroni's correction over all comparisons."""
    scale = max((abs(gap) for gap in gaps.values() if math.isfinite(gap)), default=0.0)
    if not gaps or degrees < 1 or math.sqrt(variance) <= 1e-9 * scale:  # without scatter nothing can be told
        return set()
    from scipy.special import stdtrit

    limit = float(stdtrit(degrees, 1 - LEVEL / comparisons)) * math.sqrt(variance)
    return {n for n, gap in gaps.items() if gap > limit}
