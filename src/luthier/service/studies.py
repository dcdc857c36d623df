"""The studies that a service holds: one engine for each, so that all clients of a study share one sampler."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any

from ..engine.engine import Engine
from ..engine.streams import fresh_seed
from ..errors import LeaseLost, StudyExists, StudyNotFound
from ..samplers.catalogue import DEFAULT as DEFAULT_SAMPLER
from ..samplers.catalogue import SAMPLERS, make_sampler
from ..schedulers.catalogue import NAMES as PRUNER_NAMES
from ..schedulers.catalogue import NO_PRUNER, make_pruner
from ..space import Space
from ..stores import Store, StudyRecord
from ..study import Study
from ..study.arguments import checked_objective_names
from ..study.attributes import OBJECTIVE_NAMES
from ..study.create import check_same, create_in
from ..study.records import add_to
from ..trial import TrialRecord, TrialState
from ..trial.results import check_json
from .requests import SETTINGS, AddBody, CreateBody

_OWNER = "a client of the service"  # not this process: its trials go on while the service is started again


@dataclass(frozen=True)
class Served:
    """One study at work."""

    study: Study
    engine: Engine
    record: StudyRecord

    @property
    def settings(self) -> dict[str, str | None]:
        """The names of its sampler and its pruner."""
        return _settings(self.record)

    def hold(self, number: int, token: str, reports: tuple[tuple[int, float], ...] = ()) -> None:
        """Renew the lease of a trial, with reports if there are any. Raises as `Store.write`."""
        self.engine.record(number)
        self.engine.store.write(self.record.name, number, token, reports=reports, lease=self.engine.lease)

    def set_attrs(self, number: int, token: str | None, attrs: dict[str, Any]) -> None:
        """Attach JSON values to a trial; with a token, only if it is that of the trial's last attempt."""
        engine = self.engine
        engine.sync()
        record = engine.record(number)
        for key, value in attrs.items():
            check_json(key, value)
        if token is not None and record.state.is_finished:
            if record.token != token:
                raise LeaseLost(f"trial {number} was finished by another owner: discard its result")
        elif token is not None:
            engine.store.write(self.record.name, number, token, attrs=attrs, lease=engine.lease)
            return
        engine.session.set_trial_attrs(number, None, attrs)

    def add(self, body: AddBody) -> list[TrialRecord]:
        """Add trials from elsewhere. Raises as `Study.add_trials`."""
        given = [
            TrialRecord(
                i,
                TrialState[x.state],
                x.params,
                None if x.values is None else tuple(x.values),
                tuple(x.constraints),
                tuple((step, math.nan if value is None else float(value)) for step, value in x.reports),
                x.attrs,
                error=x.error,
                created=x.created,
                started=x.started,
                finished=x.finished,
            )
            for i, x in enumerate(body.trials)
        ]
        return add_to(self.engine, given, body.client)

    def should_prune(self, number: int, token: str) -> bool:
        """Return whether the pruner would stop the trial now; renews its lease."""
        self.hold(number, token)
        return self.engine.session.should_prune(number, token)


class Studies:
    """All studies of a store, opened when they are first asked for. Safe for threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._open: dict[str, Served] = {}
        self._lock = threading.Lock()

    def create(self, body: CreateBody) -> tuple[Served, bool]:
        """Return a new study, or that of the name if the body allows it; and whether it is new.

        The same `client` (an id of this call) makes it once, and is told each time that it is new.

        Raises:
            StudyExists: the name is taken.
            SpaceError: the space cannot be.
            ValueError: a pruner with several objectives.
        """
        directions = tuple(body.directions or ("minimize",))
        make_pruner(body.pruner, len(directions))
        space = None if body.space is None else Space.from_json(body.space.model_dump())
        settings = {"sampler": body.sampler or DEFAULT_SAMPLER, "pruner": _pruner_name(body.pruner)}
        open_count = body.load_if_exists and body.directions is None
        names = checked_objective_names(body.objective_names, None if open_count else len(directions))
        attrs: dict[str, Any] = {} if names is None else {OBJECTIVE_NAMES: list(names)}
        record = StudyRecord(
            name=body.name,
            directions=directions,
            seed=fresh_seed() if body.seed is None else body.seed,
            space=None if space is None else space.to_json(),
            attrs=attrs | {SETTINGS: settings | {"client": body.client}},
        )
        try:
            create_in(self.store, record)
        except StudyExists:
            served = self.get(body.name)
            if body.client is not None and _kept(served.record).get("client") == body.client:
                return served, True
            if not body.load_if_exists:
                raise StudyExists(
                    f"there is already a study {body.name!r}: choose another name, or set load_if_exists"
                ) from None
            _check_same(served, body, space)
            return served, False
        return self.get(body.name), True

    def get(self, name: str) -> Served:
        """Return the study of that name. Raises `StudyNotFound`."""
        try:
            record = self.store.study(name)
        except StudyNotFound as error:  # without the place of the storage
            raise StudyNotFound(f"there is no study {name!r}: create it, or list the existing ones") from error
        with self._lock:
            served = self._open.get(name)
            if served is None or (served.record.created, served.record.seed) != (record.created, record.seed):
                served = self._open[name] = self._start(record)
            return served

    def delete(self, name: str) -> None:
        """Remove a study with its trials. Raises `StudyNotFound`."""
        self.get(name)
        self.store.delete_study(name)
        with self._lock:
            self._open.pop(name, None)

    def _start(self, record: StudyRecord) -> Served:
        names = _settings(record)
        space = None if record.space is None else Space.from_json(record.space)
        sampler, pruner = make_sampler(names["sampler"]), make_pruner(names["pruner"])
        engine = Engine(self.store, record, sampler, pruner, space, owner=_OWNER)
        return Served(Study(engine, record), engine, record)


def _check_same(served: Served, body: CreateBody, space: Space | None) -> None:
    """Raise `StudyExists` unless an existing study has what a body gives; what it leaves out is as it is.

    All clients of a study share its sampler and its pruner, so another one cannot be had by creating it again.
    """
    record = served.record
    names = None if body.objective_names is None else tuple(body.objective_names)
    check_same(record, None if body.directions is None else tuple(body.directions), body.seed, names)
    if space is not None and served.engine.declared != space:
        raise StudyExists(f"study {record.name!r} has a different space: leave space out, or choose another name")
    wanted = {"sampler": body.sampler, "pruner": body.pruner and (_pruner_name(body.pruner) or NO_PRUNER)}
    for key, value in wanted.items():
        has = served.settings[key] or NO_PRUNER
        if value is not None and value != has:
            raise StudyExists(
                f"study {record.name!r} has the {key} {has!r}, not {value!r}: leave {key} out to go on with it, or "
                "choose another name"
            )


def _pruner_name(given: str | None) -> str | None:
    return None if given == NO_PRUNER else given


def _settings(record: StudyRecord) -> dict[str, str | None]:
    """The names that `create` kept; the defaults for a study that was made elsewhere."""
    kept = _kept(record)
    sampler, pruner = kept.get("sampler"), kept.get("pruner")
    return {
        "sampler": sampler if sampler in SAMPLERS else DEFAULT_SAMPLER,
        "pruner": pruner if pruner in PRUNER_NAMES and len(record.directions) == 1 else None,
    }


def _kept(record: StudyRecord) -> dict[str, Any]:
    kept = record.attrs.get(SETTINGS)
    return kept if isinstance(kept, dict) else {}
