"""Optuna as a user would have it, except for the sampler: the storage is measured."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import optuna
import sqlalchemy as sa
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from .peers import NAMES, STUDY, Peer, finished_trials

_DRIVERS = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}


def peer() -> Peer:
    """With its defaults."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return Peer(_study, _fill, lambda study: study.get_trials(deepcopy=False), _close)


def _study(url: str | None) -> optuna.Study:
    return optuna.create_study(
        study_name=STUDY,
        storage=None if url is None else _storage(url),
        sampler=optuna.samplers.RandomSampler(),
        load_if_exists=True,
    )


def _close(study: optuna.Study) -> None:
    study._storage.remove_session()
    backend = getattr(study._storage, "_backend", None)
    if isinstance(backend, RDBStorage):
        backend.engine.dispose()


def _storage(url: str) -> BaseStorage:
    if url.startswith("journal:///"):
        return JournalStorage(JournalFileBackend(url.removeprefix("journal:///")))
    if url.startswith("sqlite:///"):  # by default six processes give up on each other's locks after 5 s
        return RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60.0}})
    made = sa.make_url(url)
    return RDBStorage(made.set(drivername=_DRIVERS[made.drivername]).render_as_string(hide_password=False))


def _fill(url: str, trials: int) -> None:
    """By SQL in one transaction: its own `add_trials` commits every trial. The first is added by it, as the pattern."""
    study = _study(url)
    every = enumerate(finished_trials(trials), start=1)
    _, (params, value) = next(every)
    distributions = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in NAMES}
    study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))
    _close(study)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60.0)) as connection, connection:
        (distribution,) = connection.execute("SELECT distribution_json FROM trial_params LIMIT 1").fetchone()
        for trial, (params, value) in every:
            connection.execute(
                "INSERT INTO trials SELECT ?, ?, study_id, state, datetime_start, datetime_complete FROM trials "
                "WHERE trial_id = 1",
                (trial, trial - 1),
            )
            connection.execute("INSERT INTO trial_values VALUES (?, ?, 0, ?, 'FINITE')", (trial, trial, value))
            connection.executemany(
                "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)",
                [(trial, name, x, distribution) for name, x in params.items()],
            )
