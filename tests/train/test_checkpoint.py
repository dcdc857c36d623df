from __future__ import annotations

import math
import random

import pytest
import torch

from luthier.errors import TrainingError
from luthier.train import load_checkpoint, save_checkpoint
from luthier.train.checkpoint import differences

IDENTITY = {"settings": {"epochs": 3, "patience": None}, "model": {"weight": "(2, 3) torch.float32"}}
STATE = {"weights": {"weight": torch.arange(600.0)}, "best": math.inf, "epochs": [{"loss": 0.5}], "stopped": None}


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "deep" / "er" / "a.pt"
    save_checkpoint(path, IDENTITY, STATE)
    state = load_checkpoint(path, IDENTITY)
    assert torch.equal(state.pop("weights")["weight"], STATE["weights"]["weight"])
    assert state == {"best": math.inf, "epochs": [{"loss": 0.5}], "stopped": None}
    assert [file.name for file in path.parent.iterdir()] == ["a.pt"]


def test_another_identity_is_said_field_by_field(tmp_path):
    path = tmp_path / "a.pt"
    save_checkpoint(path, IDENTITY, STATE)
    other = {"settings": {"epochs": 5, "patience": None}, "model": {"bias": "(2,)"}}
    with pytest.raises(TrainingError) as caught:
        load_checkpoint(path, other)
    text = str(caught.value)
    assert str(path) in text
    assert "settings.epochs was 3 and is now 5" in text
    assert "model.weight was '(2, 3) torch.float32' and is not there now" in text
    assert "model.bias was not there and is now '(2,)'" in text


def test_no_differences():
    assert differences(IDENTITY, dict(IDENTITY)) == []


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", bytes(1000)])
def test_what_is_no_checkpoint(tmp_path, content):
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=r"checkpoint .*a\.pt is damaged .*delete it to start again"):
        load_checkpoint(path, IDENTITY)


def test_any_cut_is_seen(tmp_path):
    path = tmp_path / "a.pt"
    save_checkpoint(path, IDENTITY, STATE)
    whole = path.read_bytes()
    for size in range(0, len(whole), len(whole) // 23):
        path.write_bytes(whole[:size])
        with pytest.raises(TrainingError, match="is damaged"):
            load_checkpoint(path, IDENTITY)


def test_a_flipped_bit_never_gives_other_numbers(tmp_path):
    path = tmp_path / "a.pt"
    save_checkpoint(path, IDENTITY, STATE)
    whole, rng, seen = path.read_bytes(), random.Random(0), 0
    for _ in range(60):
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(flipped))
        try:
            state = load_checkpoint(path, IDENTITY)
        except TrainingError:
            seen += 1
        else:  # a bit of padding or of a time stamp
            assert torch.equal(state["weights"]["weight"], STATE["weights"]["weight"])
    assert seen > 20


def test_pickled_objects_are_refused(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"format": 1, "identity": IDENTITY, "state": {"x": random.Random()}}, path)
    with pytest.raises(TrainingError, match="is damaged"):
        load_checkpoint(path, IDENTITY)


def test_a_newer_format_is_refused(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"format": 2, "identity": IDENTITY, "state": {}}, path)
    with pytest.raises(TrainingError, match="has format 2, this version of Luthier reads up to 1"):
        load_checkpoint(path, IDENTITY)


def test_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot be written"):
        save_checkpoint(tmp_path / "file" / "a.pt", IDENTITY, STATE)


def test_a_write_that_fails_leaves_the_old(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    save_checkpoint(path, IDENTITY, STATE)

    def full(_):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(TrainingError, match="no space left"):
        save_checkpoint(path, IDENTITY, {**STATE, "best": 0.0})
    monkeypatch.undo()
    assert load_checkpoint(path, IDENTITY)["best"] == math.inf
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]
