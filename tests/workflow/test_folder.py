import json

import pytest

from luthier.errors import LuthierError
from luthier.workflow.folder import RunFolder


def test_a_run_is_made_once_and_opened_again(tmp_path):
    folder = RunFolder.create(tmp_path / "run", {"data": "digits"}, fresh=False)
    folder.save("cost", {"seconds": 1.5})
    assert RunFolder.open(tmp_path / "run").load("cost") == {"seconds": 1.5}
    with pytest.raises(LuthierError, match="continue with resume=True, start over with fresh=True"):
        RunFolder.create(tmp_path / "run", {}, fresh=False)
    RunFolder.create(tmp_path / "run", {"data": "other"}, fresh=True)
    assert RunFolder.open(tmp_path / "run").load("run")["data"] == "other"
    assert not folder.has("cost")


def test_what_is_not_a_run_is_never_deleted(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    for fresh in (True, False):
        with pytest.raises(LuthierError, match="not a run of Luthier: choose another folder"):
            RunFolder.create(tmp_path / "thesis", {}, fresh=fresh)
    assert (tmp_path / "thesis" / "thesis.tex").exists()
    with pytest.raises(LuthierError, match=r"has no run\.json"):
        RunFolder.open(tmp_path / "thesis")
    with pytest.raises(LuthierError, match="cannot be created"):
        RunFolder.create(tmp_path / "thesis" / "thesis.tex" / "run", {}, fresh=False)


def test_newer_and_damaged_runs_are_refused(tmp_path):
    folder = RunFolder.create(tmp_path / "run", {}, fresh=False)
    (tmp_path / "run" / "run.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(LuthierError, match="has format 99, this version of Luthier reads up to 1: upgrade"):
        RunFolder.open(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(LuthierError, match="cannot be read"):
        RunFolder.open(tmp_path / "run")
    with pytest.raises(LuthierError, match="cannot be read"):
        folder.load("cost")


def test_a_line_that_was_cut_short_is_dropped(tmp_path):
    folder = RunFolder.create(tmp_path / "run", {}, fresh=False)
    assert folder.lines("reruns") == []
    folder.append("reruns", {"seed": 1})
    folder.append("reruns", {"seed": 2})
    with (tmp_path / "run" / "reruns.jsonl").open("a") as file:
        file.write('{"seed": 3, "val')
    assert folder.lines("reruns") == [{"seed": 1}, {"seed": 2}]


def test_a_model_takes_the_place_of_another_whole_or_not_at_all(tmp_path):
    folder = RunFolder.create(tmp_path / "run", {}, fresh=False)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").write_text(name)
        folder.put_model(tmp_path / name)
        assert (folder.model / "model.json").read_text() == name
    assert sorted(path.name for path in folder.path.iterdir()) == ["model", "run.json"]
    folder.model.rename(folder.path / "model.old")  # a kill in the middle
    assert (RunFolder.open(folder.path).model / "model.json").read_text() == "b"
    (folder.path / "model.new").mkdir()
    folder.put_model(tmp_path / "a")
    assert (folder.model / "model.json").read_text() == "a"
