from __future__ import annotations

import numpy as np

from bench import recommendation
from bench.race.problems.problem import Problem
from luthier import Float, Space
from luthier.trial import TrialRecord, TrialState

SPACE = Space({"x": Float(0, 1)})


def noisy(sd):
    def true(config):
        return (config["x"] - 0.3) ** 2

    return Problem("noisy", SPACE, lambda c, rng: true(c) + sd * rng.standard_normal(), true, 0.0, 0.49)


def trials(problem, n=100):
    xs = np.random.default_rng(0).random(n)
    return [
        TrialRecord(
            i, TrialState.COMPLETE, {"x": float(x)}, (problem.observe({"x": x}, np.random.default_rng([0, i])),)
        )
        for i, x in enumerate(xs)
    ]


def test_without_noise_all_four_answers_are_good():
    problem = noisy(0.0)
    assert max(recommendation.answers(problem, trials(problem))) < 0.001


def test_in_noise_the_best_value_is_the_worst_answer():
    problem = noisy(0.2)
    best, recommended, _, expected = recommendation.answers(problem, trials(problem))
    assert recommended <= best and expected < best


def test_nothing_succeeded():
    failed = [TrialRecord(0, TrialState.FAIL, {"x": 0.5})]
    assert recommendation.answers(noisy(0.0), failed) == [1.0] * 4
