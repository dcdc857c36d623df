"""ThresholdPruner: what leaves the band is stopped."""

import math

from luthier.schedulers import (
    Decision,
    ThresholdPruner,
)
from luthier.testing.schedulers import SchedulerContract, history_of

NAN, INF = math.nan, math.inf
STOP, CONTINUE = Decision.STOP, Decision.CONTINUE


class TestThreshold(SchedulerContract):
    stops_any_value = True

    def make(self):
        return ThresholdPruner(lower=-5.0, upper=5.0)


def test_threshold():
    pruner = ThresholdPruner(lower=0.0, upper=1.0, n_warmup_steps=1)
    assert pruner.decide(history_of([2.0]), 0) is CONTINUE
    assert pruner.decide(history_of([2.0, 1.0]), 0) is CONTINUE
    assert pruner.decide(history_of([0.5, 1.1]), 0) is STOP
    assert pruner.decide(history_of([0.5, -0.1]), 0) is STOP


def test_infinite_reports_and_open_bounds():
    for value, lower, upper, stops in [
        (INF, None, 1.0, True),
        (-INF, None, 1.0, False),
        (-INF, 0.0, None, True),
        (INF, 0.0, None, False),
        (NAN, 0.0, None, True),
    ]:
        assert (ThresholdPruner(lower, upper).decide(history_of([value]), 0) is STOP) == stops


def test_a_band_is_not_turned_with_the_direction():
    for direction in ("minimize", "maximize"):
        assert ThresholdPruner(upper=1.0).decide(history_of([2.0], direction=direction), 0) is STOP
        assert ThresholdPruner(upper=1.0).decide(history_of([-2.0], direction=direction), 0) is CONTINUE
