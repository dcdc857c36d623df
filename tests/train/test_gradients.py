from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from luthier.train import GradientMonitor, Tensors, TrainSettings, fit, seeded
from luthier.train.gradients import diagnose, measure_gradients


def _backward(model: nn.Module, inputs: torch.Tensor, classes: int = 3) -> None:
    targets = torch.arange(len(inputs)) % classes
    model.zero_grad()
    nn.functional.cross_entropy(model(inputs), targets).backward()


def _deep(activation: type[nn.Module], depth: int, scale: float = 1.0) -> nn.Module:
    layers: list[nn.Module] = []
    with seeded(0):
        for _ in range(depth):
            layers += [nn.Linear(16, 16), activation()]
        model = nn.Sequential(*layers, nn.Linear(16, 3))
        for module in model:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=scale / 4)
    return model


INPUTS = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))


def test_measures_are_those_of_the_definition():
    model = nn.Sequential(nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 3))
    _backward(model, INPUTS)
    measured = measure_gradients(model)
    assert measured.norm == pytest.approx(math.sqrt(sum(p.grad.square().sum().item() for p in model.parameters())))
    assert [layer.name for layer in measured.layers] == ["0", "2"]
    assert measured.layers[0].size == pytest.approx(model[0].weight.grad.square().mean().sqrt().item())
    assert measured.layers[1].silent == 0


def test_vanishing():
    model = _deep(nn.Sigmoid, 12)
    _backward(model, INPUTS)
    text = diagnose(measure_gradients(model))["vanishing"]
    assert text.startswith("gradients of the first layer (0) are ")
    assert "of those of the last (24): they vanish; try fewer layers" in text


def test_sizes_below_the_smallest_square_are_still_seen():
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    model[0].weight.grad = torch.full((1, 1), 1e-30)
    model[1].weight.grad = torch.ones(1, 1)
    assert measure_gradients(model).layers[0].size == pytest.approx(1e-30)
    assert "are 1e-30 of" in diagnose(measure_gradients(model))["vanishing"]


def test_exploding_from_layer_to_layer():
    model = _deep(nn.Tanh, 1)
    with torch.no_grad():
        model[0].weight.mul_(1e-6)
    _backward(model, INPUTS * 1e6)  # far from 1
    for parameter in model.parameters():
        parameter.grad.mul_(1e-6)  # small all together, as where the data is nearly fitted
    measured = measure_gradients(model)
    assert measured.norm < 1e3
    assert "times those of the last (2): they explode; try inputs scaled" in diagnose(measured)["exploding"]


@pytest.mark.parametrize("scale", [1e6, math.nan])
def test_exploding_by_its_norm(scale):
    model = nn.Linear(16, 3)
    _backward(model, INPUTS)
    model.weight.grad.mul_(scale)
    assert "they explode; try gradient_clip=1.0" in diagnose(measure_gradients(model))["exploding"]


def test_dead_units():
    model = _deep(nn.ReLU, 2)
    with torch.no_grad():
        model[2].bias[:12] = -1e3
    _backward(model, INPUTS)
    text = diagnose(measure_gradients(model))["dead"]
    assert "2 (75%)" in text
    assert "leaky ReLU" in text


def test_units_of_a_transposed_convolution_are_its_outputs():
    model = nn.ConvTranspose2d(2, 4, 2)
    model.weight.grad = torch.ones_like(model.weight)
    model.weight.grad[:, :3] = 0
    assert measure_gradients(model).layers[0].silent == 0.75


@pytest.mark.parametrize(
    "model", [_deep(nn.ReLU, 3, scale=1.4), _deep(nn.Tanh, 5), nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 3))]
)
def test_healthy_networks_are_left_in_peace(model):
    _backward(model, INPUTS)
    assert diagnose(measure_gradients(model)) == {}


def test_embeddings_and_frozen_layers_do_not_count():
    model = nn.Sequential(nn.Embedding(1000, 4), nn.Flatten(), nn.Linear(8, 8), nn.Linear(8, 3))
    model[2].requires_grad_(False)
    _backward(model, torch.arange(20).view(10, 2))
    measured = measure_gradients(model)
    assert [layer.name for layer in measured.layers] == ["3"]
    assert diagnose(measured) == {}


def test_no_gradients_at_all():
    assert measure_gradients(nn.Linear(2, 2)).layers == ()


def test_vanishing_must_last_for_two_epochs_and_is_said_once():
    model, monitor = _deep(nn.Sigmoid, 12), GradientMonitor()
    _backward(model, INPUTS)
    monitor.observe(model, 1)
    assert monitor.warnings == ()
    monitor.observe(nn.Linear(1, 1), 2)
    monitor.observe(model, 3)
    assert monitor.warnings == ()
    copy = GradientMonitor()
    copy.load_state_dict(monitor.state_dict())
    for epoch in (4, 5):
        copy.observe(model, epoch)
    assert len(copy.warnings) == 1
    assert copy.warnings[0].startswith("epoch 4: gradients of the first layer")


@pytest.mark.parametrize(
    ("model", "word"),
    [(_deep(nn.Sigmoid, 12), "vanish"), (_deep(nn.ReLU, 12, scale=6.0), "explode")],
)
def test_fit_says_it(model, word):
    data = Tensors(INPUTS, torch.arange(64) % 3)
    result = fit(model, data, data, TrainSettings(epochs=3, learning_rate=1e-4))
    assert any(word in warning for warning in result.warnings)
    assert result.epochs[0].gradient_norm > 0


def test_fit_of_a_healthy_network_says_nothing(digits):
    with seeded(0):
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    assert fit(model, *digits, TrainSettings(epochs=5)).warnings == ()
