from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from luthier.errors import DataError, TrainingError
from luthier.train import Tensors, TrainSettings, evaluate, fit, seeded


def _weights(model: nn.Module) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in model.state_dict().values()]


def _equal(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_small_cnn_learns_digits(digits):
    with seeded(0):
        model = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10)
        )
    result = fit(model, *digits, TrainSettings(epochs=6, batch_size=32, learning_rate=0.01, schedule="cosine"))
    assert result.stopped == "finished"
    assert result.best_value > 0.95
    assert result.warnings == ()
    assert [epoch.epoch for epoch in result.epochs] == [1, 2, 3, 4, 5, 6]
    assert result.epochs[-1].train_loss < result.epochs[0].train_loss
    assert result.seconds == pytest.approx(sum(epoch.seconds for epoch in result.epochs))


def test_the_model_ends_with_its_best_weights(blobs, mlp):
    model = mlp()
    result = fit(model, *blobs, TrainSettings(epochs=15, learning_rate=0.3, optimizer="sgd"))
    scores = evaluate(model, blobs[1])
    best = result.epochs[result.best_epoch - 1]
    assert (scores["accuracy"], scores["loss"]) == (best.accuracy, best.loss)
    assert result.best_value == best.accuracy == max(epoch.accuracy for epoch in result.epochs)
    assert best.loss != result.epochs[-1].loss


def test_monitoring_the_loss(blobs, mlp):
    result = fit(mlp(), *blobs, TrainSettings(epochs=15, learning_rate=0.05, monitor="loss"))
    assert result.best_value == min(epoch.loss for epoch in result.epochs)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_regression(line, loss):
    with seeded(0):
        model = nn.Linear(3, 1)
    result = fit(model, *line, TrainSettings(epochs=40, learning_rate=0.05, batch_size=20, loss=loss, seed=1))
    assert result.best_value < 0.05
    assert result.epochs[0].accuracy is None
    assert torch.allclose(model.weight, torch.tensor([[1.0, -2.0, 0.5]]), atol=0.1)


def test_binary_and_focal_losses_learn(blobs):
    train, validation = (Tensors(data.inputs, (data.targets == 0).long()) for data in blobs)
    for loss, outputs in (("bce", 1), ("focal", 2)):
        with seeded(0):
            model = nn.Linear(4, outputs)
        settings = TrainSettings(epochs=20, learning_rate=0.05, loss=loss, label_smoothing=0.05)
        assert fit(model, train, validation, settings).best_value > 0.75


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
@pytest.mark.parametrize("schedule", ["constant", "exponential", "step", "cosine", "cyclic", "plateau"])
def test_every_optimizer_under_every_schedule(blobs, mlp, optimizer, schedule):
    settings = TrainSettings(
        epochs=3, optimizer=optimizer, schedule=schedule, learning_rate=0.01, warmup=0.2, gradient_clip=1.0, l1=1e-4
    )
    result = fit(mlp(), *blobs, settings)
    assert result.stopped == "finished"
    assert all(math.isfinite(epoch.loss) for epoch in result.epochs)


def test_the_seed_decides_everything_and_the_callers_generator_stays(blobs, mlp):
    def noise(inputs, generator):
        return inputs + 0.1 * torch.randn(inputs.shape, generator=generator)

    def run(seed: int, initialization: str = "he"):
        torch.manual_seed(0 if seed else 1)  # whatever the caller's generator holds
        before = torch.get_rng_state()
        model = mlp()
        settings = TrainSettings(epochs=3, seed=seed, initialization=initialization, batch_size=16)
        fit(model, *blobs, settings, augment=noise, on_epoch=lambda _: bool(torch.rand(1) > 2))
        for _ in range(3):  # what `on_epoch` drew, and nothing else
            torch.rand(1)
        after = torch.get_rng_state()
        torch.set_rng_state(before)
        for _ in range(6):
            torch.rand(1)
        assert torch.equal(after, torch.get_rng_state())
        return _weights(model)

    assert _equal(run(3), run(3))
    assert not _equal(run(3), run(4))
    assert not _equal(run(3), run(3, "xavier"))
    assert _equal(run(0, "default"), run(0, "default"))


def test_on_epoch_may_use_the_generator_without_changing_the_training(blobs, mlp):
    quiet, loud = mlp(), mlp()
    fit(quiet, *blobs, TrainSettings(epochs=3))
    fit(loud, *blobs, TrainSettings(epochs=3), on_epoch=lambda _: bool(torch.rand(5).sum() < 0))
    assert _equal(_weights(quiet), _weights(loud))


def test_augmentation_sees_the_training_data_alone(blobs, mlp):
    seen: list[torch.Tensor] = []

    def remember(inputs, generator):
        seen.append(inputs)
        return inputs

    fit(mlp(), *blobs, TrainSettings(epochs=2, batch_size=16), augment=remember)
    assert sum(map(len, seen)) == 2 * len(blobs[0])
    rows = {tuple(row) for row in torch.cat(seen).tolist()}
    assert rows == {tuple(row) for row in blobs[0].inputs.tolist()}
    first, second = torch.cat(seen[:6]), torch.cat(seen[6:])
    assert not torch.equal(first, second)  # each epoch has an order of its own


def test_on_epoch_sees_every_epoch_and_can_end_it(blobs, mlp):
    seen = []

    def stop(epoch):
        seen.append(epoch)
        return epoch.epoch == 3

    result = fit(mlp(), *blobs, TrainSettings(epochs=10), on_epoch=stop)
    assert result.stopped == "stopped"
    assert tuple(seen) == result.epochs
    assert len(seen) == 3


def test_patience(blobs, mlp):
    result = fit(mlp(), *blobs, TrainSettings(epochs=500, patience=4, learning_rate=0.02))
    assert result.stopped == "patience"
    assert len(result.epochs) - result.best_epoch == 4


def test_divergence_keeps_the_best_so_far(line):
    with seeded(0):
        model = nn.Linear(3, 1)

    def poison(epoch):
        if epoch.epoch == 3:
            with torch.no_grad():
                model.bias.fill_(math.nan)
        return False

    seen = []
    result = fit(
        model, *line, TrainSettings(loss="mse", epochs=9), on_epoch=lambda e: bool(seen.append(e)) or poison(e)
    )
    assert result.stopped == "diverged"
    assert (len(result.epochs), result.best_epoch, len(seen)) == (4, 3, 3)
    assert math.isfinite(result.best_value)
    assert torch.isfinite(model.bias).all()
    assert any("the training diverged; try a learning_rate below 0.001" in warning for warning in result.warnings)


def test_divergence_in_the_first_epoch_gives_the_starting_weights_back(line):
    with seeded(0):
        model = nn.Linear(3, 1)
    before = _weights(model)
    result = fit(model, *line, TrainSettings(loss="mse", optimizer="sgd", learning_rate=1e30, epochs=5))
    assert (result.stopped, result.best_epoch, len(result.epochs)) == ("diverged", 0, 1)
    assert math.isnan(result.best_value)
    assert math.isnan(result.epochs[0].loss)
    assert _equal(before, _weights(model))


def _one_step(settings: TrainSettings) -> torch.Tensor:
    """The change of a linear model's weights by one step of sgd."""
    with seeded(0):
        model = nn.Linear(3, 1)
    before = model.weight.detach().clone()
    generator = torch.Generator().manual_seed(0)
    data = Tensors(torch.randn(8, 3, generator=generator), torch.randn(8, generator=generator) * 10)
    fit(model, data, data, replace(settings, epochs=1, optimizer="sgd", momentum=0.0, loss="mse", learning_rate=0.1))
    return (model.weight - before).detach()


def test_l1_adds_its_sign():
    with seeded(0):
        sign = nn.Linear(3, 1).weight.sign()
    difference = _one_step(TrainSettings(l1=0.5)) - _one_step(TrainSettings())
    assert torch.allclose(difference, -0.1 * 0.5 * sign, atol=1e-6)


def test_weight_decay_adds_the_weight():
    with seeded(0):
        weight = nn.Linear(3, 1).weight
    difference = _one_step(TrainSettings(weight_decay=0.5)) - _one_step(TrainSettings())
    assert torch.allclose(difference, -0.1 * 0.5 * weight, atol=1e-6)


def test_the_clip_bounds_a_step():
    free, clipped = _one_step(TrainSettings()), _one_step(TrainSettings(gradient_clip=0.5))
    assert free.norm() > 0.1 * 0.5
    assert clipped.norm() <= 0.1 * 0.5 + 1e-6
    assert torch.allclose(clipped / clipped.norm(), free / free.norm(), atol=1e-5)


def test_l1_makes_weights_sparse(line):
    def small(l1: float) -> int:
        with seeded(0):
            model = nn.Sequential(nn.Linear(3, 16), nn.Linear(16, 1))
        fit(model, *line, TrainSettings(epochs=30, learning_rate=0.02, l1=l1, loss="mse"))
        return sum(int((layer.weight.abs() < 0.01).sum()) for layer in model)

    assert small(0.05) >= small(0.0) + 8


def test_frozen_normalisation_keeps_its_statistics(blobs, mlp):
    model = mlp()
    model[1].requires_grad_(False)
    with seeded(1):
        model[1].running_mean.normal_()
    before = model[1].running_mean.clone()
    fit(model, *blobs, TrainSettings(epochs=2))
    assert torch.equal(before, model[1].running_mean)
    thawed = mlp()
    before = thawed[1].running_mean.clone()
    fit(thawed, *blobs, TrainSettings(epochs=2))
    assert not torch.equal(before, thawed[1].running_mean)


def test_learning_rates_are_told(blobs, mlp):
    settings = TrainSettings(epochs=4, schedule="step", decay=0.5, step_every=0.5, learning_rate=0.02)
    result = fit(mlp(), *blobs, settings)
    assert [epoch.learning_rate for epoch in result.epochs] == pytest.approx([0.02, 0.02, 0.01, 0.01])


def test_lazy_layers_and_tensor_datasets_and_one_example(blobs):
    train = TensorDataset(blobs[0].inputs[:1], blobs[0].targets[:1])
    with seeded(0):
        model = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.Linear(8, 3))
        result = fit(model, train, blobs[1], TrainSettings(epochs=2, initialization="he"))
    assert len(result.epochs) == 2


def test_a_rest_of_one_does_not_break_batch_normalisation(blobs, mlp):
    train = Tensors(blobs[0].inputs[:33], blobs[0].targets[:33])
    assert fit(mlp(), train, blobs[1], TrainSettings(epochs=1, batch_size=32)).stopped == "finished"


def test_what_does_not_fit_is_said_before_the_training(blobs):
    with pytest.raises(DataError, match="the targets go from 0 to 2, but the model has 2 outputs"):
        fit(nn.Linear(4, 2), *blobs, TrainSettings())
    with pytest.raises(TrainingError, match="needs equal shapes"):
        fit(nn.Linear(4, 2), *blobs, TrainSettings(loss="mse"))
    with pytest.raises(TrainingError, match="no trainable parameters"):
        fit(nn.Linear(4, 3).requires_grad_(False), *blobs, TrainSettings())
    with pytest.raises(DataError, match="give Tensors"):
        fit(nn.Linear(4, 3), [1, 2], blobs[1], TrainSettings())  # type: ignore[arg-type]
