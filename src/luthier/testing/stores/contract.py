"""The contracts, put together of their parts."""

from __future__ import annotations

from .asking import _Asking
from .exchanging import _Exchanging
from .loading import _Loading
from .owning import _Owning
from .reopening import _Reopening
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


class SharedStoreContract(StoreContract, _Reopening):
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
