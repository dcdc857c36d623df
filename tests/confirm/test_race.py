"""The race of re-runs: who gets which seed, and who is sent home."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.confirm import Candidate, Confirmation, Plan, Run, choose, largest_cost, within
from luthier.confirm.race import _single_values_behind
from luthier.errors import DataError

SEEDS = (10_001, 10_002, 10_003)


def plan_of(search, *, seeds=SEEDS, direction="maximize", reference=(1, None), default=0.98):
    """Trials 1, 2, ... with these search values, and the default configuration."""
    entries = tuple((i, {"x": i / 10}, value) for i, value in enumerate(search, 1))
    return Plan(direction, seeds, (*entries, (None, {"x": 0.0}, default)), reference)


def raced(plan, value):
    """Run a race to its end: the rounds as lists of (number, seed), and the runs."""
    rounds, runs = [], []
    while todo := plan.pending(runs):
        rounds.append([(number, seed) for number, seed, _ in todo])
        runs += [Run(number, seed, value(number, seed), 1.0) for number, seed, _ in todo]
        assert len(rounds) < 20
    return rounds, runs


def accuracy(number, seed, scatter=0.004):
    true = {None: 0.98, 1: 0.99, 2: 0.988, 3: 0.6, 4: 0.16}[number]
    return true + scatter * np.random.default_rng([seed, 99 if number is None else number]).standard_normal()


def test_seeds_are_given_one_by_one_to_those_who_can_still_win():
    plan = plan_of([0.992, 0.99, 0.97, 0.16])
    rounds, runs = raced(plan, accuracy)
    a, b, c = SEEDS
    assert rounds[0] == [(1, a), (None, a), (1, b), (None, b)]  # the best value and the default
    assert rounds[1] == [(2, a), (3, a)]  # 0.16 beside 0.98 is not run again, 0.97 might have been unlucky
    assert rounds[2] == [(2, b)]  # its first re-run, 0.6, sends trial 3 home
    assert rounds[3] == [(1, c), (None, c), (2, c)]
    found = plan.confirmation(runs)
    left = {c.number: c.left for c in found.candidates}
    assert left == {
        1: "",
        2: "",
        None: "",
        3: "too far behind in its first re-run",
        4: "not re-run: too far behind in the search",
    }
    assert [len(c.runs) for c in found.candidates] == [3, 3, 1, 0, 3]
    assert choose(found).best.number in (1, 2)
    assert math.isnan(found.candidates[3].mean) and found.candidates[3].scatter == "not re-run"


def test_the_same_when_less_is_better():
    up, down = (
        plan_of([0.992, 0.99, 0.97, 0.16]),
        plan_of([-0.992, -0.99, -0.97, -0.16], direction="minimize", default=-0.98),
    )
    assert raced(up, accuracy)[0] == raced(down, lambda n, s: -accuracy(n, s))[0]


def test_paired_differences_send_home_what_scatter_over_seeds_would_keep():
    """Seeds are hard or easy for all alike: on each of them trial 2 is 0.03 behind, give or take 0.001."""
    hard = dict(zip((1, 2, 3, 4), (0.0, 0.2, -0.1, 0.1), strict=True))
    noise = np.random.default_rng(0).normal(0, 0.0005, (5, 5))

    def value(number, seed):
        true = {1: 0.7, 2: 0.67, 3: 0.7, None: 0.7}[number]
        return true + hard[seed] + noise[number or 0, seed]

    plan = plan_of([0.9, 0.9, 0.9], seeds=(1, 2, 3, 4), default=0.9)
    _, runs = raced(plan, value)
    two, others = (
        plan.confirmation(runs).candidates[1],
        [c for c in plan.confirmation(runs).candidates if c.number != 2],
    )
    assert two.left == "too far behind after 2 seeds" and len(two.runs) == 2
    assert all(len(c.runs) == 4 and not c.left for c in others)


def test_the_leader_runs_on_all_seeds_though_it_is_alone():
    def value(number, seed):
        return {1: 0.9, 2: 0.4, 3: 0.5, None: 0.3}[number] + 1e-3 * ((seed * (number or 7)) % 5)

    plan = plan_of([0.9, 0.9, 0.9], seeds=(1, 2, 3, 4, 5), default=0.9)  # nobody is far behind in the search
    _, runs = raced(plan, value)
    found = plan.confirmation(runs)
    assert [len(c.runs) for c in found.candidates if c.left == ""] == [5]
    assert choose(found).best.number == 1 and choose(found).cheapest.number == 1


def test_without_scatter_nobody_leaves():
    plan = plan_of([0.9, 0.8, 0.1])
    _, runs = raced(plan, lambda number, seed: {1: 0.9, 2: 0.8, 3: 0.1, None: 0.98}[number])
    assert all(not c.left and len(c.runs) == 3 for c in plan.confirmation(runs).candidates)


def test_one_seed_and_one_entry():
    one = plan_of([0.992, 0.99, 0.97, 0.16], seeds=SEEDS[:1])
    rounds, _ = raced(one, accuracy)
    assert rounds[0] == [(1, SEEDS[0]), (None, SEEDS[0])] and (4, SEEDS[0]) not in rounds[-1]
    alone = Plan("maximize", SEEDS, ((0, {}, 0.9),), (0,))
    assert [len(r) for r in raced(alone, lambda n, s: 0.9)[0]] == [2, 1]


def test_without_a_reference_everything_runs_on_every_seed():
    rounds, _ = raced(plan_of([0.9, 0.1], reference=()), lambda n, s: 0.5 + s % 2)
    assert rounds == [[(n, s) for s in SEEDS for n in (1, 2, None)]]


def test_who_failed_sends_nobody_home_and_is_replaced():
    """The leader fails on its last seed: whoever left because of it comes back."""

    def value(number, seed):
        if number == 1 and seed == SEEDS[2]:
            return math.nan
        return {1: 0.99, 2: 0.90, 3: 0.89, None: 0.895}[number] + 1e-3 * ((seed * (number or 7)) % 3)

    plan = plan_of([0.99, 0.97, 0.97], default=0.97)
    _, runs = raced(plan, value)
    found = plan.confirmation(runs)
    assert found.candidates[0].left == "failed on a fresh seed"
    assert {c.number: len(c.runs) for c in found.candidates}[2] == 3 and choose(found).best.number == 2
    _, runs = raced(plan, lambda n, s: math.nan)
    with pytest.raises(DataError, match="every candidate failed"):
        choose(plan.confirmation(runs))


def test_re_runs_that_end_early_compare_only_what_has_the_same_seeds():
    plan = plan_of([0.992, 0.99, 0.97, 0.16])
    first = plan.pending()
    found = plan.confirmation([Run(n, s, accuracy(n, s), 1.0) for n, s, _ in first])
    assert {c.number: c.left for c in found.candidates}[2] == "not run again on all seeds: the re-runs ended early"
    assert choose(found).best.number in (1, None)
    with pytest.raises(DataError, match="no candidate was run again"):
        choose(plan.confirmation([]))
    assert (
        Confirmation.from_json(json.loads(json.dumps(found.to_json()))).candidates[1].left == found.candidates[1].left
    )


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=7),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_a_race_ends_and_does_not_depend_on_the_order_of_the_runs(search, k, random, fails):
    plan = plan_of(search, seeds=tuple(range(1, k + 1)))

    def value(number, seed):
        rng = np.random.default_rng([seed, number or 0])
        return math.nan if fails and rng.random() < 0.2 else float(rng.normal(number or 0, 0.5))

    rounds, runs = raced(plan, value)
    assert len({(r.number, r.seed) for r in runs}) == len(runs) <= len(plan.entries) * k
    shuffled = list(runs)
    random.shuffle(shuffled)
    assert plan.pending(shuffled) == []
    assert repr(plan.confirmation(shuffled)) == repr(plan.confirmation(runs))
    done = [r for r in runs if (r.number, r.seed) in {pair for one in rounds[:-1] for pair in one}]
    assert [(n, s) for n, s, _ in plan.pending(done)] == rounds[-1]  # a race that was killed goes on as it was
    sound = [c for c in plan.confirmation(runs).candidates if not c.failed and c.runs]
    if sound:
        assert len(choose(plan.confirmation(runs)).best.runs) == max(len(c.runs) for c in sound) == k


def test_the_truly_best_is_rarely_sent_home():
    """500 races of six candidates that are nearly alike: the level of a cut is 1 %, and there are three."""
    rng, lost = np.random.default_rng(0), 0
    for _ in range(500):
        true = dict(zip((1, 2, 3, 4, None), rng.normal(0.9, 0.01, 5), strict=True))
        search = {n: m + rng.normal(0, 0.01) for n, m in true.items()}
        plan = plan_of([search[n] for n in (1, 2, 3, 4)], default=search[None])
        best = max(search, key=lambda n: search[n])
        plan = Plan(plan.direction, plan.seeds, plan.entries, (best, 1 if best is None else None))
        _, runs = raced(plan, lambda n, s, true=true: true[n] + rng.normal(0, 0.01))
        winner = max(true, key=lambda n: true[n])
        lost += bool(next(c for c in plan.confirmation(runs).candidates if c.number == winner).left)
    assert lost <= 15


def test_a_budget_takes_entries_first_and_then_seeds():
    plan = plan_of([0.99, 0.98, 0.97])
    costs = {1: 6.0, 2: 3.0, 3: 9.0, None: 6.0}
    assert largest_cost(plan, costs) == 72
    assert within(plan, costs, 72) == plan
    assert within(plan, costs, 71.9).numbers == (1, 2, None)  # 3 · 24 does not fit any more
    assert within(plan, costs, 44.9).numbers == (1, None) and within(plan, costs, 36).seeds == SEEDS
    two = within(plan, costs, 30)
    assert two.seeds == SEEDS[:2] and two.numbers == (1, 2, None)
    least = within(plan, costs, 0)
    assert least.seeds == SEEDS[:1] and least.numbers == (1, None)  # somebody must run again: the caller decides


def test_a_budget_is_not_lost_to_the_order_of_a_sum():
    """The seconds of the runs that took them, added up: they pay for the same runs again."""
    plan, rng = plan_of([0.99, 0.98]), np.random.default_rng(0)
    for _ in range(200):
        taken = rng.uniform(1, 9, (3, 3))  # (seeds, entries)
        costs = dict(zip(plan.numbers, (sum(column) / 3 for column in taken.T.tolist()), strict=True))
        spent = sum(taken.ravel().tolist())
        assert within(plan, costs, spent) == plan
        assert within(plan, costs, spent - 0.01).numbers == (1, None)


def test_what_has_run_is_paid_for():
    plan = plan_of([0.99, 0.98, 0.97])
    costs = dict.fromkeys(plan.numbers, 10.0)
    old = [Run(n, s, 0.9, 10.0) for n in (2, None) for s in SEEDS]
    kept = within(plan, costs, 0.0, old)
    assert kept.numbers == (1, 2, None) and kept.seeds == SEEDS  # trial 1 is new, and there is no time for it
    assert within(plan, costs, 59.0, old).numbers == (1, 2, None)
    assert within(plan, costs, 60.0, old) == plan  # three seeds of trials 1 and 3
    begun = [Run(3, SEEDS[1], 0.9, 10.0), Run(9, SEEDS[2], 0.9, 10.0)]  # there is no trial 9
    assert within(plan, costs, -5.0, begun).seeds == SEEDS[:2]
    assert within(plan, costs, -5.0, begun).numbers == (1, 3, None)


def test_two_references_and_one_other():
    """The smallest race has the highest chance of two: its leader is the luckier of two references."""
    rng, lost = np.random.default_rng(7), np.zeros(2, dtype=int)
    races = 8000
    for draws in rng.normal(size=(races, 3, 4)).tolist():
        groups = [own[:3] for own in draws[:2]]
        for cut in (0, 1):
            lost[cut] += _single_values_behind({2: -draws[2][cut]}, [[-x for x in own] for own in groups], 2) == {2}
    assert lost[0] < 0.01 * races and lost[1] < 0.01 * races
    assert lost.sum() > 0  # the cut does cut


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0.1, 50), min_size=3, max_size=6), st.floats(0, 500), st.integers(1, 5))
def test_within_never_costs_more(costs, budget, k):
    plan = plan_of([0.9] * (len(costs) - 1), seeds=tuple(range(k)))
    prices = dict(zip(plan.numbers, costs, strict=True))
    part = within(plan, prices, budget)
    least = prices[1] + prices[None]
    assert largest_cost(part, prices) <= max(budget, least) * (1 + 1e-9)


def test_what_earlier_versions_wrote_is_read():
    old = {"number": 3, "params": {}, "search_value": 0.9, "runs": [{"number": 3, "seed": 1, "value": 1, "seconds": 2}]}
    candidate = Candidate.from_json(old)
    assert candidate.left == "" and candidate.bounds == (-math.inf, math.inf)
