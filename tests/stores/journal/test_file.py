"""What can happen to the file: torn, damaged, full, foreign, removed, locked."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from luthier.errors import LuthierError, SchemaTooNew, StorageBusy, StorageError
from luthier.stores import open_store
from luthier.stores.journal import JournalStore, lock, repair_journal
from luthier.stores.journal.framing import frame
from luthier.stores.journal.lock import Patience, lock_descriptor
from luthier.stores.sql import SqlStore
from luthier.testing.stores import DONE, HOUR, new_study, trials
from luthier.trial import TrialRecord, TrialState


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


@pytest.fixture
def store(path: Path) -> Iterator[JournalStore]:
    store = JournalStore(path)
    yield store
    store.close()


def told_trial(store: JournalStore, name: str, **extras: Any) -> TrialRecord:
    trial = store.ask(name, "me", os.urandom(8).hex())
    return store.tell(name, trial.number, trial.token, DONE, **extras)


def line_starts(data: bytes) -> list[int]:
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


# -- torn and damaged


def test_file_cut_at_any_byte_of_its_end_keeps_all_that_is_before(store: JournalStore, path: Path) -> None:
    name = new_study(store)
    told = [told_trial(store, name) for _ in range(3)]
    data = path.read_bytes()
    starts = line_starts(data)  # header, study, and two lines for each trial
    for cut in range(starts[6], len(data)):
        path.write_bytes(data[:cut])
        whole = sum(start <= cut for start in starts[1:]) - 2  # lines of trials
        again = JournalStore(path)
        found = trials(again, name)
        assert found[: whole // 2] == told[: whole // 2]
        assert [trial.state for trial in found[whole // 2 :]] == [TrialState.RUNNING] * (whole % 2)
        assert path.stat().st_size == cut  # a reader changes nothing
        new = told_trial(again, name)
        again.close()
        after = JournalStore(path)
        assert trials(after, name) == [*found, new]
        after.close()


def test_last_record_that_fails_its_checksum_is_dropped_by_the_next_writer(store: JournalStore, path: Path) -> None:
    name = new_study(store)
    told_trial(store, name)
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    again = JournalStore(path)
    assert trials(again, name)[0].state is TrialState.RUNNING
    again.tell(name, 0, None, DONE)
    assert trials(again, name)[0].state is TrialState.COMPLETE
    again.close()


@pytest.mark.parametrize("place", ["length", "checksum", "json", "line feed"])
def test_damage_in_the_middle_is_refused_and_repaired(path: Path, place: str) -> None:
    store = JournalStore(path)
    name = new_study(store)
    told = [told_trial(store, name) for _ in range(3)]
    store.close()
    data = bytearray(path.read_bytes())
    start, end = line_starts(bytes(data))[5:7]  # the end of trial 1
    data[{"length": start + 7, "checksum": start + 12, "json": start + 40, "line feed": end - 1}[place]] ^= 1
    path.write_bytes(data)
    for _ in range(2):
        with pytest.raises(StorageError, match=rf"study\.journal is damaged at byte {start}.*luthier repair"):
            JournalStore(path)
    assert path.read_bytes() == data
    done = repair_journal(path)
    assert done.damaged[0][0] == start
    assert done.backup is not None
    assert done.backup.read_bytes() == data
    again = JournalStore(path)
    found = trials(again, name)
    assert [found[0], *found[2:]] == [told[0], *told[2:]] or place == "line feed"  # which takes the next line along
    assert found[1].state is TrialState.RUNNING
    again.close()


def test_damage_ahead_of_an_open_handle_is_refused_and_repaired_under_it(store: JournalStore, path: Path) -> None:
    name = new_study(store)
    other = JournalStore(path)
    start = path.stat().st_size
    for _ in range(2):
        told_trial(store, name)
    data = bytearray(path.read_bytes())
    data[start + 30] ^= 1
    path.write_bytes(data)
    for call in (lambda: other.changes(name, 0), lambda: other.ask(name, "me", "1")):
        with pytest.raises(StorageError, match=f"damaged at byte {start}"):
            call()
    repair_journal(path)
    assert [trial.state.name for trial in trials(other, name)] == ["COMPLETE", "COMPLETE"]
    assert trials(store, name) == trials(other, name)
    other.close()


@pytest.mark.parametrize("size", range(0, 90, 3))
def test_file_whose_maker_died_in_the_header_becomes_a_store(path: Path, size: int) -> None:
    JournalStore(path).close()
    header = path.read_bytes()
    path.write_bytes(header[: min(size, len(header) - 1)])
    store = JournalStore(path)
    new_study(store)
    store.close()
    assert path.read_bytes().count(b"\n") == 2


# -- what cannot be used


@pytest.mark.parametrize("content", [b"notes", b"notes\n" * 50, b"\0" * 500, b"00000001 00000000 {"])
def test_foreign_file_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"study\.journal is not a Luthier journal"):
        JournalStore(path)
    assert path.read_bytes() == content


def test_newer_schema(path: Path) -> None:
    content = frame('{"magic":"luthier-journal","schema":99,"more":"of it"}') + frame('{"op":"unheard of"}')
    path.write_bytes(content)
    for call in (JournalStore, repair_journal):
        with pytest.raises(SchemaTooNew, match=r"has schema 99.*upgrade Luthier"):
            call(path)
    assert path.read_bytes() == content


def test_newer_program_that_writes_the_file_anew_stops_older_ones_that_run(
    store: JournalStore, path: Path, tmp_path: Path
) -> None:
    name = new_study(store)
    newer = tmp_path / "newer"
    newer.write_bytes(frame('{"magic":"luthier-journal","schema":99,"id":"another"}'))
    newer.replace(path)
    for call in (lambda: store.changes(name, 0), lambda: store.ask(name, "me", "1")):
        with pytest.raises(SchemaTooNew, match=r"has schema 99.*upgrade Luthier"):
            call()


def test_folder_and_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is a folder"):
        JournalStore(tmp_path)
    with pytest.raises(StorageError, match=f"no folder {tmp_path / 'no'}"):
        JournalStore(tmp_path / "no" / "study.journal")


def test_file_that_may_only_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = JournalStore(path)
    name = new_study(store)
    store.close()
    really = os.open

    def refusing(file: Any, flags: int, *more: Any) -> int:  # root may write whatever the mode says
        if Path(file) == path and flags & os.O_RDWR:
            raise OSError(errno.EACCES, "Permission denied")
        return really(file, flags, *more)

    monkeypatch.setattr(os, "open", refusing)
    store = JournalStore(path)
    assert store.study(name).name == name
    with pytest.raises(StorageError, match="is read-only"):
        store.ask(name, "me", "1")
    store.close()


def test_file_that_was_removed_or_cut_is_said(store: JournalStore, path: Path) -> None:
    name = new_study(store)
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(StorageError, match="was removed"):
        store.ask(name, "me", "1")
    assert not path.exists()
    path.write_bytes(kept)
    told_trial(store, name)
    with path.open("r+b") as file:
        file.truncate(len(kept))
    with pytest.raises(StorageError, match=f"to {len(kept)} bytes"):
        store.changes(name, 0)


def test_locked_file_is_waited_for_until_the_deadline(store: JournalStore, path: Path) -> None:
    name = new_study(store)
    hasty = JournalStore(path, timeout=0.05)
    fd = os.open(path, os.O_RDWR)
    lock_descriptor(fd, Patience(path, 10), path, exclusive=True)
    for call in (lambda: hasty.ask(name, "me", "1"), lambda: hasty.study(name), lambda: JournalStore(path, timeout=0)):
        with pytest.raises(StorageBusy, match=r"study\.journal stayed locked by other programs for 0.*timeout="):
            call()
    os.close(fd)
    assert hasty.ask(name, "me", "1").number == 0
    with store._file.locked(exclusive=False), pytest.raises(StorageBusy):  # by a thread
        hasty.ask(name, "me", "2")
    hasty.close()


def test_closed_failed_and_forgotten_stores_leave_no_file_open(path: Path) -> None:
    def opened() -> list[str]:
        return [name for name in map(link, Path("/proc/self/fd").iterdir()) if name.startswith(str(path.parent))]

    def link(fd: Path) -> str:
        try:
            return os.readlink(fd)
        except FileNotFoundError:  # the listing's own
            return ""

    store = JournalStore(path)
    assert opened()
    store.close()
    path.write_bytes(b"notes\n")
    with pytest.raises(StorageError):
        JournalStore(path)
    assert opened() == []
    path.unlink()
    store = JournalStore(path)
    del store
    assert opened() == []


def test_failed_read_is_said(store: JournalStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = new_study(store)
    other = JournalStore(path)
    told = told_trial(store, name)
    fails_once(monkeypatch, "pread", errno.EIO)
    with pytest.raises(StorageError, match=r"study\.journal cannot be read: Input/output error"):
        other.changes(name, 0)
    assert trials(other, name) == [told]
    other.close()


def test_failed_read_of_the_header_leaves_no_lock(
    store: JournalStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = new_study(store)
    store.close()  # so that the next call opens it again
    fails_once(monkeypatch, "pread", errno.EIO)
    with pytest.raises(StorageError, match=r"study\.journal cannot be read: Input/output error"):
        store.study(name)
    fd = os.open(path, os.O_RDWR)
    lock_descriptor(fd, Patience(path, 0), path, exclusive=True)  # raises if it is locked
    os.close(fd)
    assert store.study(name).name == name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"op":"merge","study":"study"}', "a record has the unknown kind 'merge': upgrade Luthier"),
        (
            '{"op":"lease","study":"never made","number":0,"lease_ends":1.0}',
            "contains an intact record that is not valid",
        ),
        ('{"op":"trial","study":"study","revision":1,"trial":[0]}', "contains an intact record that is not valid"),
        ("[1]", "contains an intact record that is not valid"),
    ],
)
def test_whole_record_that_makes_no_sense_is_said(store: JournalStore, path: Path, text: str, words: str) -> None:
    new_study(store)
    with path.open("ab") as file:
        file.write(frame(text))
    for call in (store.studies, lambda: JournalStore(path)):
        with pytest.raises(StorageError, match=words):
            call()


def test_link_to_a_journal_stays_one(store: JournalStore, path: Path, tmp_path: Path) -> None:
    """Else who knows the file by its own name would go on with the old one."""
    name = new_study(store)
    link = tmp_path / "link.journal"
    link.symlink_to(path)
    other = JournalStore(link)
    told_trial(store, name)
    other.compact()
    told = told_trial(other, name)
    assert link.is_symlink()
    assert trials(store, name)[1] == told
    data = bytearray(path.read_bytes())
    data[line_starts(bytes(data))[2] + 40] ^= 1
    path.write_bytes(data)
    repair_journal(link)
    assert link.is_symlink()
    assert trials(store, name) == trials(other, name)
    other.close()


def test_working_directory_may_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for file in ("study.journal", "study.db"):
        monkeypatch.chdir(tmp_path)
        store: Any = open_store(file)
        name = new_study(store)
        monkeypatch.chdir(elsewhere)
        others = [open_store(store.url), store]
        for i, other in enumerate(others):
            assert other.ask(name, "me", str(i)).number == i
            other.close()
    assert not list(elsewhere.iterdir())


def test_descriptor_that_went_stale_is_opened_again(store: JournalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on NFS, when another machine has compacted the file."""
    name = new_study(store)
    told = told_trial(store, name)
    monkeypatch.setattr(lock, "_set_lock", Mock(side_effect=[OSError(errno.ESTALE, "Stale"), None, None]))
    assert trials(store, name) == [told]


# -- failed appends


def fails_once(monkeypatch: pytest.MonkeyPatch, call: str, error: int, *, half: bool = False) -> None:
    really = getattr(os, call)

    def failing(fd: int, *args: Any) -> Any:
        if half and len(args[0]) > 20:  # short writes; the last one fails
            return really(fd, args[0][:20], *args[1:])
        monkeypatch.setattr(os, call, really)
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, call, failing)


@pytest.mark.parametrize(
    ("call", "error", "half"),
    [
        ("pwrite", errno.ENOSPC, False),
        ("pwrite", errno.ENOSPC, True),
        ("pwrite", errno.EFBIG, False),
        ("fsync", errno.EIO, False),
        ("fsync", errno.EDQUOT, False),
    ],
)
def test_failed_append_is_undone_and_said(
    store: JournalStore, path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: int, half: bool
) -> None:
    name = new_study(store)
    trial = store.ask(name, "me", "1")
    before = path.read_bytes()
    fails_once(monkeypatch, call, error, half=half)
    with pytest.raises(StorageError, match=r"study\.journal cannot be written.*undone: free some space") as caught:
        store.tell(name, 0, trial.token, DONE)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == error
    assert path.read_bytes() == before
    assert trials(store, name) == [trial]
    assert store.tell(name, 0, trial.token, DONE).state is TrialState.COMPLETE


def test_short_write_goes_on_where_it_stopped(store: JournalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: really(fd, data[:7], offset))
    name = new_study(store)
    told = told_trial(store, name)
    other = JournalStore(store.url)
    assert trials(other, name) == [told]
    other.close()


def test_failed_compaction_leaves_the_file(
    store: JournalStore, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = new_study(store)
    told = told_trial(store, name)
    before = path.read_bytes()
    fails_once(monkeypatch, "fsync", errno.ENOSPC)
    with pytest.raises(StorageError, match="It is unchanged"):
        store.compact()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    assert trials(store, name) == [told]


@pytest.mark.parametrize("when", ["before", "after"])
def test_process_that_dies_in_compaction_leaves_the_old_file_or_the_new(
    store: JournalStore, path: Path, when: str
) -> None:
    name = new_study(store)
    told = [told_trial(store, name) for _ in range(3)]
    size = path.stat().st_size
    if (child := os.fork()) == 0:
        really = Path.replace

        def dying(self: Path, target: Path) -> None:
            if when == "after":
                really(self, target)
            os._exit(77)

        Path.replace = dying  # type: ignore[assignment,method-assign]
        store.compact()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 77
    assert (path.stat().st_size < size) == (when == "after")
    assert trials(store, name) == told
    store.compact()
    assert [told_trial(store, name).number, trials(store, name)[:3]] == [3, told]
    assert list(path.parent.iterdir()) == [path]


def test_interrupted_compaction_leaves_the_file(
    store: JournalStore, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = (new_study(store), path.read_bytes())
    monkeypatch.setattr(os, "fchmod", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.compact()
    assert (before[0], path.read_bytes()) == before
    assert list(tmp_path.iterdir()) == [path]


FULL = """
import resource, sys
from luthier.errors import StorageError
from luthier.stores.journal import JournalStore
from luthier.testing.stores import DONE
store = JournalStore(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
acknowledged = 0
try:
    while True:
        trial = store.ask("study", "child", str(acknowledged))
        store.tell("study", trial.number, trial.token, DONE, attrs={"x": "x" * 500})
        acknowledged += 1
except StorageError as error:
    assert "free some space" in str(error), error
    assert len(store.changes("study", 0)[1]) >= acknowledged
    print(acknowledged)
"""


def test_full_disk_is_said_and_loses_nothing(store: JournalStore, path: Path) -> None:
    name = new_study(store)
    for limit in (10_000, 10_400, 11_111):  # the limit falls on different bytes of a frame
        said = subprocess.run(
            [sys.executable, "-W", "error", "-c", FULL, str(path), str(limit)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        found = trials(store, name)
        told = [trial for trial in found if trial.state is TrialState.COMPLETE]
        assert path.stat().st_size <= limit
        assert int(said.stdout) == len(told) > 0
        assert len(found) - len(told) <= 1
        assert path.read_bytes().endswith(b"\n")  # nothing of the failed frame is left
        store.delete_study(name)
        new_study(store)
        store.compact()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


KILLED = """
import os, signal, sys
from luthier.stores.journal import JournalStore
from luthier.testing.stores import DONE
store = JournalStore(sys.argv[1])
really = os.pwrite
def dying(fd, data, offset):
    really(fd, data[: int(sys.argv[2])], offset)
    os.kill(os.getpid(), signal.SIGKILL)
os.pwrite = dying
store.tell("study", 0, None, DONE)
"""


@pytest.mark.parametrize("written", [0, 1, 17, 60])
def test_writer_killed_in_mid_write_holds_nobody_up(store: JournalStore, path: Path, written: int) -> None:
    name = new_study(store)
    trial = store.ask(name, "me", "1", HOUR)
    size = path.stat().st_size
    dead = subprocess.run([sys.executable, "-c", KILLED, str(path), str(written)], check=False)
    assert dead.returncode == -signal.SIGKILL
    assert path.stat().st_size == size + written
    assert trials(store, name) == [trial]
    told = store.tell(name, 0, trial.token, DONE)
    other = JournalStore(path)
    assert trials(other, name) == [told]
    other.close()


def test_path_and_url_name_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "größe #1?.journal"
    store = open_store(path)
    assert isinstance(store, JournalStore)
    new_study(store)
    for form in (str(path), f"journal:///{path}", store.url):
        again = open_store(form, must_exist=True)
        assert isinstance(again, JournalStore)
        assert [study.name for study in again.studies()] == ["study"]
        again.close()
    store.close()
    with pytest.raises(LuthierError, match="no storage at"):
        open_store(f"journal:///{tmp_path}/no", must_exist=True)
    other = open_store(f"sqlite:///{tmp_path}/sqlite.journal")
    assert isinstance(other, SqlStore)
    other.close()
