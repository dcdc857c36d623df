"""Each call of a store dies before, in and after its commit, and is made again.

    python boundaries.py TARGET URL

Ends with status 0 if each change is there once, whole or not at all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import closing

from faults import DIED, VARIABLE, install_failpoint
from targets import TARGETS

from luthier.errors import ConflictingTell
from luthier.stores import Result, Store, StudyRecord, open_store
from luthier.trial import TrialRecord, TrialState

DONE, OTHER = (Result(TrialState.COMPLETE, (value,)) for value in (1.0, 2.0))


def trials(store: Store, name: str) -> list[TrialRecord]:
    """All of a study."""
    return store.changes(name, 0)[1]


def tell(store: Store, name: str) -> None:
    """Finish the trial that was asked for."""
    assert store.tell(name, 0, trials(store, name)[0].token, DONE).values == (1.0,)


def write(store: Store, name: str) -> None:
    """Report."""
    store.write(name, 0, trials(store, name)[0].token, reports=[(3, 0.5)])


def requeue(store: Store, name: str) -> None:
    """Take the trial away."""
    store.requeue(name, 0, trials(store, name)[0].token)


def enqueue(store: Store, name: str) -> None:
    """Queue another one."""
    store.enqueue(name, {"x": 1}, {}, "the call")


def ask(store: Store, name: str) -> None:
    """Take the next one."""
    store.ask(name, "me", "the call", 60.0)


CALLS: dict[str, tuple[Callable[[Store, str], None], Callable[[TrialRecord], bool]]] = {
    "tell": (tell, lambda first: first.state is TrialState.COMPLETE),
    "write": (write, lambda first: first.reports == ((3, 0.5),)),
    "requeue": (requeue, lambda first: (first.state, first.retries) == (TrialState.WAITING, 1)),
}
"""Calls on trial 0, and how it shows that they were committed."""
ADDING: dict[str, Callable[[Store, str], None]] = {"enqueue": enqueue, "ask": ask}
"""Calls that add trial 1."""


def die_in(target: str, url: str, name: str, call: Callable[[Store, str], None], when: str) -> None:
    """Make a call in a process of its own that ends at its commit."""
    if (pid := os.fork()) == 0:
        os.environ[VARIABLE] = f"{when}:1"
        store = open_store(url)
        install_failpoint(TARGETS[target].write)
        call(store, name)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == DIED, (name, status)


def run(target: str, url: str) -> None:
    """All calls, wherever they can end."""
    for when in TARGETS[target].failpoints:
        for word, call in {**{word: call for word, (call, _) in CALLS.items()}, **ADDING}.items():
            name = f"{word}-{when}"
            with closing(open_store(url)) as store:
                store.create_study(StudyRecord(name, ("minimize",), 0))
                store.ask(name, "me", "first", 60.0)
            die_in(target, url, name, call, when)
            with closing(open_store(url)) as store:
                _look(store, name, word, committed=when == "after")
                call(store, name)
                _look(store, name, word, committed=True)
                if word == "tell":
                    _no_other_result(store, name)


def _look(store: Store, name: str, word: str, *, committed: bool) -> None:
    found = trials(store, name)
    if word in ADDING:
        assert len(found) == 1 + committed, (name, found)
    else:
        assert len(found) == 1, (name, found)
        assert CALLS[word][1](found[0]) is committed, (name, found)


def _no_other_result(store: Store, name: str) -> None:
    try:
        store.tell(name, 0, trials(store, name)[0].token, OTHER)
    except ConflictingTell:
        return
    raise AssertionError(f"{name}: the trial took two results")


if __name__ == "__main__":
    run(*sys.argv[1:])
