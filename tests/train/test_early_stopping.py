from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from luthier.train import EarlyStopping, TrainSettings


def _run(values, **changes):
    """The epoch after which it is over (None if never), the stopping, and the model, whose weight is the epoch."""
    model = nn.Linear(1, 1)
    model.register_buffer("count", torch.tensor(0))
    nn.init.zeros_(model.weight)
    stopping = EarlyStopping(model, TrainSettings(**changes))
    for epoch, value in enumerate(values, 1):
        nn.init.constant_(model.weight, epoch)
        model.count.fill_(epoch)
        if stopping.seen(epoch, value):
            return epoch, stopping, model
    return None, stopping, model


def test_patience_counts_epochs_without_gain():
    ended, stopping, _ = _run([0.1, 0.5, 0.4, 0.5, 0.3, 0.9], patience=3)
    assert ended == 5
    assert (stopping.best_epoch, stopping.best_value) == (2, 0.5)


def test_without_patience_it_never_ends():
    assert _run([0.5] * 50)[0] is None


def test_a_loss_should_fall():
    ended, stopping, _ = _run([3.0, 2.0, 2.5, 1.0, 1.5, 1.5], patience=2, monitor="loss")
    assert ended == 6
    assert (stopping.best_epoch, stopping.best_value) == (4, 1.0)


def test_small_gains_make_the_best_weights_but_no_patience():
    ended, stopping, _ = _run([0.50, 0.52, 0.54, 0.56, 0.58], patience=3, min_delta=0.05)
    assert ended is None  # 0.56 is more than 0.05 over 0.50
    ended, stopping, _ = _run([0.50, 0.51, 0.52, 0.53], patience=2, min_delta=0.05)
    assert ended == 3
    assert stopping.best_epoch == 3


def test_nan_is_no_gain():
    ended, stopping, _ = _run([math.nan, 0.2, math.nan, math.nan], patience=2)
    assert ended == 4
    assert stopping.best_epoch == 2


@pytest.mark.parametrize(("values", "best"), [([0.1, 0.7, 0.7, 0.2], 2), ([math.nan], 0), ([], 0)])
def test_restore_brings_the_best_weights_and_buffers_back(values, best):
    _, stopping, model = _run(values)
    stopping.restore()
    assert model.weight.item() == model.count.item() == best == stopping.best_epoch


def test_state_goes_on():
    _, first, model = _run([0.1, 0.5, 0.4], patience=3)
    second = EarlyStopping(model, TrainSettings(patience=3))
    second.load_state_dict(first.state_dict())
    assert not second.seen(4, 0.4)
    assert second.seen(5, 0.4)
    second.restore()
    assert model.weight.item() == 2
