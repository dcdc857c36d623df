from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from luthier.train import Tensors, seeded


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> tuple[Tensors, Tensors]:
    """1,400 and 397 images (1, 8, 8) in [0, 1]."""
    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    inputs = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8)[order] / 16
    targets = torch.tensor(labels)[order]
    return Tensors(inputs[:1400], targets[:1400]), Tensors(inputs[1400:], targets[1400:])


@pytest.fixture(scope="session")
def blobs() -> tuple[Tensors, Tensors]:
    """Three overlapping classes in four dimensions: 90 and 45 points."""
    generator = torch.Generator().manual_seed(1)
    targets = torch.arange(135) % 3
    centres = torch.randn(3, 4, generator=generator)
    inputs = centres[targets] + torch.randn(135, 4, generator=generator)
    return Tensors(inputs[:90], targets[:90]), Tensors(inputs[90:], targets[90:])


@pytest.fixture(scope="session")
def line() -> tuple[Tensors, Tensors]:
    """A linear function of three numbers, with little noise: 100 and 50 points."""
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(150, 3, generator=generator)
    targets = inputs @ torch.tensor([1.0, -2.0, 0.5]) + 0.3 + 0.01 * torch.randn(150, generator=generator)
    return Tensors(inputs[:100], targets[:100]), Tensors(inputs[100:], targets[100:])


@pytest.fixture
def mlp():
    """A maker of small networks for `blobs`, with dropout and batch normalisation, equal weights each time."""

    def make(seed: int = 0) -> nn.Module:
        with seeded(seed):
            return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))

    return make
