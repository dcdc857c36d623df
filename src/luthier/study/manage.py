"""Studies of a storage as a whole: listed, copied, deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

from ..errors import StudyExists
from ..history import History
from ..space import Space
from ..stores import Store, StudyRecord, open_store
from ..stores.transfer import read_studies
from ..trial import TrialRecord
from ..types import Direction
from .arguments import checked_name
from .attributes import names_of, public


@dataclass(frozen=True)
class StudySummary:
    """Sums up one study of a storage; made by `studies`.

    >>> import luthier as lt
    >>> store = lt.stores.MemoryStore()
    >>> study = lt.create_study(storage=store, study_name="one", direction="maximize")
    >>> (summary,) = lt.studies(store)
    >>> summary.name, summary.directions, summary.trials, summary.best_value
    ('one', ('maximize',), 0, None)

    Attributes:
        name: unique in the storage.
        directions: "minimize" or "maximize" for each objective.
        objective_names: the names of the objectives; None if they have none.
        trials: how many trials there are.
        states: how many of them are in each state, by its name; states without a trial are left out.
        best_trial: the best complete, feasible trial of one objective; None for none, or for several objectives.
        user_attrs: what was attached to the study.
        created: seconds since the epoch, by the storage's clock.
    """

    name: str
    directions: tuple[Direction, ...]
    objective_names: tuple[str, ...] | None
    trials: int
    states: Mapping[str, int]
    best_trial: TrialRecord | None
    user_attrs: Mapping[str, Any]
    created: float

    @property
    def best_value(self) -> float | None:
        """The value of the best trial; None for none, or for several objectives."""
        return None if self.best_trial is None else self.best_trial.value


def studies(storage: str | PathLike[str] | Store) -> list[StudySummary]:
    """Return a summary of each study of a storage, oldest first. All trials are read.

    >>> import luthier as lt
    >>> store = lt.stores.MemoryStore()
    >>> study = lt.create_study(storage=store, study_name="one", sampler="random", seed=0)
    >>> study.optimize(lambda trial: trial.suggest_int("n", 3, 3), n_trials=2)
    >>> [(s.name, s.trials, s.best_value) for s in lt.studies(store)]
    [('one', 2, 3.0)]

    Args:
        storage: a path, a URL, or a store.

    Raises:
        StorageError: the storage does not exist, or cannot be used.
    """
    with _opened(storage) as store:
        return [_summary(record, trials) for record, trials in read_studies(store)]


def _summary(record: StudyRecord, trials: list[TrialRecord]) -> StudySummary:
    history = History(Space({}), record.directions)  # type: ignore[arg-type]
    history.put(trials)
    return StudySummary(
        record.name,
        record.directions,  # type: ignore[arg-type]
        names_of(record.attrs),
        len(trials),
        {state.name: n for state, n in history.counts().items() if n},
        history.best(),
        public(record.attrs),
        record.created,
    )


def delete_study(study_name: str, *, storage: str | PathLike[str] | Store) -> None:
    """Delete a study with its trials; what still runs it gets `StudyNotFound` from its next call.

    >>> import luthier as lt
    >>> store = lt.stores.MemoryStore()
    >>> study = lt.create_study(storage=store, study_name="one")
    >>> lt.delete_study("one", storage=store)
    >>> lt.studies(store)
    []

    Args:
        study_name: which.
        storage: a path, a URL, or a store.

    Raises:
        StudyNotFound: there is no study of that name.
        StorageError: the storage does not exist, or cannot be used.
    """
    name = _needed(study_name, "study_name")
    with _opened(storage) as store:
        store.delete_study(name)


def copy_study(
    from_study_name: str,
    *,
    from_storage: str | PathLike[str] | Store,
    to_storage: str | PathLike[str] | Store,
    to_study_name: str | None = None,
) -> None:
    """Copy a study with its trials, all of it or nothing; trials that run there wait in the copy.

    >>> import luthier as lt
    >>> here, there = lt.stores.MemoryStore(), lt.stores.MemoryStore()
    >>> study = lt.create_study(storage=here, study_name="one")
    >>> lt.copy_study("one", from_storage=here, to_storage=there, to_study_name="two")
    >>> [s.name for s in lt.studies(there)]
    ['two']

    Args:
        from_study_name: which.
        from_storage: where it is: a path, a URL, or a store.
        to_storage: where it goes; a file is made if it does not exist. It may be the same storage.
        to_study_name: the name of the copy; the same by default.

    Raises:
        StudyNotFound: there is no study of that name.
        StudyExists: the name of the copy is taken.
        StorageError: a storage cannot be used.
    """
    name, new_name = _needed(from_study_name, "from_study_name"), checked_name(to_study_name, "to_study_name")
    with _opened(from_storage) as source:
        ((record, trials),) = read_studies(source, name)
    copy = replace(record, name=new_name or name)
    with _opened(to_storage, must_exist=False) as target:
        try:
            target.load(copy, trials)
        except StudyExists as error:
            raise StudyExists(f"{error}: give the copy another to_study_name") from error


def _needed(name: Any, argument: str) -> str:
    found = checked_name(name, argument)
    if found is None:
        raise TypeError(f"{argument}=None is not a string: name the study")
    return found


@contextmanager
def _opened(storage: str | PathLike[str] | Store, must_exist: bool = True) -> Iterator[Store]:
    """The store of an argument, closed afterwards unless it is the user's own."""
    store = open_store(storage, must_exist=must_exist)
    try:
        yield store
    finally:
        if store is not storage:
            store.close()
