from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from luthier.cli.app import app
from luthier.errors import StorageError
from luthier.stores.journal import JournalStore
from luthier.testing.stores import DONE, new_study, trials


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of one study with five told trials, in twelve lines."""
    path = tmp_path / "study.journal"
    store = JournalStore(path)
    name = new_study(store)
    for i in range(5):
        store.tell(name, i, store.ask(name, "me", str(i)).token, DONE)
    store.close()
    return path


def repair(*args: object) -> list[str]:
    result = CliRunner().invoke(app, ["repair", *map(str, args)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout.splitlines()


def flip(path: Path, *lines: int) -> list[tuple[int, int]]:
    """Change a byte in the middle of some lines; where they begin, and how long they are."""
    data, starts = bytearray(path.read_bytes()), [0]
    for line in bytes(data).splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for line in lines:
        data[(starts[line] + starts[line + 1]) // 2] ^= 4
    path.write_bytes(data)
    return [(starts[line], starts[line + 1] - starts[line]) for line in lines]


def test_damage_is_said_and_the_rest_saved(path: Path) -> None:
    ((offset, length),) = flip(path, 5)  # the end of trial 1
    before = path.read_bytes()
    backup = path.with_name("study.journal.damaged")
    assert repair(path) == [
        f"lost {length} bytes at byte {offset}",
        "study study: 5 trials",
        f"the damaged file is kept as {backup}",
        f"10 records are in {path}",
    ]
    assert backup.read_bytes() == before
    store = JournalStore(path)
    assert [trial.state.name for trial in trials(store, "study")] == ["COMPLETE", "RUNNING", *["COMPLETE"] * 3]
    store.close()


def test_trial_that_is_lost_whole_is_failed(path: Path) -> None:
    ((offset, length), (_, more)) = flip(path, 4, 5)
    said = repair(path)
    assert said[0] == f"lost {length + more} bytes at byte {offset}"
    assert said[1] == "study study: trials 1 were lost completely, and are now FAIL"
    store = JournalStore(path)
    assert [trial.state.name for trial in trials(store, "study")] == ["COMPLETE", "FAIL", *["COMPLETE"] * 3]
    assert store.ask("study", "me", "new").number == 5
    store.close()


def test_lost_study_is_said(path: Path) -> None:
    flip(path, 1)
    said = repair(path)
    assert said[1] == "lost 10 intact records, whose study was created in a damaged one"
    store = JournalStore(path)
    assert store.studies() == []
    store.close()


def test_lost_header_is_made_anew(path: Path) -> None:
    store = JournalStore(path)
    before = trials(store, "study")
    store.close()
    flip(path, 0)
    with pytest.raises(StorageError, match="damaged at byte 0.*luthier repair"):
        JournalStore(path)
    repair(path)
    store = JournalStore(path)
    assert trials(store, "study") == before
    store.close()


def test_out_leaves_the_file_alone(path: Path, tmp_path: Path) -> None:
    flip(path, 5)
    before = path.read_bytes()
    out = tmp_path / "saved.journal"
    assert repair(path, "--out", out)[-1] == f"10 records are in {out}"
    assert path.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [out, path]
    store = JournalStore(out)
    assert len(trials(store, "study")) == 5
    store.close()
    with pytest.raises(StorageError, match="exists"):
        repair(path, "--out", out)


def test_whole_file_is_left_alone(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    assert repair(path)[-2] == f"{path} is intact: nothing to repair"
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_second_backup_has_a_name_of_its_own(path: Path) -> None:
    flip(path, 5)
    repair(path)
    flip(path, 5)
    assert f"the damaged file is kept as {path}.damaged-2" in repair(path)


@pytest.mark.parametrize("content", [b"", b"notes\nmore notes\n"])
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.journal"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="no intact record"):
        repair(path)
    assert path.read_bytes() == content
    with pytest.raises(StorageError, match="cannot be opened"):
        repair(tmp_path / "no.journal")
