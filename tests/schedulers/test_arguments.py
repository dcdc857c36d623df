"""Pruners refuse arguments that cannot be right."""

import math

import pytest

from luthier.schedulers import (
    Decision,
    MedianPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
)

NAN, INF = math.nan, math.inf
STOP, CONTINUE = Decision.STOP, Decision.CONTINUE


@pytest.mark.parametrize(
    "make",
    [
        lambda: PercentilePruner(101),
        lambda: MedianPruner(n_startup_trials=-1),
        lambda: MedianPruner(interval_steps=0),
        lambda: PatientPruner(None, -1),
        lambda: PatientPruner(None, 2.5),
        lambda: PatientPruner(None, 2, min_delta=math.nan),
        lambda: PatientPruner(None, 2, min_delta=-1.0),
        lambda: PercentilePruner(math.nan),
        lambda: ThresholdPruner(lower=math.nan),
        lambda: ThresholdPruner(),
        lambda: ThresholdPruner(lower=2, upper=1),
        lambda: SuccessiveHalvingPruner(reduction_factor=1),
        lambda: SuccessiveHalvingPruner(min_resource=0),
        lambda: SuccessiveHalvingPruner(min_early_stopping_rate=-1),
    ],
)
def test_arguments_are_checked(make):
    with pytest.raises(ValueError, match=r"must|give"):
        make()
