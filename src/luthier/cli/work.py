"""How much arithmetic a training takes: a cost that is the same on every machine and in every run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..study import Study
from ..tasks.image import CnnSettings, ImageTask, build_cnn
from ..trial import TrialRecord

_PER_BATCH = 200e6  # what a training step costs beside its arithmetic, in operations


def work_of_image(task: ImageTask, params: Mapping[str, Any]) -> float:
    """Return about how many operations one image costs in an epoch of a configuration.

    These are the operations of the network's forward pass and the image's part of the fixed cost of a step. Measured
    on a CPU, where the seconds of an epoch vary 25-fold between the configurations of a search, it is right to within
    a factor of two; seconds would be exact, but the same seed would not give the same run.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model = build_cnn(task.prepared.shape, len(task.prepared.classes), CnnSettings.from_params(params))
        model.eval()(torch.zeros(1, *task.prepared.shape))
    return float(counter.get_total_flops()) + _PER_BATCH / int(params.get("batch_size", 64))


def work_of_trials(task: ImageTask, study: Study, trials: Iterable[TrialRecord]) -> dict[int, float]:
    """Return the operations of each trial, those that failed or were stopped early included."""
    return {
        t.number: len(t.reports) * work_of_image(task, study.space.restore(dict(t.params))) for t in trials if t.reports
    }
