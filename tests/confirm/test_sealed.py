from __future__ import annotations

import json

import numpy as np
import pytest

from luthier.confirm import Check, check, mcnemar, paired_t, wilson_interval
from luthier.errors import DataError


def test_an_accuracy_gets_wilson_and_mcnemar():
    rng = np.random.default_rng(0)
    baseline = rng.random(1000) < 0.85
    best = baseline | (rng.random(1000) < 0.6)
    result = check("accuracy", best, baseline)
    assert result.best == wilson_interval(int(best.sum()), 1000)
    assert result.p_value == mcnemar(best, baseline) < 1e-6
    assert result.difference.estimate == pytest.approx(best.mean() - baseline.mean())
    assert result.is_better and result.n == 1000 and "McNemar" in result.test
    assert not check("accuracy", baseline, best).is_better


def test_a_loss_gets_the_bootstrap_and_the_t_test_and_less_is_better():
    rng = np.random.default_rng(0)
    baseline = rng.exponential(size=300)
    best = baseline - rng.normal(0.1, 0.05, 300)
    result = check("log loss", best, baseline, direction="minimize")
    assert result.is_better and result.p_value == paired_t(best, baseline)
    assert result.best.low < best.mean() < result.best.high
    assert not check("log loss", baseline, best, direction="minimize").is_better


def test_the_same_model_is_not_better():
    result = check("accuracy", [1, 0, 1], [1, 0, 1])
    assert not result.is_better and result.p_value == 1.0 and result.difference.low == result.difference.high == 0.0


def test_json_keeps_a_check():
    result = check("accuracy", [1, 1, 0, 1], [1, 0, 0, 1])
    assert Check.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_scores_of_other_examples_are_refused():
    with pytest.raises(DataError, match="same examples"):
        check("accuracy", [1, 1, 0], [1, 0])
