from __future__ import annotations

import pytest
from hypothesis import settings

from luthier.stores import MemoryStore, Store
from luthier.testing.stores import StoreContract, in_threads, new_study
from luthier.testing.stores.machine import store_machine


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


TestMemoryAgainstItself = store_machine(MemoryStore).TestCase  # the machine itself must hold up
TestMemoryAgainstItself.settings = settings(deadline=None, max_examples=20, stateful_step_count=20)


def test_poll_costs_what_changed() -> None:
    store = MemoryStore()
    name = new_study(store)
    for i in range(1000):
        store.ask(name, "me", str(i))
    revision, records = store.changes(name, 0)
    store.write(name, 7, records[7].token, reports=[(1, 0.5)])
    revision, changed = store.changes(name, revision)
    assert [record.number for record in changed] == [7]
    assert store.changes(name, revision) == (revision, [])


def test_threads_take_each_queued_trial_once() -> None:
    store = MemoryStore()
    name = new_study(store)
    for i in range(400):
        store.enqueue(name, {"x": i}, {}, str(i))
    taken = in_threads(8, lambda k: [store.ask(name, str(k), f"{k}-{i}").number for i in range(60)])
    assert sorted(number for numbers in taken for number in numbers) == list(range(480))
