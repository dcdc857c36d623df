"""The contract on every database server, and what is particular to one."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings

from luthier.errors import StorageBusy
from luthier.stores import Store
from luthier.stores.sql import SqlStore
from luthier.stores.sql.urls import parse
from luthier.testing.stores import SharedStoreContract, new_study
from luthier.testing.stores.machine import store_machine

on_postgres = pytest.mark.parametrize("server", ["postgres_server"], indirect=True)
on_mariadb = pytest.mark.parametrize("server", ["mariadb_server"], indirect=True)


@pytest.fixture(scope="class")
def kept(request: pytest.FixtureRequest) -> Iterator[str]:
    """The database of a contract's tests, each of which finds it without studies: a new one takes long."""
    server = request.getfixturevalue(request.cls.server)
    name = server.new_database()
    yield server.url(name)
    server.drop_database(name)


class _OnServer(SharedStoreContract):
    server: str
    """The fixture."""

    @pytest.fixture
    def store(self, kept: str) -> Iterator[Store]:
        store = SqlStore(kept)
        for study in store.studies():
            store.delete_study(study.name)
        yield store
        store.close()

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, SqlStore)
        return SqlStore(store.url)


class TestPostgres(_OnServer):
    server = "postgres_server"


class TestMariaDB(_OnServer):
    server = "mariadb_server"


def test_answers_as_the_memory_store_does(url: str) -> None:
    names = itertools.count()

    class Emptied(SqlStore):
        """The same database for all examples: a new one takes long."""

        def __init__(self) -> None:
            super().__init__(url)
            for study in self.studies():
                self.delete_study(study.name)
            next(names)

    machine = store_machine(Emptied).TestCase
    machine.settings = settings(deadline=None, max_examples=5, stateful_step_count=25)
    machine("runTest").runTest()
    assert next(names) >= 5


@on_postgres
def test_commits_are_durable_whatever_the_database_says(server: Any, url: str) -> None:
    server.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET synchronous_commit = off")
    store = SqlStore(url)
    shown = store._database.write(lambda connection: connection.execute(sa.text("SHOW synchronous_commit")).scalar())
    assert shown == "on"
    store.close()


@on_mariadb
def test_process_that_dies_while_it_makes_the_tables_is_followed_by_another(url: str) -> None:
    """Tables are made one by one, outside of transactions: some may be there, with no version."""
    made: list[str] = []

    def die(table: Any, *_: Any, **__: Any) -> None:
        made.append(table.name)
        if table.name == "trials":
            raise KeyboardInterrupt

    sa.event.listen(sa.Table, "before_create", die)
    try:
        with pytest.raises(KeyboardInterrupt):
            SqlStore(url)
    finally:
        sa.event.remove(sa.Table, "before_create", die)
    assert {"studies", "parameters"} <= set(made)
    store = SqlStore(url)
    new_study(store)
    assert store.ask("study", "me", "1").number == 0
    store.close()


@on_mariadb
def test_schema_locked_by_another_is_waited_for_until_the_deadline(url: str, direct: sa.Engine) -> None:
    with direct.connect() as connection:
        connection.exec_driver_sql("SELECT GET_LOCK(CONCAT('luthier:', MD5(DATABASE())), 1)")
        with pytest.raises(StorageBusy, match="changing the schema"):
            SqlStore(url, timeout=0.2)
        connection.exec_driver_sql("DO RELEASE_ALL_LOCKS()")
    SqlStore(url).close()


def test_nobody_makes_the_tables_again_before_those_of_another_are_committed(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On MariaDB tables are there at once, their version with the commit: without it they look half made."""
    dialect: Any = parse(url).get_dialect()
    commit, said = dialect.do_commit, []

    def commit_after_another_tried(self: Any, connection: Any) -> None:
        if made and not said:
            body = f"from luthier.stores.sql import SqlStore; SqlStore({url!r}, timeout=0.5)"
            other = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, timeout=60)
            said.append(other.stderr)
        commit(self, connection)

    made: list[str] = []

    def note(table: Any, *_: Any, **__: Any) -> None:
        made.append(table.name)

    monkeypatch.setattr(dialect, "do_commit", commit_after_another_tried)
    sa.event.listen(sa.Table, "after_create", note)
    try:
        store = SqlStore(url)
    finally:
        sa.event.remove(sa.Table, "after_create", note)
    assert "StorageBusy: other programs were changing the schema" in said[0] or "pg_advisory_xact_lock" in said[0]
    assert store.studies() == []
    store.close()


@on_mariadb
def test_mysql_urls_open_the_same_store(url: str) -> None:
    store = SqlStore(url)
    new_study(store)
    again = SqlStore(store.url.replace("mariadb+pymysql://", "mysql://"))
    assert again.studies() == store.studies()
    again.close()
    store.close()
