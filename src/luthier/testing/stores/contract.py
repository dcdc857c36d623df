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
    """What every store promises; the subclass has a fixture `store` of an empty one."""


class SharedStoreContract(StoreContract, _Reopening):
    """What a store that can be opened more than once promises; the subclass has `store` and `reopen`."""
