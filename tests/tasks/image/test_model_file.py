"""A model that was saved predicts as before, and a file that is not right is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from luthier.errors import DataError, StorageError
from luthier.tasks.image import CnnSettings, ImageData, build_cnn, load_model, prepare, save_model
from luthier.train import predict

PARAMS = {"blocks": 2, "width": 8, "activation": "silu", "normalization": "batch", "hidden": 8, "learning_rate": 0.01}


@pytest.fixture
def data() -> ImageData:
    rng = np.random.default_rng(0)
    return ImageData(rng.integers(0, 256, (60, 9, 7, 3), dtype=np.uint8), np.arange(60) % 3, ("ä", "b", "c"), "noise")


@pytest.fixture
def saved(tmp_path: Path, data: ImageData) -> tuple[Path, torch.nn.Module]:
    prepared = prepare(data)
    model = build_cnn(prepared.shape, 3, CnnSettings.from_params(PARAMS))
    model(prepared.train.inputs)  # so that the running statistics are not those of the start
    return save_model(tmp_path / "model", model, PARAMS, prepared, {"accuracy": 0.5}), model


def test_round_trip(saved: tuple[Path, torch.nn.Module], data: ImageData) -> None:
    folder, model = saved
    predictor = load_model(folder)
    labels, probabilities = predictor.predict(data.images)
    expected = predict(model, predictor.normalization(data.images)).double().softmax(dim=1).numpy()
    np.testing.assert_array_equal(probabilities, expected)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert labels == [("ä", "b", "c")[i] for i in expected.argmax(axis=1)]
    assert (predictor.params, predictor.details, predictor.shape) == (PARAMS, {"accuracy": 0.5}, (3, 9, 7))


def test_predicts_files_and_other_shapes(saved: tuple[Path, torch.nn.Module], data: ImageData, tmp_path: Path) -> None:
    predictor = load_model(saved[0])
    Image.fromarray(data.images[5]).save(tmp_path / "five.png")
    names, images = predictor.load(tmp_path / "five.png")
    assert names == ["five.png"]
    np.testing.assert_allclose(predictor.predict(images)[1], predictor.predict(data.images[5:6])[1], rtol=1e-5)
    assert predictor.predict(np.zeros((2, 20, 20, 1), np.uint8))[1].shape == (2, 3)
    assert predictor.predict(data.images[:0])[1].shape == (0, 3)
    np.testing.assert_array_equal(predictor.predict(data.images[0])[1], predictor.predict(data.images[:1])[1])
    with pytest.raises(DataError, match="2 channels"):
        predictor.predict(data.images[..., :2])


def test_saving_again_replaces(saved: tuple[Path, torch.nn.Module], data: ImageData) -> None:
    prepared = prepare(data)
    wide = PARAMS | {"width": 16}
    save_model(saved[0], build_cnn(prepared.shape, 3, CnnSettings.from_params(wide)), wide, prepared)
    assert load_model(saved[0]).params["width"] == 16
    assert sorted(p.name for p in saved[0].iterdir()) == ["model.json", "weights.pt"]


def _edit(folder: Path, **changes: Any) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, r"model\.json has format 2, this version of Luthier \(.*\) reads up to 1: upgrade it"),
        ({"task": "text"}, "a model for the task 'text'"),
        ({"classes": ["a", "b"]}, "is damaged"),
        ({"network": {"width": 8, "wings": 2}}, "is damaged"),
        ({"shape": "square"}, "is damaged"),
    ],
)
def test_refused(saved: tuple[Path, torch.nn.Module], changes: dict[str, Any], message: str) -> None:
    _edit(saved[0], **changes)
    with pytest.raises(StorageError, match=message):
        load_model(saved[0])


def test_missing_and_damaged_files(saved: tuple[Path, torch.nn.Module], tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no model in"):
        load_model(tmp_path / "absent")
    path = saved[0] / "weights.pt"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StorageError, match="is damaged"):
        load_model(saved[0])
    (saved[0] / "model.json").write_text("{")
    with pytest.raises(StorageError, match=r"model\.json is damaged"):
        load_model(saved[0])


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("exploded"),))


def test_code_in_the_weights_is_not_run(
    saved: tuple[Path, torch.nn.Module], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": _Bomb()}, saved[0] / "weights.pt")
    with pytest.raises(StorageError, match="is damaged"):
        load_model(saved[0])
    (saved[0] / "weights.pt").write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(StorageError, match="is damaged"):
        load_model(saved[0])
    assert not (tmp_path / "exploded").exists()
