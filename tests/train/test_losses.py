from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from luthier.errors import DataError, TrainingError
from luthier.train import make_loss
from luthier.train.losses import check_outputs, count_correct

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, -0.3], [-2.0, 0.0, 3.0]])
CLASSES = torch.tensor([0, 2, 2])


def test_cross_entropy():
    log_p = LOGITS - LOGITS.exp().sum(1, keepdim=True).log()
    expected = -log_p[torch.arange(3), CLASSES].mean()
    assert torch.allclose(make_loss("cross_entropy")(LOGITS, CLASSES), expected)
    smoothed = 0.8 * expected - 0.2 * log_p.mean()
    assert torch.allclose(make_loss("cross_entropy", 0.2)(LOGITS, CLASSES), smoothed)


def test_focal_is_the_formula():
    p = LOGITS.softmax(1)
    true = p[torch.arange(3), CLASSES]
    assert torch.allclose(make_loss("focal")(LOGITS, CLASSES), (-((1 - true) ** 2) * true.log()).mean())
    q = F.one_hot(CLASSES, 3) * 0.7 + 0.1
    assert torch.allclose(make_loss("focal", 0.3)(LOGITS, CLASSES), (-q * (1 - p) ** 2 * p.log()).sum(1).mean())


@pytest.mark.parametrize("name", ["cross_entropy", "focal"])
def test_classes_may_have_more_axes(name):
    logits, classes = LOGITS.T.reshape(1, 3, 3), CLASSES.reshape(1, 3)
    assert torch.allclose(make_loss(name, 0.1)(logits, classes), make_loss(name, 0.1)(LOGITS, CLASSES))


def test_bce():
    outputs, targets = torch.tensor([[0.5], [-1.0]]), torch.tensor([1, 0])
    p = outputs.flatten().sigmoid()
    assert torch.allclose(make_loss("bce")(outputs, targets), -(p[0].log() + (1 - p[1]).log()) / 2)
    smoothed = -(0.9 * p[0].log() + 0.1 * (1 - p[0]).log() + 0.1 * p[1].log() + 0.9 * (1 - p[1]).log()) / 2
    assert torch.allclose(make_loss("bce", 0.2)(outputs, targets), smoothed)


@pytest.mark.parametrize(("name", "expected"), [("mse", 5.0), ("mae", 2.0), ("huber", 1.5)])
def test_regression_does_not_broadcast(name, expected):
    outputs, targets = torch.tensor([[1.0], [2.0]]), torch.tensor([2, 5])
    assert make_loss(name)(outputs, targets).item() == pytest.approx(expected)


def test_count_correct():
    assert count_correct("cross_entropy", LOGITS, CLASSES).item() == 2
    assert count_correct("bce", torch.tensor([[1.0], [-1.0]]), torch.tensor([1, 1])).item() == 1
    labels = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    assert count_correct("bce", torch.tensor([[2.0, -3.0], [1.0, -1.0]]), labels).item() == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("name", "outputs", "targets", "error", "message"),
    [
        ("cross_entropy", LOGITS, torch.tensor([0, 1, 3]), DataError, "go from 0 to 3, but the model has 3 outputs"),
        ("focal", LOGITS, torch.tensor([-1, 1, 2]), DataError, "go from -1 to 2"),
        ("cross_entropy", LOGITS, torch.zeros(3), DataError, "classes as integers, but the targets are torch.float32"),
        ("cross_entropy", LOGITS[:, 0], CLASSES, TrainingError, "one logit for each class"),
        ("cross_entropy", LOGITS, CLASSES[:, None], TrainingError, r"gives \(3, 3\) for targets \(3, 1\)"),
        ("mse", LOGITS, CLASSES, TrainingError, "needs equal shapes"),
        ("mse", torch.zeros(1, 2), torch.zeros(2, 1), TrainingError, "needs equal shapes"),
        ("bce", torch.zeros(3), torch.tensor([0, 1, 2]), DataError, "targets from 0 to 1, but they reach 2"),
        ("bce", torch.zeros(3), torch.tensor([0, 1, -1]), DataError, "targets from 0 to 1"),
    ],
)
def test_what_does_not_fit_is_said(name, outputs, targets, error, message):
    with pytest.raises(error, match=message):
        check_outputs(name, outputs, targets, targets)


@pytest.mark.parametrize(
    ("name", "outputs", "targets"),
    [
        ("cross_entropy", LOGITS, CLASSES.to(torch.uint8)),
        ("mse", torch.zeros(3, 1), torch.zeros(3)),
        ("mae", torch.zeros(3), torch.zeros(3, 1)),
        ("bce", torch.zeros(3, 2), torch.zeros(3, 2)),
    ],
)
def test_what_fits_gives_a_finite_loss(name, outputs, targets):
    check_outputs(name, outputs, targets, targets)
    assert math.isfinite(make_loss(name)(outputs, targets).item())
