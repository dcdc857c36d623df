from __future__ import annotations

import json
import math
from itertools import permutations

import numpy as np
import pytest

from luthier.confirm import Candidate, Confirmation, Run, best_trials, choose, plan_reruns, rerun, validation_optimism
from luthier.errors import DataError
from luthier.history import History
from luthier.space import Choice, Float, Int, Space
from luthier.trial import TrialRecord, TrialState

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def relu():
    return "relu"


SPACE = Space({"x": Float(0, 1, default=0.5), "f": Choice({"relu": relu, "tanh": math.tanh})})


def history(*trials, direction="minimize"):
    """Of (x, value), (x, value, constraint) or (x, state)."""
    h = History(SPACE, (direction,))
    for i, (x, value, *constraints) in enumerate(trials):
        state = value if isinstance(value, TrialState) else COMPLETE
        values = None if state == FAIL else ((0.0,) if state == PRUNED else (value,))
        h.put([TrialRecord(i, state, {"x": x, "f": "relu"}, values, tuple(constraints))])
    return h


def candidate(number, values, seconds=1.0, search_value=0.0):
    runs = tuple(Run(number, s, v, seconds) for s, v in enumerate(values))
    return Candidate(number, {"x": 0.1}, search_value, runs)


def test_best_trials_are_complete_feasible_and_distinct():
    h = history((0.1, 3.0), (0.2, 1.0), (0.2, 0.9), (0.3, 0.5, 0.1), (0.4, PRUNED), (0.5, FAIL), (0.6, 2.0, -1.0))
    assert [t.number for t in best_trials(h)] == [2, 6, 0]
    up = history((0.1, 3.0), (0.2, 1.0), direction="maximize")
    assert [t.number for t in best_trials(up)] == [0, 1]


def noisy(lucky):
    """Values around (x - 0.3)², and a last one that is the best by far where the rest is bad."""
    rng = np.random.default_rng(0)
    rows = [(x, (x - 0.3) ** 2 + 0.1 * rng.standard_normal()) for x in rng.random(120)]
    return history(*rows, (0.95, lucky))


def test_what_is_expected_to_be_best_runs_again_and_the_best_value_with_it():
    h = noisy(-0.3)
    away = {t.number: abs(t.params["x"] - 0.3) for t in h.records}
    numbers = [n for n, _, _ in plan_reruns(h, top=5).entries]
    observed = [t.number for t in best_trials(h)[:5]]
    assert len(numbers) == 5 and 120 in numbers and observed[0] == 120
    assert sum(away[n] for n in numbers) < 0.9 * sum(away[n] for n in observed)
    assert [n for n, _, _ in plan_reruns(h, top=1).entries] == [120]


def test_the_top_runs_again_on_the_same_fresh_seeds():
    calls = []

    def evaluate(params, seed):
        calls.append((params["x"], seed))
        assert params["f"] is relu  # the object that an objective gets, not its label
        return params["x"] + seed

    result = rerun(history((0.1, 3.0), (0.2, 1.0), (0.3, 2.0)), evaluate, top=2, seeds=[7, 8])
    assert calls == [(0.2, 7), (0.2, 8), (0.3, 7), (0.3, 8)]  # the leader first, so that the scatter is known
    assert [c.number for c in result.candidates] == [1, 2]
    first = result.candidates[0]
    assert first.values == (7.2, 8.2) and first.mean == pytest.approx(7.7) and first.search_value == 1.0
    assert first.error == pytest.approx(0.5) and first.interval.low == pytest.approx(7.7 - 12.7062 * 0.5, abs=1e-3)
    assert first.seconds >= 0
    assert len(set(rerun(history((0.1, 3.0)), lambda p, s: 0.0, seeds=4).seeds)) == 4


def test_the_default_runs_too_unless_it_is_among_the_best():
    h = history((0.5, 5.0), (0.1, 1.0), (0.2, 2.0))
    result = rerun(h, lambda p, s: p["x"], top=2, include_default=True)
    assert [c.number for c in result.candidates] == [1, 2, None]
    assert result.default is not None and result.default.search_value == 5.0 and result.default.mean == 0.5
    assert rerun(h, lambda p, s: p["x"], top=3, include_default=True).default is None


def test_an_interrupted_rerun_goes_on_where_it_ended():
    h, saved, calls = history((0.1, 1.0), (0.2, 2.0)), [], []

    def evaluate(params, seed):
        calls.append((params["x"], seed))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return params["x"] * seed

    with pytest.raises(KeyboardInterrupt):
        rerun(h, evaluate, seeds=[1, 2], on_result=saved.append)
    assert len(saved) == 2
    restored = [Run.from_json(json.loads(json.dumps(run.to_json()))) for run in saved]
    resumed = rerun(h, evaluate, seeds=[1, 2], done=restored, on_result=saved.append)
    assert calls == [(0.1, 1), (0.1, 2), (0.2, 1), (0.2, 1), (0.2, 2)]
    assert len(saved) == 4 and resumed.candidates[1].values == (0.2, 0.4)


def test_a_failed_seed_disqualifies():
    h = history((0.1, 1.0), (0.2, 2.0))
    result = rerun(h, lambda p, s: math.inf if p["x"] == 0.1 and s == 2 else p["x"], seeds=[1, 2])
    assert result.candidates[0].failed and math.isnan(result.candidates[0].mean)
    assert not result.candidates[0].interval.is_known
    assert choose(result).best.number == 1
    with pytest.raises(DataError, match="failed on a fresh seed"):
        validation_optimism(result)
    with pytest.raises(DataError, match="every candidate failed"):
        choose(rerun(h, lambda p, s: math.nan))


def test_json_keeps_a_confirmation():
    h = history((0.1, 1.0), (0.2, 2.0))
    result = rerun(
        h, lambda p, s: math.nan if s == 2 and p["x"] == 0.2 else 0.1 * s, seeds=[1, 2], include_default=True
    )
    text = json.dumps(result.to_json(), allow_nan=False)
    again = Confirmation.from_json(text)
    assert json.dumps(again.to_json()) == text
    assert again.candidates[0] == result.candidates[0] and again.seeds == (1, 2)
    for broken in ("{", "{}", '{"format": 9}', "[]"):
        with pytest.raises(DataError):
            Confirmation.from_json(broken)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: rerun(history((0.1, FAIL)), lambda p, s: 0.0), "no complete and feasible trial"),
        (lambda: rerun(history((0.1, 1.0)), lambda p, s: 0.0, top=0), "top=0"),
        (lambda: rerun(history((0.1, 1.0)), lambda p, s: 0.0, seeds=0), "at least one seed"),
        (lambda: rerun(history((0.1, 1.0)), lambda p, s: 0.0, seeds=[1, 1]), "none twice"),
        (lambda: rerun(History(SPACE, ("minimize", "minimize")), lambda p, s: 0.0), "2 objectives"),
    ],
)
def test_what_cannot_run_again_is_explained(call, words):
    with pytest.raises(DataError, match=words):
        call()


def test_the_best_mean_wins_beside_the_cheapest_within_one_error():
    a = candidate(0, [0.90, 0.94], seconds=10)  # mean .92, error .02
    b = candidate(1, [0.91, 0.91], seconds=2)  # within
    c = candidate(2, [0.89, 0.89], seconds=1)  # .03 below: outside
    up = choose(Confirmation("maximize", (0, 1), (c, b, a)))
    assert (up.best.number, up.cheapest.number) == (0, 1)
    down = choose(Confirmation("minimize", (0, 1), (a, b, c)))
    assert (down.best.number, down.cheapest.number) == (2, 2)
    single = choose(Confirmation("maximize", (0,), (candidate(0, [0.9], 5), candidate(1, [0.8], 1))))
    assert single.best is single.cheapest


@pytest.mark.parametrize("sign", [1, -1])
def test_optimism_of_the_searchs_winner(sign):
    direction = "maximize" if sign > 0 else "minimize"
    values = [sign * v for v in (0.90, 0.91, 0.905)]
    lucky = Confirmation(direction, (0, 1, 2), (candidate(4, values, search_value=sign * 0.95), candidate(5, values)))
    lucky = Confirmation(direction, lucky.seeds, (lucky.candidates[0], candidate(5, values, search_value=sign * 0.9)))
    result = validation_optimism(lucky)
    assert result.number == 4 and result.gap == pytest.approx(0.045) and result.is_notable
    assert "too good by 0.045" in result.text and "3 fresh seeds" in result.text
    honest = Confirmation(direction, (0, 1, 2), (candidate(4, values, search_value=sign * 0.906),))
    assert not validation_optimism(honest).is_notable and "agrees" in validation_optimism(honest).text
    once = Confirmation(direction, (0,), (candidate(4, values[:1], search_value=sign * 0.95),))
    assert not validation_optimism(once).is_notable and "More seeds" in validation_optimism(once).text


def test_the_best_of_many_noisy_values_is_too_good_on_average():
    rng = np.random.default_rng(0)
    gaps = []
    for _ in range(40):
        h = history(*((x, 0.9 + rng.normal(0, 0.01)) for x in rng.random(30)), direction="maximize")
        gaps.append(validation_optimism(rerun(h, lambda p, s: 0.9 + rng.normal(0, 0.01), top=1)).gap)
    assert np.mean(gaps) > 0.01


def test_a_confirmation_without_trials_has_no_optimism():
    with pytest.raises(DataError, match="no trial"):
        validation_optimism(Confirmation("minimize", (0,), (candidate(None, [1.0], search_value=math.nan),)))


def test_the_default_can_be_the_best_of_the_search():
    both = (candidate(3, [0.2, 0.3], search_value=0.2), candidate(None, [0.1, 0.2], search_value=0.1))
    found = validation_optimism(Confirmation("minimize", (0, 1), both))
    assert found.number is None and found.gap == pytest.approx(0.05) and "0.1 for the default" in found.text


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_of_equal_means_the_default_wins_then_the_earlier_trial(direction):
    equal = [candidate(7, [0.1, 0.2, 0.3]), candidate(4, [0.3, 0.2, 0.1]), candidate(None, [0.2, 0.1, 0.3])]
    for order in permutations(equal):
        found = choose(Confirmation(direction, (0, 1, 2), order))
        assert (found.best.number, found.cheapest.number) == (None, None)
        found = choose(Confirmation(direction, (0, 1, 2), tuple(c for c in order if c.number is not None)))
        assert (found.best.number, found.cheapest.number) == (4, 4)


def test_what_rounding_parts_is_one_candidate():
    h = History(Space({"x": Float(0, 1), "n": Int(1, 5)}))
    params = ({"x": 0.3, "n": 2}, {"x": 0.1 + 0.2, "n": 2}, {"x": 0.3, "n": 3}, {"x": 0.3 + 1e-6, "n": 2})
    h.put(TrialRecord(i, TrialState.COMPLETE, p, (float(i),)) for i, p in enumerate(params))
    assert [trial.number for trial in best_trials(h)] == [0, 2, 3]
    plan = plan_reruns(h, top=4, seeds=1)
    assert sorted(number for number, _, _ in plan.entries) == [0, 2, 3]


def test_the_default_is_known_among_the_trials_whatever_rounding_did():
    h = History(Space({"x": Float(0, 1, default=0.3)}))
    h.put(TrialRecord(i, TrialState.COMPLETE, {"x": x}, (float(i),)) for i, x in enumerate((0.9, 0.1 + 0.2)))
    among = plan_reruns(h, top=2, seeds=1, include_default=True)
    assert [number for number, _, _ in among.entries] == [0, 1]
    beside = plan_reruns(h, top=1, seeds=1, include_default=True)
    assert [(number, value) for number, _, value in beside.entries] == [(0, 0.0), (None, 1.0)]
