"""Optuna's studies, read into Luthier."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import optuna
from optuna.storages.journal import JournalFileBackend

from ...engine.streams import fresh_seed
from ...errors import LuthierError, SpaceError, StorageError, StudyNotFound
from ...space import Choice, Domain, domain_to_json
from ...space.labels import label_key
from ...stores import Store, StudyRecord, open_store
from ...stores.transfer import StudyDump, add_studies
from ...study import Study, load_study
from .values import Constraints, directions_of, domain_of, params_of, queued_of, record_of

Source: TypeAlias = str | PathLike[str] | optuna.storages.BaseStorage | optuna.Study


def import_study(
    study: Source,
    study_name: str | None = None,
    *,
    storage: str | PathLike[str] | Store | None = None,
    name: str | None = None,
) -> Study:
    """Read an Optuna study with all its trials into a storage, and load it from there.

    >>> import optuna
    >>> from luthier.integrations.optuna import import_study
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> theirs = optuna.create_study(study_name="mine")
    >>> theirs.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    >>> study = import_study(theirs, storage="study.db")
    >>> study.name, len(study.trials), study.best_value == theirs.best_value
    ('mine', 3, True)

    Args:
        study: Optuna's study, its storage, the storage's URL, or the path of a file: SQLite's, or a journal.
        study_name: which of the storage's studies; may be left out if there is one only.
        storage: where to; as in `create_study`, memory by default.
        name: what to call it there; by default as it was called.

    Raises:
        StudyNotFound: there is no study of that name, or there are several and no name is given.
        StudyExists: the storage has a study of that name.
        StorageError: a storage cannot be used, or an attribute is not JSON.
        SpaceError: a parameter that Luthier cannot hold.
    """
    found = read_optuna(study, study_name)
    if len(found) != 1:
        names = ", ".join(repr(record.name) for record, _ in found) or "none"
        raise StudyNotFound(f"Optuna's storage has {len(found)} studies: {names}; name the one to import")
    record, trials = found[0]
    record = replace(record, name=name if name is not None else record.name)
    store = open_store(storage)
    add_studies(store, [(record, trials)])
    return load_study(record.name, storage=store)


def read_optuna(source: Source, study_name: str | None = None) -> list[StudyDump]:
    """Return the studies of an Optuna storage, or the one of that name; raises as `import_study`."""
    if isinstance(source, optuna.Study):
        return [_read(source)]
    if not isinstance(source, str | PathLike | optuna.storages.BaseStorage):
        raise StorageError(f"{source!r} is neither an Optuna study nor an Optuna storage, nor the URL or path of one")
    try:
        storage = optuna.storages.get_storage(_storage_at(source))
        names = [study.study_name for study in storage.get_all_studies()]
        if study_name is not None and study_name not in names:
            known = ", ".join(map(repr, names)) or "none"
            raise StudyNotFound(f"Optuna's storage has no study {study_name!r}: it has {known}")
        chosen = names if study_name is None else [study_name]
        try:
            return [_read(optuna.load_study(study_name=name, storage=storage)) for name in chosen]
        finally:
            storage.remove_session()
    except LuthierError:
        raise
    except Exception as error:
        raise StorageError(f"Optuna cannot read {source}: {error}") from error


def _storage_at(source: str | PathLike[str] | optuna.storages.BaseStorage) -> str | optuna.storages.BaseStorage:
    """What Optuna opens; a path as a URL of SQLite, or as a journal. StorageError where Optuna would make a file."""
    if isinstance(source, optuna.storages.BaseStorage):
        return source
    name = str(source)
    scheme, is_url, path = name.partition(":///")
    if is_url and scheme.startswith("sqlite") and path and not Path(path.partition("?")[0]).exists():
        raise StorageError(f"there is no Optuna storage at {path}: check the path")
    if "://" in name:
        return name
    if not Path(name).is_file():
        raise StorageError(f"there is no Optuna storage at {name}: check the path, or give a URL")
    with Path(name).open("rb") as file:
        if file.read(15) == b"SQLite format 3":
            return f"sqlite:///{name}"
    return optuna.storages.JournalStorage(JournalFileBackend(name))


def _read(study: optuna.Study) -> StudyDump:
    trials = study.get_trials(deepcopy=False)
    domains: dict[str, Domain] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            try:
                domains[name] = _latest(domains.get(name), domain_of(distribution))
            except SpaceError as error:
                raise SpaceError(
                    f"study {study.study_name!r}, trial {trial.number}, parameter {name!r}: {error}"
                ) from error
    latest = {name: distribution for trial in trials for name, distribution in trial.distributions.items()}
    created = min((trial.datetime_start.timestamp() for trial in trials if trial.datetime_start), default=0.0)
    constraints = Constraints()
    records = [
        record_of(
            trial, i, queued_of(trial, latest) | params_of(trial, trial.distributions), constraints.of(trial), created
        )
        for i, trial in enumerate(trials)
    ]
    record = StudyRecord(
        study.study_name,
        directions_of(study),
        fresh_seed(),
        parameters={name: domain_to_json(domain) for name, domain in domains.items()},
        attrs=dict(study.user_attrs),
        created=created,
    )
    return record, records


def _latest(known: Domain | None, new: Domain) -> Domain:
    """The latest range of a parameter; of a choice all that there ever were."""
    if known is not None and type(known) is not type(new):
        raise SpaceError(f"it was {type(known).__name__} before and is {type(new).__name__}: one name, two kinds")
    if isinstance(known, Choice) and isinstance(new, Choice):
        return Choice(list({label_key(label): label for label in (*known.labels, *new.labels)}.values()))
    return new
