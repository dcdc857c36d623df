"""RemoteStudy: a study of a service, with the face of `Study`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from ..errors import SpaceError, TrialNotRunning
from ..history import History
from ..space import Domain, Space, domain_from_json
from ..space.growing import GrowingSpace, stored_without_space
from ..space.partial import without_inactive
from ..study.active import ActiveStudy
from ..study.arguments import checked_values_by_name
from ..study.attributes import names_of, public
from ..study.records import checked_trials
from ..trial import Trial, TrialRecord, TrialState
from ..trial.results import check_json
from ..types import Configuration, Direction
from .backend import RemoteBackend
from .session import Calls, added_json, fresh_id, in_parts, record_of


class RemoteStudy(ActiveStudy):
    """A study of a service. Made by `connect` and `create_study`; safe for threads.

    A thread renews the leases of the trials that were asked for here until they are told. `tell`, `enqueue_trial` and
    `optimize` are those of `Study`; trials of `optimize` run here: start it on several machines for more at once.

    Args:
        calls: the service.
        name: of the study.
        space: the declared space again, if its choices are objects (a service stores only their labels).

    Raises:
        StudyNotFound: the service has none of that name.
        SpaceError: `space` is not that of the study.
    """

    _backend: RemoteBackend

    def __init__(self, calls: Calls, name: str, space: Space | None = None) -> None:
        self._calls = calls
        self._name = name
        found = calls.call("GET", "/v1/study", study=name)
        self._directions: tuple[Direction, ...] = tuple(found["directions"])
        self._objective_names = names_of(found["attrs"])
        self.seed: int = found["seed"]
        self.sampler: str = found["sampler"]
        self.pruner: str | None = found["pruner"]
        self._space = None if found["space"] is None else Space.from_json(found["space"])
        if space is not None:
            if space != self._space:
                raise SpaceError(
                    f"study {name!r} was created with a different space: leave space out, or use another study"
                )
            self._space = space
        super().__init__(RemoteBackend(calls, name, self._space, len(self._directions), found["lease"]))
        self._call = self._backend.call

    def __repr__(self) -> str:
        return f"RemoteStudy({self._calls.url!r}, {self.name!r})"

    # -- what it is

    @property
    def name(self) -> str:
        """Its name in the service."""
        return self._name

    @property
    def directions(self) -> tuple[Direction, ...]:
        """ "minimize" or "maximize" for each objective."""
        return self._directions

    @property
    def objective_names(self) -> tuple[str, ...] | None:
        """The names of the objectives; None if they have none."""
        return self._objective_names

    @property
    def url(self) -> str:
        """Where the service is."""
        return self._calls.url

    @property
    def space(self) -> Space:
        """The search space: as declared, or the parameters that the objective has asked for so far."""
        return self._declared if self._declared is not None else self._shown_space(self.trials)

    @property
    def user_attrs(self) -> dict[str, Any]:
        """What was attached by `set_user_attr`."""
        return public(self._call("GET", "/v1/study")["attrs"])

    def set_user_attr(self, key: str, value: Any) -> None:
        """Attach a JSON value to the study. Raises `ObjectiveError` if it is not JSON."""
        check_json(key, value)
        self._call("POST", "/v1/study/attrs", {"attrs": {key: value}})

    @property
    def _declared(self) -> Space | None:
        return self._space

    # -- what is known

    @property
    def trials(self) -> list[TrialRecord]:
        """All trials, by number; each look reads them all from the service."""
        found: list[TrialRecord] = []
        start: int | None = 0
        while start is not None:
            page = self._call("GET", "/v1/trials", start=start, limit=1000)
            found += map(record_of, page["trials"])
            start = page["next"]
        return found

    @property
    def history(self) -> History:
        """All trials in columns, as they are now."""
        trials = self.trials
        history = History(self._declared or self._shown_space(trials), self.directions)
        history.put(trials)
        return history

    @property
    def best_trials(self) -> list[TrialRecord]:
        """The Pareto front, or the one best trial; empty before the first result."""
        return [record_of(data) for data in self._call("GET", "/v1/best")]

    @property
    def best_trial(self) -> TrialRecord:
        """The best trial. Raises ValueError: there is no complete trial yet, or the study has several objectives."""
        self._one_objective("best_trials")
        return self._found(self._backend.best())

    def _shown_space(self, trials: Iterable[TrialRecord]) -> Space:
        growing = GrowingSpace(self._known_domains())
        growing.learn([t.params for t in trials if t.state is TrialState.COMPLETE])
        return growing.space

    def _known_domains(self) -> dict[str, Domain]:
        known = self._call("GET", "/v1/study")["parameters"]
        return {name: domain_from_json(data) for name, data in known.items()}

    # -- trials

    def ask(self, fixed: Mapping[str, Any] | None = None, *, client: str | None = None) -> Trial:
        """Start a trial and own it until it is told, for as long as this process lives.

        Args:
            fixed: values that this trial shall have; the others are suggested.
            client: a unique id of this call; the same id gets the same trial again. A fresh one by default, which
                also finds the trial whose reply was lost.

        Raises:
            SpaceError: fixed values that the space does not have.
        """
        given = {} if fixed is None else checked_values_by_name("fixed", fixed)
        return self._backend.ask(given, client)

    def _trial_here(self, number: int) -> Trial:
        trial = self._backend.trial(number)
        if trial is None:
            raise TrialNotRunning(
                f"trial {number} is not running here: pass the trial that `ask` returned, or its token"
            )
        return trial

    def _told_params(self, params: Mapping[str, Any]) -> Configuration:
        return dict(params)  # the service checks them

    def _enqueue(self, params: Mapping[str, Any], attrs: Mapping[str, Any]) -> None:
        body = {"client": fresh_id(), "params": self._stored(params), "attrs": dict(attrs)}
        self._call("POST", "/v1/enqueue", body)

    def add_trials(self, trials: Iterable[TrialRecord]) -> None:
        """Add finished and waiting trials from elsewhere, as `Study.add_trials`, as many in one call as it can hold.

        All are checked before the first is sent. Those of a call are added together, or none of them.

        Raises:
            TypeError, SpaceError, ObjectiveError: as `Study.add_trials`.
            StorageError: a trial is too large to be sent.
        """
        declared = self._declared
        if declared is None:
            known = self._known_domains()
            records = checked_trials(trials, None, known, partial(stored_without_space, known=known))
        else:
            records = checked_trials(trials, declared, {}, self._stored)
        for part in in_parts(map(added_json, records)):
            self._call("POST", "/v1/add", {"client": fresh_id(), "trials": part})

    def _stored(self, params: Mapping[str, Any]) -> Configuration:
        if self._declared is None:  # the service checks them beside what it knows
            return dict(params)
        return without_inactive(self._declared, self._declared.check_partial(params))

    def close(self) -> None:
        """Stop renewing leases, and close the connections."""
        self._backend.close()
        self._calls.close()
