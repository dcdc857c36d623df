from __future__ import annotations

import pytest
import torch
from torch import nn

from luthier.errors import TrainingError
from luthier.train import TrainSettings, make_optimizer
from luthier.train.optimizers import split_parameters


def _net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3), nn.LayerNorm((3,)))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sgd", torch.optim.SGD),
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
        ("rmsprop", torch.optim.RMSprop),
    ],
)
def test_kinds_and_their_settings(name, kind):
    settings = TrainSettings(optimizer=name, learning_rate=0.03, momentum=0.7, beta2=0.95, weight_decay=0.2)
    optimizer = make_optimizer(_net(), settings)
    assert type(optimizer) is kind
    decayed, plain = optimizer.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.2, 0.0)
    assert decayed["lr"] == plain["lr"] == 0.03
    if name in ("sgd", "rmsprop"):
        assert decayed["momentum"] == 0.7
    else:
        assert decayed["betas"] == (0.9, 0.95)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop"])
def test_each_descends_a_bowl(name):
    model = nn.Linear(2, 1, bias=False)
    optimizer = make_optimizer(model, TrainSettings(optimizer=name, learning_rate=0.05, momentum=0.5))
    for _ in range(200):
        optimizer.zero_grad()
        (model.weight - 3).square().sum().backward()
        optimizer.step()
    assert torch.allclose(model.weight, torch.full((1, 2), 3.0), atol=0.2)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_weight_decay_shrinks_weights_and_nothing_else(name):
    model = _net()
    for parameter in model.parameters():
        nn.init.ones_(parameter)
        parameter.grad = torch.zeros_like(parameter)
    make_optimizer(model, TrainSettings(optimizer=name, learning_rate=0.1, weight_decay=0.5)).step()
    for name_, parameter in model.named_parameters():
        weight = name_ in ("0.weight", "3.weight")
        assert torch.allclose(parameter, torch.full_like(parameter, 0.95 if weight else 1.0)), name_


def test_split_takes_each_trainable_parameter_once():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.LayerNorm((3, 3)), nn.GRU(3, 3))
    model[1].weight = model[0].weight
    model[1].bias.requires_grad_(False)
    weights, others = split_parameters(model)
    assert {id(p) for p in weights} == {id(model[0].weight), id(model[3].weight_ih_l0), id(model[3].weight_hh_l0)}
    assert len(weights) == 3
    assert len(others) == 1 + 2 + 2


def test_nothing_to_train():
    model = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(TrainingError, match="no trainable parameters"):
        make_optimizer(model, TrainSettings())
