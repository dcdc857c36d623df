from __future__ import annotations

import multiprocessing
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings
from sqlalchemy import event

from luthier.errors import StorageBusy, StorageError
from luthier.stores import Result, Store
from luthier.stores.sql import SqlStore, database
from luthier.stores.sql.tables import RECORD
from luthier.testing.stores import DONE, HOUR, SharedStoreContract, in_threads, new_study, trials
from luthier.testing.stores.machine import store_machine
from luthier.trial import TrialRecord, TrialState


class TestSqlStore(SharedStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        store = SqlStore(tmp_path / "study.db")
        yield store
        store.close()

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, SqlStore)
        return SqlStore(store.url)


class _Temporary(SqlStore):
    """A store whose folder goes when it is closed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        super().__init__(Path(self._folder.name) / "study.db")

    def close(self) -> None:
        super().close()
        self._folder.cleanup()


TestSqlStoreAgainstMemory = store_machine(_Temporary).TestCase
TestSqlStoreAgainstMemory.settings = settings(deadline=None, max_examples=10, stateful_step_count=25)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = SqlStore(tmp_path / "study.db", timeout=30)
    yield store
    store.close()


def test_columns_are_the_fields_of_a_record() -> None:
    names = [column.name for column in RECORD]
    assert [name.replace("objective_values", "values") for name in names] == [f.name for f in fields(TrialRecord)]


def test_text_in_the_file_is_strict_json(store: SqlStore, tmp_path: Path) -> None:
    name = new_study(store)
    token = store.ask(name, "me", "1").token
    nan = float("nan")
    store.tell(name, 0, token, Result(TrialState.PRUNED, (nan,)), reports=[(1, nan)], attrs={"x": -float("inf")})
    with sqlite3.connect(tmp_path / "study.db") as connection:
        row = connection.execute(
            "SELECT json_valid(objective_values), json_valid(reports), json_valid(attrs), attrs FROM trials"
        ).fetchone()
    connection.close()
    assert row == (1, 1, 1, '{"x":{"$float":"-inf"}}')


def settings_in_use(work: Callable[[], object]) -> dict[str, object]:
    """Settings of the connection that commits what `work` does."""
    found: dict[str, object] = {}

    @event.listens_for(sa.Engine, "commit")
    def look(connection: sa.Connection) -> None:
        for name in ("synchronous", "journal_mode"):
            found[name] = connection.exec_driver_sql(f"PRAGMA {name}").scalar()

    try:
        work()
    finally:
        event.remove(sa.Engine, "commit", look)
    return found


def test_commits_wait_for_the_disk_and_the_journal_fits_the_version(store: SqlStore) -> None:
    journal = "wal" if sqlite3.sqlite_version_info >= (3, 51, 3) else "persist"
    assert settings_in_use(lambda: new_study(store)) == {"synchronous": 2, "journal_mode": journal}


@pytest.mark.parametrize("then", [(3, 0, 0), (99, 0, 0)])
def test_both_journals_serve_several_handles_and_forks(
    tmp_path: Path, then: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under this SQLite or a newer or older one, whatever the file was made with."""
    for now in ((3, 0, 0), (99, 0, 0)):
        monkeypatch.setattr(database, "_WAL_IS_SAFE", now)
        first = SqlStore(tmp_path / f"{now}.db")
        name = new_study(first)
        told = first.tell(name, 0, first.ask(name, "me", "1").token, DONE)
        first.close()
        monkeypatch.setattr(database, "_WAL_IS_SAFE", then)
        store, other = SqlStore(first.url), SqlStore(first.url)
        journal = "wal" if then == (3, 0, 0) else "persist"
        used = settings_in_use(partial(other.ask, name, "me", "2"))
        assert used == {"synchronous": 2, "journal_mode": journal}
        child = multiprocessing.get_context("fork").Process(target=store.ask, args=(name, "child", "3"))
        child.start()
        child.join()
        assert child.exitcode == 0
        assert other.changes(name, 0)[1][0] == told
        assert [trial.owner for trial in trials(store, name)] == ["me", "me", "child"]
        store.close()
        other.close()


def test_locked_file_is_waited_for_until_the_deadline(store: SqlStore, tmp_path: Path) -> None:
    name = new_study(store)
    other = sqlite3.connect(tmp_path / "study.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    hasty = SqlStore(tmp_path / "study.db", timeout=0.05)
    with pytest.raises(StorageBusy, match=r"study\.db stayed locked by other programs for 0\.05 s.*timeout=") as caught:
        hasty.ask(name, "me", "1")
    assert isinstance(caught.value.__cause__, sa.exc.OperationalError)
    assert hasty.study(name).name == name  # readers need not wait

    other.execute("COMMIT")
    assert hasty.ask(name, "me", "1").number == 0
    hasty.close()
    other.close()


def test_writer_goes_on_when_the_lock_is_free(store: SqlStore, tmp_path: Path) -> None:
    name = new_study(store)
    other = sqlite3.connect(tmp_path / "study.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    refused = []

    @event.listens_for(sa.Engine, "handle_error")
    def note(context: sa.engine.ExceptionContext) -> None:
        refused.append(context.original_exception)
        if len(refused) == 3:
            other.execute("COMMIT")

    try:
        assert store.ask(name, "me", "1").number == 0
    finally:
        event.remove(sa.Engine, "handle_error", note)
        other.close()
    assert len(refused) >= 3


def test_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    def limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count=60").close()

    event.listen(sa.Engine, "connect", limit)
    try:
        store = SqlStore(tmp_path / "study.db")
        name = new_study(store)
        told: list[TrialRecord] = []
        with pytest.raises(
            StorageError, match=r"study\.db: the disk .* is full.*Nothing that was acknowledged"
        ) as full:
            for i in range(1000):
                trial = store.ask(name, "me", str(i))
                told.append(store.tell(name, trial.number, trial.token, DONE, attrs={"x": "x" * 5000}))
        assert isinstance(full.value.__cause__, sa.exc.DBAPIError)
        assert told
        assert trials(store, name)[: len(told)] == told
        store.close()
    finally:
        event.remove(sa.Engine, "connect", limit)
    again = SqlStore(tmp_path / "study.db")
    assert trials(again, name)[: len(told)] == told
    again.ask(name, "me", "there is room again")
    again.close()


def test_damaged_text_is_said(store: SqlStore, tmp_path: Path) -> None:
    name = new_study(store)
    store.ask(name, "me", "1")
    with sqlite3.connect(tmp_path / "study.db") as connection:
        connection.execute("UPDATE trials SET params = '{\"x\": '")
    connection.close()
    with pytest.raises(StorageError, match="is not JSON"):
        store.changes(name, 0)


def test_many_threads_at_once(store: SqlStore) -> None:
    name = new_study(store)
    for i in range(12):
        store.enqueue(name, {"x": i}, {}, str(i))
    taken = in_threads(12, lambda k: store.ask(name, str(k), str(k), HOUR).number)
    assert sorted(taken) == list(range(12))


def test_whole_study_is_read_in_one_query(store: SqlStore) -> None:
    name = new_study(store)
    for i in range(5):
        store.enqueue(name, {"x": i}, {}, str(i))
    said: list[str] = []

    @event.listens_for(sa.Engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    try:
        revision, found = store.changes(name, 0)
        store.changes(name, revision)
    finally:
        event.remove(sa.Engine, "before_cursor_execute", note)
    assert len(found) == 5
    assert sum("FROM trials" in statement for statement in said) == 1


def test_text_that_is_no_unicode_is_said(store: SqlStore) -> None:
    with pytest.raises(StorageError, match=r"study\.db cannot store text such as 'x\\ud800': surrogates"):
        new_study(store, "x\ud800")
    with pytest.raises(StorageError, match="cannot store text such as 'me"):
        store.ask(new_study(store), "me\ud800", "1")
    assert trials(store, "study") == []


def test_a_database_whose_trials_have_notes_is_read_and_written(tmp_path: Path) -> None:
    """Versions before this one kept a note."""
    path = tmp_path / "study.db"
    store = SqlStore(path)
    study = new_study(store)
    running = store.ask(study, "me", "call")
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE trials SET note = ?", ('{"n": [1]}',))
    connection.close()
    store = SqlStore(path)
    assert trials(store, study) == [running]
    told = store.tell(study, running.number, running.token, DONE)
    assert trials(store, study) == [told] and told.attrs == {} and told.error is None
    store.close()
