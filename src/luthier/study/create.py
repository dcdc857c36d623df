"""The ways to a study: `create_study` and `load_study`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from ..engine import LEASE_SECONDS, Engine
from ..errors import SpaceError, StudyExists, StudyNotFound
from ..samplers import AutoSampler, Sampler
from ..schedulers import Scheduler
from ..space import Space
from ..stores import Store, StudyRecord, open_store
from ..streams import fresh_seed
from ..types import Direction
from .study import Study


def create_study(
    *,
    direction: Direction | None = None,
    directions: Sequence[Direction] | None = None,
    space: Space | Mapping[str, Any] | None = None,
    sampler: Sampler | None = None,
    pruner: Scheduler | None = None,
    storage: str | PathLike[str] | Store | None = None,
    study_name: str | None = None,
    load_if_exists: bool = False,
    seed: int | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> Study:
    """A new study.

    Args:
        direction: "minimize" (default) or "maximize", for one objective.
        directions: one for each of several objectives.
        space: what is searched, as a `Space` or a dict of domains; None where the objective defines it
            with `trial.suggest_*`.
        sampler: what proposes parameters; `AutoSampler()` by default.
        pruner: what stops poor trials early; None by default: trials run to their end.
        storage: None keeps the study in memory; a path or "sqlite:///PATH" in an SQLite file.
        study_name: unique in the storage; made up if not given.
        load_if_exists: go on with the study of that name if there is one.
        seed: the same seed gives the same study; a fresh one by default.
        lease_seconds: a process that does not renew its hold of a trial for so long loses it to whoever asks next.
            A thread renews every third of it, so only dead and paused processes, and dead machines, do. Two minutes
            by default: longer than any busy database or native code that holds the interpreter; shorter only makes
            the trial of a dead machine start again sooner. A study in memory needs none.

    Raises:
        StudyExists: the name is taken and load_if_exists is False.
        StorageError: the storage cannot be used.
        ValueError: both direction and directions, one that is neither "minimize" nor "maximize", a
            pruner with several objectives, or lease_seconds that are not positive.
        SpaceError: load_if_exists, and the study there has another space.
    """
    if direction is not None and directions is not None:
        raise ValueError("give direction (one objective) or directions (several), not both")
    chosen = tuple(directions) if directions is not None else (direction or "minimize",)
    if not chosen or any(d not in ("minimize", "maximize") for d in chosen):
        raise ValueError(f"directions are {list(chosen)}: each must be 'minimize' or 'maximize', and at least one")
    if pruner is not None and len(chosen) > 1:
        raise ValueError("a pruner needs one objective: leave pruner out, or optimize one objective")
    declared = Space(space) if isinstance(space, Mapping) else space
    store = open_store(storage)
    record = StudyRecord(
        name=study_name if study_name is not None else f"study-{fresh_seed():016x}",
        directions=chosen,
        seed=fresh_seed() if seed is None else int(seed),
        space=None if declared is None else declared.to_json(),
    )
    try:
        store.create_study(record)
    except StudyExists as error:
        if not load_if_exists:
            raise StudyExists(
                f"{error}: choose another study_name, or pass load_if_exists=True to go on with that study"
            ) from error
        record = store.study(record.name)
        if record.directions != chosen and (direction is not None or directions is not None):
            raise StudyExists(
                f"study {record.name!r} has the directions {list(record.directions)}, not {list(chosen)}"
            ) from error
    return _study(store, record, declared, sampler, pruner, lease_seconds)


def load_study(
    study_name: str | None = None,
    *,
    storage: str | PathLike[str] | Store,
    space: Space | Mapping[str, Any] | None = None,
    sampler: Sampler | None = None,
    pruner: Scheduler | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> Study:
    """A study from a storage.

    Args:
        study_name: which; may be left out if the storage has one study only.
        storage: a path, "sqlite:///PATH", or a store.
        space: the declared space again, if its choices are objects (a storage holds their labels alone).
        sampler: as in `create_study`; a storage does not remember it.
        pruner: as in `create_study`; a storage does not remember it.
        lease_seconds: as in `create_study`, for the trials that this process asks for.

    Raises:
        StudyNotFound: there is none of that name, or several and none is named.
        StorageError: the storage cannot be used.
        SpaceError: `space` is not that of the study.
    """
    store = open_store(storage, must_exist=True)
    if study_name is None:
        names = [study.name for study in store.studies()]
        if len(names) != 1:
            known = ", ".join(map(repr, names)) or "none"
            raise StudyNotFound(f"the storage has {len(names)} studies: {known}; name the one to load")
        study_name = names[0]
    declared = Space(space) if isinstance(space, Mapping) else space
    return _study(store, store.study(study_name), declared, sampler, pruner, lease_seconds)


def _study(
    store: Store,
    record: StudyRecord,
    declared: Space | None,
    sampler: Sampler | None,
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
    engine = Engine(store, record, sampler or AutoSampler(), pruner, declared, lease)
    return Study(engine, record)


def _raise_space_differs(name: str, parameters: Sequence[str]) -> None:
    """Say that a study was made with another space."""
    where = ", ".join(map(repr, parameters)) or "require"
    raise SpaceError(f"study {name!r} was made with another space (see {where}): use another study_name")
