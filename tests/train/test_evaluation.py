from __future__ import annotations

import pytest
import torch
from torch import nn

from luthier.errors import DataError, TrainingError
from luthier.train import Tensors, evaluate, predict


def test_predict_is_deterministic_without_gradients_and_restores_modes():
    model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    model.train()
    model[1].eval()
    statistics = model[1].running_mean.clone()
    inputs = torch.randn(10, 2)
    outputs = predict(model, inputs, batch_size=3)
    assert outputs.shape == (10, 1)
    assert not outputs.requires_grad
    assert torch.allclose(outputs, predict(model, inputs))
    assert [module.training for module in model] == [True, False, True, True]
    assert torch.equal(statistics, model[1].running_mean)


def test_modes_come_back_after_an_error():
    model = nn.Sequential(nn.Linear(2, 1))
    with pytest.raises(RuntimeError):
        predict(model, torch.zeros(1, 3))
    assert model.training
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_scores_are_means_over_examples_whatever_the_batches(batch_size):
    logits = torch.tensor([[4.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    targets = torch.tensor([0, 1, 1])
    scores = evaluate(nn.Identity(), Tensors(logits, targets), batch_size=batch_size)
    expected = nn.functional.cross_entropy(logits, targets).item()
    assert scores == {"loss": pytest.approx(expected), "accuracy": pytest.approx(2 / 3)}


def test_regression_has_no_accuracy():
    data = Tensors(torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 4.0]))
    assert evaluate(nn.Identity(), data, loss="mse") == {"loss": pytest.approx(2.0)}


def test_what_does_not_fit_is_said():
    with pytest.raises(DataError, match="the targets go from 0 to 2"):
        evaluate(nn.Linear(1, 2), Tensors(torch.zeros(3, 1), torch.arange(3)))
    with pytest.raises(TrainingError, match="needs equal shapes"):
        evaluate(nn.Linear(1, 2), Tensors(torch.zeros(3, 1), torch.zeros(3)), loss="mse")
