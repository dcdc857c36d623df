"""BLAS at one thread: the matrices here are so small that handing work to others costs more than doing it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """A context in which the BLAS libraries of this process use one thread."""
    limit: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api="blas")
    return limit


@cache
def _libraries() -> Any:
    """The BLAS libraries of the process: finding them costs milliseconds, limiting them microseconds."""
    import scipy.linalg  # noqa: F401  (has a BLAS of its own, which must be loaded to be found)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
