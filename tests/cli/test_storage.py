from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from typer.testing import CliRunner

import luthier as lt
from luthier.cli.app import app
from luthier.cli.storage import _shown
from luthier.errors import StorageError, StudyExists, StudyNotFound
from luthier.samplers import RandomSampler
from luthier.stores import open_store


def run(*args):
    """Run the command in this process; the finished result. Errors that Luthier explains are raised."""
    result = CliRunner().invoke(app, ["storage", *map(str, args)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def storage(tmp_path):
    path = tmp_path / "study.db"
    for name in ("first", "[b]second"):
        study = lt.create_study(study_name=name, storage=path, sampler=RandomSampler(), seed=0)
        study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=3)
    study.enqueue_trial({"x": 0.5})
    study.storage.close()
    return path


def trials(path, name):
    store = open_store(path, must_exist=True)
    found = store.changes(name, 0)[1]
    store.close()
    return found


def test_list(storage):
    shown = run("list", storage).stdout
    assert "first" in shown and "[b]second" in shown and "3 complete" in shown and "1 waiting" in shown
    listed = json.loads(run("list", f"sqlite:///{storage}", "--json").stdout)
    assert [(x["name"], x["trials"]) for x in listed] == [("first", 3), ("[b]second", 4)]
    assert listed[1]["states"] == {"WAITING": 1, "COMPLETE": 3}


def test_copy(storage, tmp_path):
    target = tmp_path / "copy.db"
    assert "copied first: 3 trials" in run("copy", storage, target, "--study", "first").stdout
    assert trials(target, "first") == trials(storage, "first")
    with pytest.raises(StudyExists, match="first"):
        run("copy", storage, target)
    assert [x["name"] for x in json.loads(run("list", target, "--json").stdout)] == ["first"]
    with pytest.raises(StudyNotFound):
        run("copy", storage, tmp_path / "new.db", "--study", "no")
    assert not (tmp_path / "new.db").exists()


def test_a_missing_storage_is_not_made(tmp_path):
    for command in (("list",), ("check",), ("compact",)):
        with pytest.raises(StorageError, match="no storage"):
            run(*command, tmp_path / "no.db")
    with pytest.raises(StorageError, match="no storage"):
        run("copy", tmp_path / "no.db", tmp_path / "to.db")
    with pytest.raises(StorageError, match="cannot be read"):
        run("import", tmp_path / "no.jsonl", tmp_path / "to.db")
    assert list(tmp_path.iterdir()) == []


def test_export_and_import(storage, tmp_path):
    file, target = tmp_path / "studies.jsonl", tmp_path / "back.db"
    assert "exported [b]second: 4 trials" in run("export", storage, file).stdout
    assert "imported first: 3 trials" in run("import", file, target).stdout
    for name in ("first", "[b]second"):
        assert trials(target, name) == trials(storage, name)
    with pytest.raises(StudyExists):
        run("import", file, target)


def test_compact(storage):
    before = trials(storage, "first")
    assert "bytes" in run("compact", storage).stdout
    assert trials(storage, "first") == before


def test_check(storage):
    good = run("check", storage)
    assert good.exit_code == 0 and "2 studies, 7 trials, nothing wrong" in good.stdout


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE trials SET objective_values = 'null' WHERE number = 1", "trial 1 is COMPLETE without values"),
        ("UPDATE trials SET finished = NULL WHERE number = 0", "without a finish time"),
        ("UPDATE trials SET state = 9 WHERE number = 2", "an unknown state: 9"),
        ("DELETE FROM trials WHERE number = 1", "counts 3 trials and has 2"),
        ("UPDATE trials SET number = 8 WHERE number = 2", "a gap: trial 8 is in the place of trial 2|trial 3 is in"),
        ("UPDATE trials SET state = 1, owner = 'x', lease_ends = 1, objective_values = 'null', finished = NULL "
         "WHERE number = 2", "no process is running it"),
        ("DELETE FROM studies WHERE name = 'first'", "3 trials belong to no study"),
    ],
)  # fmt: skip
def test_check_finds_what_is_wrong(storage, damage, said):
    with closing(sqlite3.connect(storage)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute(damage)
        connection.commit()
    result = run("check", storage)
    assert result.exit_code == 1
    assert any(words in result.stderr for words in said.split("|"))


def test_a_journal(storage, tmp_path):
    journal, back = tmp_path / "study.journal", tmp_path / "back.db"
    run("copy", storage, journal)
    assert trials(journal, "first") == trials(storage, "first")
    assert "compacted" in run("compact", journal).stdout
    assert run("check", journal).exit_code == 0
    run("copy", journal, back)
    assert trials(back, "[b]second") == trials(storage, "[b]second")


def test_what_is_shown_of_a_storage_has_no_password():
    assert _shown("postgresql://me:secret@host/db") == "postgresql://***@host/db"
    assert _shown("study.db") == "study.db"
