from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from luthier.train import initialize


def test_he():
    layer = nn.Conv2d(16, 64, 3)
    initialize(layer, "he", 0)
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / (16 * 9)), rel=0.05)
    assert torch.equal(layer.bias, torch.zeros(64))


def test_xavier():
    layer = nn.Linear(100, 50)
    initialize(layer, "xavier", 0)
    bound = math.sqrt(6 / 150)
    assert layer.weight.abs().max().item() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_orthogonal():
    layer = nn.Linear(40, 20)
    initialize(layer, "orthogonal", 0)
    assert torch.allclose(layer.weight @ layer.weight.T, torch.eye(20), atol=1e-5)


def test_each_gate_of_a_recurrent_layer_by_itself():
    layer = nn.LSTM(6, 6)
    initialize(layer, "orthogonal", 0)
    for gate in layer.weight_hh_l0.chunk(4):
        assert torch.allclose(gate @ gate.T, torch.eye(6), atol=1e-5)
    assert not layer.bias_ih_l0.any()


def test_default_norms_embeddings_and_frozen_parameters_stay():
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    model[1].requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    initialize(model, "default", 0)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    initialize(model, "he", 0)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)}
    assert changed == {"3.weight", "3.bias"}


@pytest.mark.parametrize("kind", ["he", "xavier", "orthogonal"])
def test_the_seed_decides(kind):
    a, b, c = (nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5)) for _ in range(3))
    before = torch.get_rng_state()
    initialize(a, kind, 1)
    initialize(b, kind, 1)
    initialize(c, kind, 2)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(a[0].weight, b[0].weight)
    assert not torch.equal(a[0].weight, c[0].weight)
    assert not torch.equal(a[0].weight, a[1].weight)
