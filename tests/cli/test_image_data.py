"""What the commands say of data that is not in order."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from luthier.cli import main
from luthier.tasks.image import CnnSettings, ImageData, build_cnn, prepare, save_model
from luthier.workflow import steps as workflow

RNG = np.random.default_rng(0)
PARAMS = {"blocks": 1, "width": 8, "hidden": 0}


@pytest.fixture
def here(monkeypatch, capsys):
    """Runs the command in this process; returns the exit status, stdout and stderr."""

    def run(*args):
        monkeypatch.setattr("sys.argv", ["luthier", *map(str, args)])
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of 15 photos, three of which are broken."""
    root = tmp_path / "photos"
    for i in range(30):
        folder = root / ("cat" if i % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{i:02}.png"
        Image.fromarray(RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
        if i in (3, 4, 5):
            path.write_bytes(path.read_bytes()[:60])
    (root / "cat" / "x.heic").write_bytes(b"x")
    return root


@pytest.fixture
def model(tmp_path: Path) -> Path:
    images = RNG.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    prepared = prepare(ImageData(images, np.arange(40) % 2, ("cat", "dog"), "noise"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_cnn(prepared.shape, 2, CnnSettings.from_params(PARAMS))
    return save_model(tmp_path / "model", network, PARAMS, prepared)


def test_tune_lists_all_broken_files_and_leaves_nothing_behind(photos, tmp_path, here):
    code, _, said = here("tune", "image", "--data", photos, "--out", tmp_path / "run")
    assert code == 1
    assert "3 of 30 files cannot be read as images" in said
    assert all(f"{i:02}.png" in said for i in (3, 4, 5))
    assert "--skip-broken" in said
    assert not (tmp_path / "run").exists()


def test_tune_skips_broken_files_and_says_which(photos, tmp_path, here, monkeypatch):
    def stop(*_):  # the data was loaded and described by then
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "_train_baseline", stop)
    code, _, said = here("tune", "image", "--data", photos, "--out", tmp_path / "run", "--skip-broken")
    assert code == 130
    said = " ".join(said.split())
    assert "left out 3 of 30 files that cannot be read as images" in said
    assert "1 .heic (to use them: pip install pillow-heif)" in said
    assert said.count("left out 3 of 30") == 1
    assert json.loads((tmp_path / "run" / "run.json").read_text())["skip_broken"] is True


def test_predict_lists_or_skips_broken_files(photos, model, here):
    code, _, said = here("predict", model, "--input", photos)
    assert code == 1
    assert "3 of 30 files cannot be read as images" in said
    code, answer, _ = here("predict", model, "--input", photos, "--skip-broken", "--json")
    assert code == 0
    assert len(json.loads(answer)) == 27


def test_predict_recognises_or_is_told_the_unit(model, tmp_path, here, caplog):
    images = RNG.integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    images[:, 0, 0] = 255

    def answers(array, *options):
        np.savez(tmp_path / "x.npz", images=array)
        code, out, said = here("predict", model, "--input", tmp_path / "x.npz", "--json", *options)
        return [row["probabilities"]["cat"] for row in json.loads(out)] if code == 0 else said

    expected = pytest.approx(answers(images), abs=1e-4)
    assert answers(images / 255) == expected
    assert "--white" in caplog.text
    assert answers(images * 10.0, "--white", "2550") == expected
    assert "state what it is in these images" in answers(images * 10.0)
