from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings

from luthier.stores import Store
from luthier.stores.sql import SqlStore
from luthier.testing.store_machine import store_machine
from luthier.testing.stores import SharedStoreContract


@pytest.fixture
def server(postgres_server: Any) -> Any:
    return postgres_server


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    store = SqlStore(url)
    yield store
    store.close()


@pytest.fixture(scope="module")
def kept(postgres_server: Any) -> Iterator[str]:
    """The database of the contract's tests, each of which finds it without studies: a new one takes long."""
    name = postgres_server.new_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


class TestPostgres(SharedStoreContract):
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


def test_commits_are_durable_whatever_the_database_says(postgres_server: Any, url: str) -> None:
    postgres_server.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET synchronous_commit = off")
    store = SqlStore(url)
    shown = store._database.write(lambda connection: connection.execute(sa.text("SHOW synchronous_commit")).scalar())
    assert shown == "on"
    store.close()
