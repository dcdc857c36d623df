"""The contracts, put together of their parts."""

from __future__ import annotations

from .asking import _Asking
from .exchanging import _Exchanging
from .loading import _Loading
from .owning import _Owning
from .reopening import _Keeping, _Reopening
from .studies import _Studies
from .writing import _Writing


class StoreContract(_Studies, _Asking, _Writing, _Exchanging, _Owning, _Loading):
    """Tests what every store promises; the subclass has a fixture `store` of an empty one.

    >>> import pytest
    >>> from luthier.stores import MemoryStore
    >>> from luthier.testing.stores import StoreContract
    >>> class TestMine(StoreContract):
    ...     @pytest.fixture
    ...     def store(self):
    ...         return MemoryStore()
    """


class KeptStoreContract(StoreContract, _Keeping):
    """Tests what a store promises that keeps studies for a later process; the subclass has `store` and `reopen`.

    >>> import pytest
    >>> from luthier.stores.journal import JournalStore
    >>> from luthier.testing.stores import KeptStoreContract
    >>> class TestMine(KeptStoreContract):
    ...     @pytest.fixture
    ...     def store(self, tmp_path):
    ...         return JournalStore(tmp_path / "study.journal")
    ...     def reopen(self, store):
    ...         return JournalStore(store.url)
    """


class SharedStoreContract(KeptStoreContract, _Reopening):
    """Tests what a store that can be opened more than once promises; the subclass has `store` and `reopen`.

    >>> import pytest
    >>> from luthier.stores.sql import SqlStore
    >>> from luthier.testing.stores import SharedStoreContract
    >>> class TestMine(SharedStoreContract):
    ...     @pytest.fixture
    ...     def store(self, tmp_path):
    ...         return SqlStore(tmp_path / "study.db")
    ...     def reopen(self, store):
    ...         return SqlStore(store.url)
    """
