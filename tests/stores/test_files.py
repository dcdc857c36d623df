from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from luthier.stores import MemoryStore, files
from luthier.stores.files import sync_folder, written_whole
from luthier.stores.journal import JournalStore
from luthier.stores.transfer import export_studies
from luthier.testing.stores import new_study


def synced_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what is synced from now on, when it is."""
    really, names = os.fsync, []

    def noting(fd: int) -> None:
        names.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name)
        really(fd)

    monkeypatch.setattr(os, "fsync", noting)
    return names


def export(folder: Path) -> None:
    store = MemoryStore()
    new_study(store)
    export_studies(store, folder / "file")


def compact(folder: Path) -> None:
    store = JournalStore(folder / "file")
    store.compact()
    store.close()


@pytest.mark.parametrize("write", [export, compact])
def test_new_file_and_its_name_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    names = synced_files(monkeypatch)
    write(tmp_path)
    assert names[-2:] == ["file.part", tmp_path.name]


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    for error in (OSError, KeyboardInterrupt):
        with pytest.raises(error), written_whole(path) as file:
            file.write(b"new")
            raise error
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]
    with written_whole(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_folder_that_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = errno.EINVAL

    def failing(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files.os, "fsync", failing)
    sync_folder(tmp_path / "file")  # its file system has no such thing
    code = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        sync_folder(tmp_path / "file")
