"""The ways to a study: `create_study` and `load_study`."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from ..engine.engine import LEASE_SECONDS, Engine
from ..engine.streams import fresh_seed
from ..errors import SpaceError, StudyExists, StudyNotFound
from ..samplers.catalogue import make_sampler
from ..samplers.protocol import Sampler
from ..schedulers.catalogue import make_pruner
from ..schedulers.protocol import Scheduler
from ..space import Space
from ..stores import Store, StudyRecord, open_store
from ..types import Direction
from .arguments import (
    check_lease,
    checked_directions,
    checked_name,
    checked_objective_names,
    checked_seed,
    checked_space,
)
from .attributes import OBJECTIVE_NAMES, names_of
from .study import Study


def create_study(
    *,
    direction: Direction | enum.Enum | None = None,
    directions: Sequence[Direction | enum.Enum] | None = None,
    space: Space | Mapping[str, Any] | None = None,
    sampler: Sampler | str | None = None,
    pruner: Scheduler | str | None = None,
    storage: str | PathLike[str] | Store | None = None,
    study_name: str | None = None,
    load_if_exists: bool = False,
    seed: int | None = None,
    objective_names: Sequence[str] | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> Study:
    """Create a study.

    >>> import luthier as lt
    >>> study = lt.create_study(direction="maximize", storage="study.db", study_name="mine", seed=0)
    >>> study.optimize(lambda trial: 1 - trial.suggest_float("x", -1, 1) ** 2, n_trials=5)
    >>> study.best_trial.number in range(5)
    True

    Args:
        direction: "minimize" (default) or "maximize", for one objective.
        directions: one for each of several objectives.
        space: what is searched, as a `Space` or a dict of domains; None where the objective defines it
            with `trial.suggest_*`.
        sampler: what proposes parameters, by name ("auto", "gp", "tpe", "random", "qmc", "grid") or as an object,
            such as `TPESampler(gamma=0.2)`; "auto" by default.
        pruner: what stops poor trials early, by name ("median", "halving") or as an object; None by default: trials
            run to their end.
        storage: None keeps the study in memory; a path or "sqlite:///PATH" in an SQLite file.
        study_name: unique in the storage, up to 200 characters; made up if not given.
        load_if_exists: continue the study of that name if it exists.
        seed: the same seed gives the same study; a fresh one by default.
        objective_names: one for each objective, such as ["error", "latency"]; shown in the columns of
            `trials_dataframe`.
        lease_seconds: a process that does not renew its hold of a trial for this long loses it to the next that asks.
            A thread renews every third of it, so only dead and paused processes, and dead machines, do. Two minutes
            by default: longer than any busy database or native code that holds the interpreter; shorter only makes
            the trial of a dead machine start again sooner. A study in memory needs none.

    Raises:
        StudyExists: the name is taken and load_if_exists is False; or it is True, and `seed`, the directions or
            the objective_names are given and differ from those of the existing study.
        StorageError: the storage cannot be used.
        TypeError, ValueError: an argument of the wrong kind or out of range, such as `TPESampler` without
            parentheses, both direction and directions, or a pruner with several objectives.
        SpaceError: load_if_exists, and the existing study has another space.
    """
    chosen = checked_directions(direction, directions)
    seed, name, declared = checked_seed(seed), checked_name(study_name), checked_space(space)
    given = direction is not None or directions is not None
    names = checked_objective_names(objective_names, None if load_if_exists and not given else len(chosen))
    proposes, prunes = make_sampler(sampler), make_pruner(pruner, len(chosen))
    check_lease(lease_seconds)
    store = open_store(storage)
    record = StudyRecord(
        name=name if name is not None else f"study-{fresh_seed():016x}",
        directions=chosen,
        seed=fresh_seed() if seed is None else seed,
        space=None if declared is None else declared.to_json(),
        attrs={} if names is None else {OBJECTIVE_NAMES: list(names)},
    )
    try:
        create_in(store, record)
    except StudyExists as error:
        if not load_if_exists:
            raise StudyExists(
                f"{error}: choose another study_name, or pass load_if_exists=True to go on with that study"
            ) from error
        record = store.study(record.name)
        check_same(record, chosen if given else None, seed, names)
        prunes = make_pruner(pruner, len(record.directions))
    return _study(store, record, declared, proposes, prunes, lease_seconds)


def create_in(store: Store, record: StudyRecord) -> None:
    """Create a study in a store.

    Raises:
        StudyExists: the name is taken.
        ValueError: its objective names are not as many as its objectives, and no study has that name.
    """
    names = names_of(record.attrs)
    if names is not None and len(names) != len(record.directions):  # of an existing study of more objectives, perhaps
        if any(study.name == record.name for study in store.studies()):
            raise StudyExists(f"there is already a study {record.name!r}")
        checked_objective_names(names, len(record.directions))
    store.create_study(record)


def check_same(
    record: StudyRecord,
    directions: tuple[Direction, ...] | None,
    seed: int | None,
    names: tuple[str, ...] | None,
) -> None:
    """Raise `StudyExists` unless an existing study has what was given for it; None was not given."""
    if directions is not None and directions != record.directions:
        raise StudyExists(
            f"study {record.name!r} has the directions {list(record.directions)}, not {list(directions)}: leave them "
            "out to go on with it, or choose another study_name"
        )
    if seed is not None and seed != record.seed:
        raise StudyExists(
            f"study {record.name!r} was made with seed={record.seed}, not {seed}: leave seed out to go on with it, or "
            "choose another study_name"
        )
    has = names_of(record.attrs)
    if names is not None and names != has:
        raise StudyExists(
            f"study {record.name!r} has {'no objective_names' if has is None else f'the objective_names {list(has)}'}, "
            f"not {list(names)}: leave them out to go on with it, or choose another study_name"
        )


def load_study(
    study_name: str | None = None,
    *,
    storage: str | PathLike[str] | Store,
    space: Space | Mapping[str, Any] | None = None,
    sampler: Sampler | str | None = None,
    pruner: Scheduler | str | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> Study:
    """Load a study from a storage.

    >>> import luthier as lt
    >>> study = lt.create_study(storage="study.db", study_name="mine", seed=0)
    >>> study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=2)
    >>> again = lt.load_study("mine", storage="study.db")
    >>> again.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, total_trials=5)
    >>> len(again.trials)
    5

    Args:
        study_name: which; may be left out if the storage has one study only.
        storage: a path, "sqlite:///PATH", or a store.
        space: the declared space again, if its choices are objects (a storage holds their labels alone).
        sampler: as in `create_study`; a storage does not remember it.
        pruner: as in `create_study`; a storage does not remember it.
        lease_seconds: as in `create_study`, for the trials that this process asks for.

    Raises:
        StudyNotFound: there is no study of that name, or there are several and no name is given.
        StorageError: the storage cannot be used.
        TypeError, ValueError: an argument of the wrong kind or out of range; a pruner for several objectives.
        SpaceError: `space` is not that of the study.
    """
    study_name, declared = checked_name(study_name), checked_space(space)
    proposes = make_sampler(sampler)
    make_pruner(pruner)  # a wrong one is refused before the storage is opened
    check_lease(lease_seconds)
    store = open_store(storage, must_exist=True)
    if study_name is None:
        names = [study.name for study in store.studies()]
        if len(names) != 1:
            known = ", ".join(map(repr, names)) or "none"
            raise StudyNotFound(f"the storage has {len(names)} studies: {known}; name the one to load")
        study_name = names[0]
    record = store.study(study_name)
    prunes = make_pruner(pruner, len(record.directions))
    return _study(store, record, declared, proposes, prunes, lease_seconds)


def _study(
    store: Store,
    record: StudyRecord,
    declared: Space | None,
    sampler: Sampler,
    pruner: Scheduler | None,
    lease: float,
) -> Study:
    if record.space is not None:
        stored = Space.from_json(record.space)
        if declared is not None and declared != stored:
            from_here, there = set(declared.names), set(stored.names)
            changed = sorted(from_here ^ there) or [
                name for name in stored.names if stored.parameters[name] != declared.parameters[name]
            ]
            _raise_space_differs(record.name, changed)
        declared = declared or stored
    elif declared is not None:
        _raise_space_differs(record.name, list(declared.names))
    engine = Engine(store, record, sampler, pruner, declared, lease)
    return Study(engine, record)


def _raise_space_differs(name: str, parameters: Sequence[str]) -> None:
    """Raise the error of a study that was created with a different space."""
    where = ", ".join(map(repr, parameters)) or "require"
    raise SpaceError(f"study {name!r} was created with a different space (see {where}): use another study_name")
