from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings

from luthier.errors import StorageBusy
from luthier.stores import Store
from luthier.stores.sql import SqlStore
from luthier.testing.store_machine import store_machine
from luthier.testing.stores import SharedStoreContract, new_study


@pytest.fixture
def server(mariadb_server: Any) -> Any:
    return mariadb_server


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    store = SqlStore(url)
    yield store
    store.close()


@pytest.fixture(scope="module")
def kept(mariadb_server: Any) -> Iterator[str]:
    """The database of the contract's tests, each of which finds it without studies: a new one takes long."""
    name = mariadb_server.new_database()
    yield mariadb_server.url(name)
    mariadb_server.drop_database(name)


class TestMariaDB(SharedStoreContract):
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


def test_answers_as_the_memory_store_does(store: SqlStore) -> None:
    names = itertools.count()

    class Emptied(SqlStore):
        """The same database for all examples: a new one takes long."""

        def __init__(self) -> None:
            super().__init__(store.url)
            for study in self.studies():
                self.delete_study(study.name)
            next(names)

    machine = store_machine(Emptied).TestCase
    machine.settings = settings(deadline=None, max_examples=5, stateful_step_count=25)
    machine("runTest").runTest()
    assert next(names) >= 5


def test_process_that_dies_while_it_makes_the_tables_is_followed_by_another(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_schema_locked_by_another_is_waited_for_until_the_deadline(url: str, direct: sa.Engine) -> None:
    with direct.connect() as connection:
        connection.exec_driver_sql("SELECT GET_LOCK(CONCAT('luthier:', MD5(DATABASE())), 1)")
        with pytest.raises(StorageBusy, match="changing the schema"):
            SqlStore(url, timeout=0.2)
        connection.exec_driver_sql("DO RELEASE_ALL_LOCKS()")
    SqlStore(url).close()


def test_mysql_urls_open_the_same_store(store: SqlStore) -> None:
    new_study(store)
    again = SqlStore(store.url.replace("mariadb+pymysql://", "mysql://"))
    assert again.studies() == store.studies()
    again.close()
