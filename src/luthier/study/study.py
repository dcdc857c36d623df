"""Study: what one can do with a study in this process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..engine.engine import Engine
from ..history import History
from ..samplers import Sampler
from ..schedulers import Scheduler
from ..space import Space
from ..stores import Store, StudyRecord
from ..trial import Trial, TrialRecord
from ..trial.results import check_json
from ..types import Configuration, Direction
from .active import ActiveStudy
from .arguments import checked_values_by_name
from .attributes import check_not_ours, names_of, public
from .records import add_to, told_params


class Study(ActiveStudy):
    """Searches for the best parameters. Made by `create_study` and `load_study`; safe for threads.

    >>> import luthier as lt
    >>> study = lt.create_study(space={"x": lt.Float(-1, 1)}, seed=0)
    >>> study.optimize(lambda trial: trial.params["x"] ** 2, n_trials=5)
    >>> trial = study.ask()
    >>> record = study.tell(trial, trial.params["x"] ** 2)
    >>> len(study.trials), study.best_value == min(trial.values[0] for trial in study.trials)
    (6, True)
    """

    def __init__(self, engine: Engine, record: StudyRecord) -> None:
        super().__init__(engine)
        self._engine = engine
        self._record = record

    def __repr__(self) -> str:
        names = self.objective_names
        goal = ", ".join(f"{d} {x}" for d, x in zip(self.directions, names, strict=True)) if names else self.directions
        shown = goal if isinstance(goal, str) else ", ".join(goal)
        return f"Study({self.name!r}, {shown}, {len(self._engine.history)} trials)"

    # -- what it is

    @property
    def name(self) -> str:
        """Its name in the storage."""
        return self._record.name

    @property
    def directions(self) -> tuple[Direction, ...]:
        """ "minimize" or "maximize" for each objective."""
        return self._engine.history.directions

    @property
    def objective_names(self) -> tuple[str, ...] | None:
        """The names of the objectives, as given to `create_study`; None if they have none."""
        return names_of(self._record.attrs)

    @property
    def seed(self) -> int:
        """What all its randomness comes from."""
        return self._record.seed

    @property
    def _declared(self) -> Space | None:
        return self._engine.declared

    @property
    def space(self) -> Space:
        """The search space: as declared, or the parameters that the objective has asked for so far."""
        return self._engine.space

    @property
    def sampler(self) -> Sampler:
        """What proposes parameters."""
        return self._engine.sampler

    @property
    def pruner(self) -> Scheduler | None:
        """What stops poor trials early; None for nothing."""
        return self._engine.scheduler

    @property
    def storage(self) -> Store:
        """Where it lives."""
        return self._engine.store

    @property
    def user_attrs(self) -> dict[str, Any]:
        """What was attached by `set_user_attr`."""
        return public(self._engine.store.study(self.name).attrs)

    def set_user_attr(self, key: str, value: Any) -> None:
        """Attach a JSON value to the study. Raises `ObjectiveError` if it is not JSON."""
        check_json(key, value)
        check_not_ours(key)
        self._engine.store.set_study_attrs(self.name, {key: value})

    @property
    def history(self) -> History:
        """All trials in columns; do not change it."""
        self._engine.sync()
        return self._engine.history

    # -- trials

    def ask(self, fixed: Mapping[str, Any] | None = None) -> Trial:
        """Start a trial and own it: a queued one if there is one, else a new one.

        It is owned until it is told, for as long as this process lives and holds the study or the trial. A trial
        of a process or machine that stopped responding for `lease_seconds` is queued again, and so asked for first.

        Args:
            fixed: values that this trial shall have; the others are suggested.

        Raises:
            SpaceError: fixed values that the space does not have.
        """
        if fixed is not None:
            fixed = checked_values_by_name("fixed", fixed)
        return self._engine.ask(fixed)

    def _trial_here(self, number: int) -> Trial | None:
        self._engine.record(number)  # raises if there is none
        return self._engine.trial(number)

    def _told_params(self, params: Mapping[str, Any]) -> Configuration:
        return told_params(self._engine, params)

    def _stored(self, params: Mapping[str, Any]) -> Configuration:
        return self._engine.stored(params)

    def _enqueue(self, params: Mapping[str, Any], attrs: Mapping[str, Any]) -> None:
        self._engine.enqueue(params, attrs)

    def add_trials(self, trials: Iterable[TrialRecord]) -> None:
        """Add finished and waiting trials from elsewhere: all of them, or none. They are durable when it returns.

        They get the next numbers, and everything that the study suggests from now on takes them into account. Those
        that wait are the next that `ask` starts.

        Args:
            trials: of `create_trial`, or of another study's `trials`.

        Raises:
            TypeError: something else than a trial.
            SpaceError: parameters that do not fit a declared space, or the choices that an objective has shown.
            ObjectiveError: a trial that is RUNNING elsewhere, or waits and has values; values that are not one finite
                number per objective; reports as in `create_trial`.
        """
        add_to(self._engine, trials)

    def close(self) -> None:
        """End with this study: its leases are no longer renewed, and its storage is closed.

        Needed only in a process that runs on for long: a study without references ends by itself.
        """
        self._engine.close()
        self._engine.store.close()
