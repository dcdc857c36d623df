"""What a trained model predicts, and how well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from .data import Tensors, as_tensors
from .losses import check_outputs, count_correct, make_loss
from .settings import CLASSIFICATION_LOSSES, LossName


def device_of(model: nn.Module) -> torch.device:
    """Where the model's first parameter lives; the CPU if it has none."""
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients inside; every module's own mode afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def predict(model: nn.Module, inputs: Tensor, *, batch_size: int = 512) -> Tensor:
    """Return the model's outputs (n, ...) for inputs (n, ...), in evaluation mode, without gradients, on its device.

    >>> import torch
    >>> from luthier.train import predict
    >>> outputs = predict(torch.nn.Linear(3, 2), torch.zeros(5, 3))
    >>> tuple(outputs.shape), outputs.requires_grad
    ((5, 2), False)
    """
    device = device_of(model)
    with evaluating(model):
        return torch.cat([model(batch.to(device)) for batch in torch.split(inputs, batch_size)])


def evaluate(
    model: nn.Module,
    data: Tensors | TensorDataset,
    *,
    batch_size: int = 512,
    loss: LossName = "cross_entropy",
) -> dict[str, float]:
    """Return the mean "loss" without label smoothing or penalties and, for classification, the "accuracy".

    >>> import torch
    >>> from luthier.train import Tensors, evaluate
    >>> logits = torch.tensor([[9.0, 0.0], [0.0, 9.0], [9.0, 0.0], [9.0, 0.0]])
    >>> evaluate(torch.nn.Identity(), Tensors(logits, torch.tensor([0, 1, 0, 1])))["accuracy"]
    0.75

    Raises:
        DataError: as for `Tensors`, or targets that do not fit the loss or the model.
        TrainingError: the model's outputs do not fit the loss.
    """
    data = as_tensors(data)
    check_model(model, data, loss)
    return scores(model, data, loss, batch_size)


def check_model(model: nn.Module, data: Tensors, loss: LossName) -> None:
    """Raise unless the model's outputs for two examples, and all targets, fit the loss.

    Raises:
        DataError: targets that do not fit the loss or the model.
        TrainingError: the model's outputs do not fit the loss.
    """
    check_outputs(loss, predict(model, data.inputs[:2]), data.targets[:2], data.targets)


def scores(model: nn.Module, data: Tensors, loss: LossName, batch_size: int = 512) -> dict[str, float]:
    """As `evaluate`, of data that was checked before."""
    device, mean_loss, classifies = device_of(model), make_loss(loss), loss in CLASSIFICATION_LOSSES
    total = torch.zeros((), dtype=torch.float64, device=device)
    correct = torch.zeros((), dtype=torch.float64, device=device)
    with evaluating(model):
        for inputs, labels in zip(
            torch.split(data.inputs, batch_size), torch.split(data.targets, batch_size), strict=True
        ):
            outputs, targets = model(inputs.to(device)), labels.to(device)
            total += mean_loss(outputs, targets) * len(targets)
            if classifies:
                correct += count_correct(loss, outputs, targets)
    result = {"loss": total.item() / len(data)}
    if classifies:
        result["accuracy"] = correct.item() / len(data)
    return result
