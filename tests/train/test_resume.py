"""A training that is interrupted and goes on is equal, bit for bit, to one that is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from luthier.errors import TrainingError
from luthier.train import EpochResult, FitResult, Tensors, TrainSettings, fit, seeded

EPOCHS = 6
SETTINGS = TrainSettings(
    epochs=EPOCHS, batch_size=16, learning_rate=0.02, schedule="cosine", warmup=0.2, gradient_clip=1.0, l1=1e-4
)


class Interrupted(Exception):
    pass


def _noise(inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return inputs + 0.1 * torch.randn(inputs.shape, generator=generator)


def _bare(result: FitResult) -> FitResult:
    """The result without its times."""
    return replace(result, seconds=0.0, epochs=tuple(replace(epoch, seconds=0.0) for epoch in result.epochs))


def _same(a: nn.Module, b: nn.Module) -> bool:
    states = a.state_dict(), b.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        replace(SETTINGS, optimizer="sgd", schedule="plateau", plateau_patience=0, patience=3),
        replace(SETTINGS, optimizer="rmsprop", schedule="cyclic", initialization="orthogonal"),
        replace(SETTINGS, optimizer="adam", weight_decay=0.01, monitor="loss", seed=9),
    ],
)
@pytest.mark.parametrize("saved_last", [True, False])
def test_interrupted_at_any_epoch(blobs, mlp, tmp_path, settings, saved_last):
    whole = mlp()
    expected = _bare(fit(whole, *blobs, settings, augment=_noise))
    for epoch in range(1, len(expected.epochs) + 1):
        path = tmp_path / f"{epoch}.pt"

        def interrupt(result, epoch=epoch):
            if result.epoch == epoch and not saved_last:
                raise Interrupted
            return result.epoch == epoch

        try:
            fit(mlp(), *blobs, settings, augment=_noise, on_epoch=interrupt, checkpoint=path)
        except Interrupted:
            assert path.exists() == (epoch > 1)
        again = mlp(seed=5)  # other weights: all must come from the checkpoint
        if not path.exists():
            again = mlp()
        torch.rand(epoch)
        assert _bare(fit(again, *blobs, settings, augment=_noise, checkpoint=path)) == expected
        assert _same(whole, again)


def test_interrupted_in_every_epoch(blobs, mlp, tmp_path):
    whole = mlp()
    expected = _bare(fit(whole, *blobs, SETTINGS))
    path, seen = tmp_path / "a.pt", []
    for _ in range(EPOCHS):
        again = mlp()
        result = fit(again, *blobs, SETTINGS, checkpoint=path, on_epoch=lambda e: bool(seen.append(e.epoch)) or True)
        assert result.stopped == "stopped"
    assert seen == list(range(1, EPOCHS + 1))
    assert _bare(fit(again, *blobs, SETTINGS, checkpoint=path)) == expected
    assert _same(whole, again)


def test_one_that_ended_returns_what_it_came_to(blobs, mlp, tmp_path):
    first, second, path = mlp(), mlp(seed=5), tmp_path / "a.pt"
    settings = replace(SETTINGS, epochs=200, patience=2)
    result = fit(first, *blobs, settings, checkpoint=path)
    assert result.stopped == "patience"

    def never(_):
        raise AssertionError("no epoch is left")

    assert fit(second, *blobs, settings, checkpoint=path, on_epoch=never) == result
    assert _same(first, second)


def test_one_that_diverged_stays_so(line, tmp_path):
    settings = TrainSettings(loss="mse", optimizer="sgd", learning_rate=1e30)
    results = [fit(nn.Linear(3, 1), *line, settings, checkpoint=str(tmp_path / "a.pt")) for _ in range(2)]
    assert [result.stopped for result in results] == ["diverged", "diverged"]
    assert results[0].warnings == results[1].warnings != ()


def test_other_settings_models_and_data_are_refused(blobs, mlp, tmp_path):
    path = tmp_path / "a.pt"
    fit(mlp(), *blobs, SETTINGS, checkpoint=path)
    with pytest.raises(TrainingError, match=r"settings.learning_rate was 0.02 and is now 0.01; settings.seed was 0"):
        fit(mlp(), *blobs, replace(SETTINGS, learning_rate=0.01, seed=1), checkpoint=path)
    with pytest.raises(TrainingError, match=r"model\.0\.weight was '\(8, 4\).* is now '\(3, 4\).*; and \d more"):
        fit(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3)), *blobs, SETTINGS, checkpoint=path)
    fewer = Tensors(blobs[0].inputs[:50], blobs[0].targets[:50])
    with pytest.raises(TrainingError, match=r"data.train was 'inputs \(90, 4\)"):
        fit(mlp(), fewer, blobs[1], SETTINGS, checkpoint=path)


def test_a_damaged_checkpoint_is_said_with_its_path(blobs, mlp, tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(b"PK damaged")
    with pytest.raises(TrainingError, match=r"checkpoint .*a\.pt is damaged"):
        fit(mlp(), *blobs, SETTINGS, checkpoint=path)


def _train(path: Path, kill_when: str = "never") -> tuple[FitResult, nn.Module]:
    """A training that kills its own process at some moment."""
    generator = torch.Generator().manual_seed(3)
    data = Tensors(torch.randn(60, 4, generator=generator), torch.arange(60) % 3)
    with seeded(0):
        model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))
    calls = 0

    def kill(moment: str) -> None:
        if kill_when == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def augment(inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 10:
            kill("learning")
        return _noise(inputs, generator)

    def on_epoch(result: EpochResult) -> bool:
        if result.epoch == 4:
            kill("between")
            Path.replace = lambda *_: kill("writing")  # the new checkpoint is written, but not in place yet
        return False

    in_place = Path.replace
    try:
        settings = TrainSettings(epochs=6, batch_size=16, learning_rate=0.01, schedule="cosine")
        result = fit(
            model,
            data,
            data,
            settings,
            augment=augment,
            on_epoch=on_epoch if kill_when != "never" else None,
            checkpoint=path,
        )
    finally:
        Path.replace = in_place
    return result, model


@pytest.mark.parametrize("moment", ["learning", "between", "writing"])
def test_killed_outright(tmp_path, moment):
    whole, model = _train(tmp_path / "whole.pt")
    path = tmp_path / "killed.pt"
    command = [sys.executable, __file__, path, moment]
    ended = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False, capture_output=True)
    assert (ended.returncode, ended.stderr) == (-signal.SIGKILL, b"")
    assert path.exists()
    result, again = _train(path)
    assert _bare(result) == _bare(whole)
    assert _same(model, again)


if __name__ == "__main__":
    torch.set_num_threads(1)
    _train(Path(sys.argv[1]), sys.argv[2])
