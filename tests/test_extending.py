"""What docs/extending.md shows keeps the contracts that it names."""

import contextlib
import tempfile
from pathlib import Path

import pytest
from pages import blocks

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
shown = {"__name__": "extending"}
with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # which the page tunes a task in
    for _, code in blocks(PAGE):
        exec(compile(code, PAGE, "exec"), shown)

TestHillClimbing = shown["TestHillClimbing"]
TestBehindTheBest = shown["TestBehindTheBest"]
TestNeighbours = shown["TestNeighbours"]
TestSnapshotStore = shown["TestSnapshotStore"]
TestOneAfterTheOther = shown["TestOneAfterTheOther"]


def test_a_snapshot_has_everything(tmp_path):
    import luthier as lt

    path = tmp_path / "studies.jsonl"
    study = lt.create_study(storage=shown["SnapshotStore"](path), study_name="mine", seed=0)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=5)
    again = lt.load_study("mine", storage=shown["SnapshotStore"](path))
    assert [t.params for t in again.trials] == [t.params for t in study.trials]
    again.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert len(again.trials) == 6


def test_the_climber_climbs():
    import luthier as lt

    space = lt.Space({"x": lt.Float(0, 1), "y": lt.Float(0, 1)})
    study = lt.create_study(space=space, sampler=shown["HillClimbing"](), seed=0)
    study.optimize(lambda trial: (trial.params["x"] - 0.7) ** 2 + (trial.params["y"] - 0.2) ** 2, n_trials=60)
    assert study.best_value == pytest.approx(0, abs=1e-3)
