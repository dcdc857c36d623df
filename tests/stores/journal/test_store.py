from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from luthier.stores import Store
from luthier.stores.journal import JournalStore, state
from luthier.testing.stores import SharedStoreContract
from luthier.testing.stores.machine import store_machine
from luthier.trial import TrialRecord, TrialState


class TestJournalStore(SharedStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        store = JournalStore(tmp_path / "study.journal")
        yield store
        store.close()

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, JournalStore)
        return JournalStore(store.url)


class _Temporary(JournalStore):
    """A store whose folder goes when it is closed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        super().__init__(Path(self._folder.name) / "study.journal")

    def close(self) -> None:
        super().close()
        self._folder.cleanup()


TestJournalStoreAgainstMemory = store_machine(_Temporary).TestCase
TestJournalStoreAgainstMemory.settings = settings(deadline=None, max_examples=10, stateful_step_count=25)


class _Compacted(_Temporary):
    """A store that is written anew before every poll, and read by a handle of its own."""

    def changes(self, name: str, since: int) -> tuple[int, list]:  # type: ignore[type-arg]
        self.compact()
        other = JournalStore(self.url)
        try:
            found = other.changes(name, since)
        finally:
            other.close()
        assert repr(super().changes(name, since)) == repr(found)  # repr: NaN is NaN
        return found


TestCompactedJournalAgainstMemory = store_machine(_Compacted).TestCase
TestCompactedJournalAgainstMemory.settings = settings(deadline=None, max_examples=5, stateful_step_count=25)


def test_a_journal_whose_records_have_notes_is_read() -> None:
    """Versions before this one kept a note, which stood between attributes and error."""
    record = TrialRecord(
        3, TrialState.FAIL, {"x": 0.5}, None, (1.0,), ((0, 2.0),), {"a": 1}, "why", 1.0, 2.0, 3.0, "me", "token", 2
    )
    line = state._trial_to_json(record)
    assert line[7] == {} and line[8] == "why"
    line[7] = {"n": [1]}
    assert state._trial_from_json(line) == record
