from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from luthier.errors import SchemaTooNew, StorageBusy, StorageError
from luthier.stores import MemoryStore, Store, open_store
from luthier.stores.sql import SqlStore, database
from luthier.stores.sql.urls import parse, place
from luthier.testing.stores import DONE, new_study


def test_none_is_memory_and_a_store_passes_through() -> None:
    store = open_store()
    assert isinstance(store, MemoryStore)
    assert open_store(store) is store


@pytest.mark.parametrize("form", ["path", "text", "url"])
def test_path_and_url_name_the_same_file(tmp_path: Path, form: str) -> None:
    path = tmp_path / "größe #1?.db" if form != "url" else tmp_path / "study.db"
    forms: dict[str, str | Path] = {"path": path, "text": str(path), "url": f"sqlite:///{path}"}
    store = open_store(forms[form])
    assert isinstance(store, SqlStore)
    new_study(store)
    again = SqlStore(store.url)
    assert [study.name for study in again.studies()] == ["study"]
    assert path.is_file()
    again.close()
    store.close()


def test_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("study.db").close()
    assert (tmp_path / "study.db").is_file()


def test_import_and_memory_need_no_sqlalchemy() -> None:
    code = (
        "import sys, luthier.stores as s; s.open_store();"
        "assert not {'sqlalchemy', 'alembic'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_current_file_opens_without_alembic(tmp_path: Path) -> None:
    open_store(tmp_path / "study.db").close()
    code = (
        "import sys, luthier.stores as s; s.open_store(sys.argv[1]).close();"
        "assert 'sqlalchemy' in sys.modules and 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "study.db")], check=True)


def refused(storage: str | Path, kind: type[StorageError] = StorageError) -> str:
    with pytest.raises(StorageError) as caught:
        open_store(storage)
    assert type(caught.value) is kind
    return str(caught.value)


def test_other_databases_are_not_supported() -> None:
    message = refused("oracle://me:secret@host/db?password=secret")
    assert "oracle://me:***@host/db is not supported" in message
    assert "secret" not in message
    assert "sqlite:///study.db" in message
    assert "postgresql+asyncpg://host/db is not supported" in refused("postgresql+asyncpg://host/db")
    assert "is not supported" in refused("nonsense://x")
    assert "sqlite:///study.db" in refused("://")


def test_url_that_cannot_be_read_shows_no_password() -> None:
    with pytest.raises(StorageError, match=r"'postgresql://\*\*\*@host:port/db' is not the URL of a storage") as caught:
        open_store("postgresql://me:secret@host:port/db")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None  # which might quote it


@pytest.mark.parametrize("backend", ["postgresql", "mysql", "mariadb"])
def test_password_of_any_letters_goes_into_the_url_and_no_message(backend: str) -> None:
    url = parse(f"{backend}://me:p%40ss%2Fw%3Aord@host:1/db?sslpassword=p%40ss")
    assert url.password == "p@ss/w:ord"
    assert parse(url.render_as_string(hide_password=False)) == url
    assert place(url) == f"{url.drivername}://me:***@host:1/db"


@pytest.mark.parametrize("name", ["sqlite://", "sqlite:///:memory:", ":memory:", ""])
def test_sqlite_in_memory_is_no_storage(name: str) -> None:
    assert "storage=None" in refused(name)


@pytest.mark.parametrize("suffix", ["db", "journal"])
def test_paths_where_no_file_can_be(tmp_path: Path, suffix: str) -> None:
    assert "cannot be the path of a file: embedded null byte" in refused(f"{tmp_path}/a\0b.{suffix}")
    assert "cannot be the path of a file: File name too long" in refused(f"{tmp_path}/{'x' * 300}.{suffix}")
    os.mkfifo(tmp_path / f"pipe.{suffix}")
    assert "is a device or a pipe, not a file" in refused(tmp_path / f"pipe.{suffix}")
    (tmp_path / "file").touch()
    assert "is a file, not a folder" in refused(tmp_path / "file" / f"study.{suffix}")
    assert "there is no folder" in refused(tmp_path / "no" / f"study.{suffix}")


def test_url_that_lacks_a_slash() -> None:
    assert "lacks a slash: write sqlite:///study.db" in refused("sqlite://study.db")
    assert "journal:///study.journal" in refused("journal://study")


@pytest.mark.parametrize("what", [5, b"study.db", object])
def test_what_is_no_storage(what: Any) -> None:
    assert "is not a storage: pass a path, a URL, a Store" in refused(what)


def test_folder(tmp_path: Path) -> None:
    message = refused(tmp_path)
    assert f"{tmp_path} is a folder" in message
    assert str(tmp_path / "study.db") in message


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    message = refused(tmp_path / "no" / "study.db")
    assert f"no folder {tmp_path / 'no'}" in message
    assert not (tmp_path / "no").exists()


def test_path_under_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert f"{tmp_path / 'file'} is a file, not a folder" in refused(tmp_path / "file" / "study.db")


def test_folder_that_cannot_be_written_to() -> None:
    message = refused("/proc/study.db")  # where even root cannot write; elsewhere than on Linux there is no such folder
    assert "/proc/study.db" in message
    assert "check the permissions" in message or "no folder /proc" in message


def test_file_that_may_only_be_read(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    store = open_store(path)
    name = new_study(store)
    store.close()

    def forbid(connection: sqlite3.Connection, _record: object) -> None:  # root may write whatever the mode says
        connection.execute("PRAGMA query_only=1").close()

    event.listen(Engine, "connect", forbid)
    try:
        store = open_store(path)
        assert store.study(name).name == name
        with pytest.raises(StorageError, match=r"study\.db: it is read-only: allow writing"):
            store.ask(name, "me", "1")
        store.close()
    finally:
        event.remove(Engine, "connect", forbid)


def test_options_in_the_url(tmp_path: Path) -> None:
    assert "takes no options" in refused(f"sqlite:///{tmp_path}/study.db?mode=ro")


def test_file_that_is_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough for one " * 50)
    message = refused(path)
    assert f"{path}: it is not a database: give another path" in message
    assert path.read_text().startswith("not a database")


@pytest.mark.parametrize("part", [0.0001, 0.1, 0.5])
def test_database_that_was_cut_is_said(tmp_path: Path, part: float) -> None:
    path = tmp_path / "study.db"
    store = open_store(path)
    new_study(store)
    store.close()
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    assert re.search(r"study\.db: (the file is damaged: restore a copy|it is not a database)", refused(path))


def test_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "study.db").touch()
    store = open_store(tmp_path / "study.db")
    new_study(store)
    store.close()


@pytest.mark.parametrize("wal_is_safe", [True, False])
@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_database_of_another_program(
    tmp_path: Path, journal: str, wal_is_safe: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_WAL_IS_SAFE", (3, 0, 0) if wal_is_safe else (99, 0, 0))
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA journal_mode={journal}")
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    before = path.read_bytes()
    message = refused(path)
    assert f"{path} is a database of another program (it has songs)" in message
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def set_version(path: Path, version: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE luthier_schema_version SET version_num = ?", (version,))
    connection.close()


def test_newer_schema(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    open_store(path).close()
    set_version(path, "99")
    before = path.read_bytes()
    message = refused(path, SchemaTooNew)
    assert f"{path} has schema 99" in message
    assert "upgrade Luthier" in message
    assert path.read_bytes() == before


def test_newer_program_that_changes_the_tables_stops_older_ones_that_run(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    store = open_store(path)
    name = new_study(store)
    token = store.ask(name, "me", "1").token
    set_version(path, "99")
    calls: list[Callable[[], object]] = [
        lambda: store.changes(name, 0),
        lambda: store.ask(name, "me", "2"),
        lambda: store.tell(name, 0, token, DONE),
    ]
    for call in calls:
        with pytest.raises(SchemaTooNew, match=r"study\.db has schema 99.*upgrade Luthier"):
            call()
    store.close()


def test_schema_that_no_luthier_wrote(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    open_store(path).close()
    set_version(path, "abc")
    assert "has the schema 'abc'" in refused(path)


def test_file_locked_by_others(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    open_store(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageBusy, match=r"study\.db stayed locked"):
        SqlStore(path, timeout=0.05)
    other.close()


def test_closed_and_failed_stores_leave_no_file_open(tmp_path: Path) -> None:
    def opened() -> list[str]:
        found = []
        for fd in Path("/proc/self/fd").iterdir():
            try:
                found.append(os.readlink(fd))
            except FileNotFoundError:  # the listing's own
                continue
        return [name for name in found if name.startswith(str(tmp_path))]

    store: Store = open_store(tmp_path / "study.db")
    new_study(store)
    assert opened()
    store.close()
    set_version(tmp_path / "study.db", "99")
    refused(tmp_path / "study.db", SchemaTooNew)
    assert opened() == []
    set_version(tmp_path / "study.db", "1")
    store = open_store(tmp_path / "study.db")
    del store  # forgotten, not closed
    assert opened() == []
