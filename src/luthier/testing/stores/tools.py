"""What the tests of stores share, and tests of your own may use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from ...stores import Result, Store, StudyRecord
from ...trial import TrialRecord, TrialState

T = TypeVar("T")

WAITING, RUNNING, COMPLETE, PRUNED, FAIL = TrialState
HOUR = 3600.0
DONE = Result(COMPLETE, (1.0,))


def new_study(store: Store, name: str = "study", directions: tuple[str, ...] = ("minimize",)) -> str:
    """Make a study and return its name.

    >>> from luthier.stores import MemoryStore
    >>> from luthier.testing.stores import new_study
    >>> store = MemoryStore()
    >>> new_study(store, directions=("maximize",)), len(store.studies())
    ('study', 1)
    """
    store.create_study(StudyRecord(name, directions, seed=0))
    return name


def trials(store: Store, name: str) -> list[TrialRecord]:
    """Return all trials of a study.

    >>> from luthier.stores import MemoryStore
    >>> from luthier.testing.stores import new_study, trials
    >>> store = MemoryStore()
    >>> trial = store.ask(new_study(store), "me", "call-1")
    >>> trials(store, "study") == [trial]
    True
    """
    return store.changes(name, 0)[1]


def in_threads(n: int, work: Callable[[int], T]) -> list[T]:
    """Return what `work(i)` returns in each of n threads that start together; the first error of any is raised.

    >>> from luthier.testing.stores import in_threads
    >>> in_threads(3, lambda i: i * i)
    [0, 1, 4]
    """
    results: dict[int, T] = {}
    errors: list[BaseException] = []
    start = threading.Barrier(n)

    def run(i: int) -> None:
        start.wait()
        try:
            results[i] = work(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [results[i] for i in range(n)]
