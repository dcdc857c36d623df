"""Each call of a store dies before, in and after its commit, and is made again.

    python boundaries.py TARGET URL

Ends with status 0 if each change is there once, whole or not at all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TypeAlias

from faults import DIED, VARIABLE, install_failpoint
from targets import TARGETS

from luthier.errors import ConflictingTell, StudyExists, StudyNotFound
from luthier.stores import Result, Store, StudyRecord, open_store
from luthier.trial import TrialRecord, TrialState

DONE, OTHER = (Result(TrialState.COMPLETE, (value,)) for value in (1.0, 2.0))

Call: TypeAlias = Callable[[Store, str], object]


def trials(store: Store, name: str) -> list[TrialRecord]:
    """All of a study."""
    return store.changes(name, 0)[1]


def first(store: Store, name: str) -> TrialRecord:
    """The trial that was asked for."""
    return trials(store, name)[0]


def token(store: Store, name: str) -> str:
    """Of the trial that was asked for."""
    return first(store, name).token


def names(store: Store) -> list[str]:
    """Of all studies."""
    return [study.name for study in store.studies()]


CALLS: dict[str, tuple[Call, Call]] = {
    "tell": (lambda s, n: s.tell(n, 0, token(s, n), DONE), lambda s, n: first(s, n).values == (1.0,)),
    "tell_and_ask": (
        lambda s, n: s.tell_and_ask(n, 0, token(s, n), DONE, "me", "the call", 60.0),
        lambda s, n: len(trials(s, n)) == 2 and first(s, n).values == (1.0,),
    ),
    "write": (
        lambda s, n: s.write(n, 0, token(s, n), reports=[(3, 0.5)], attrs={"a": 1}),
        lambda s, n: first(s, n).reports == ((3, 0.5),) and first(s, n).attrs == {"a": 1},
    ),
    "requeue": (
        lambda s, n: s.requeue(n, 0, token(s, n)),
        lambda s, n: (first(s, n).state, first(s, n).retries) == (TrialState.WAITING, 1),
    ),
    "fail": (lambda s, n: s.fail(n, 0, token(s, n), "died"), lambda s, n: first(s, n).error == "died"),
    "set_trial_attrs": (lambda s, n: s.set_trial_attrs(n, 0, {"b": 1}), lambda s, n: first(s, n).attrs == {"b": 1}),
    "enqueue": (lambda s, n: s.enqueue(n, {"x": 1}, {}, "the call"), lambda s, n: len(trials(s, n)) == 2),
    "ask": (lambda s, n: s.ask(n, "me", "the call", 60.0), lambda s, n: len(trials(s, n)) == 2),
    "set_study_attrs": (lambda s, n: s.set_study_attrs(n, {"c": 1}), lambda s, n: s.study(n).attrs == {"c": 1}),
    "add_parameters": (
        lambda s, n: s.add_parameters(n, {"x": {"low": 0}, "y": {"low": 1}}),
        lambda s, n: len(s.study(n).parameters) == 2,
    ),
    "load": (
        lambda s, n: s.load(StudyRecord(f"{n}-copy", ("minimize",), 0, parameters={"x": {}}), trials(s, n)),
        lambda s, n: (
            f"{n}-copy" in names(s) and len(trials(s, f"{n}-copy")) == len(s.study(f"{n}-copy").parameters) == 1
        ),
    ),
    "delete_study": (lambda s, n: s.delete_study(n), lambda s, n: n not in names(s)),
}
"""Calls on a study with one trial that runs, and whether they are to be seen, whole."""


def die_in(target: str, url: str, name: str, call: Call, when: str) -> None:
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
        for word, (call, is_done) in CALLS.items():
            name = f"{word}-{when}"
            with closing(open_store(url)) as store:
                store.create_study(StudyRecord(name, ("minimize",), 0))
                store.ask(name, "me", "first", 60.0)
                before = (names(store), trials(store, name), store.study(name))
            die_in(target, url, name, call, when)
            with closing(open_store(url)) as store:
                assert bool(is_done(store, name)) is (when == "after"), name
                if when != "after":
                    assert (names(store), trials(store, name), store.study(name)) == before, name
                with suppress(StudyExists, StudyNotFound):  # how load and delete_study say that they are done
                    call(store, name)
                assert is_done(store, name), name
                if word == "tell":
                    _no_other_result(store, name)


def _no_other_result(store: Store, name: str) -> None:
    try:
        store.tell(name, 0, trials(store, name)[0].token, OTHER)
    except ConflictingTell:
        return
    raise AssertionError(f"{name}: the trial took two results")


if __name__ == "__main__":
    run(*sys.argv[1:])
