"""Luthier's samplers inside Optuna's studies."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from ...engine.streams import Streams, fresh_seed
from ...errors import SearchSpaceExhausted, SpaceError
from ...history import History
from ...samplers import AutoSampler, Sampler, SuggestsOne
from ...space import Space
from ...space.growing import GrowingSpace
from ...space.partial import complete
from ...trial import TrialRecord, TrialState
from ...types import Configuration, Label
from .values import Constraints, directions_of, domain_of, params_of, queued_of, record_of, to_value


class OptunaSampler(optuna.samplers.BaseSampler):  # type: ignore[misc,unused-ignore]
    """Lets an Optuna study use a Luthier sampler.

    >>> import optuna
    >>> from luthier.integrations.optuna import OptunaSampler
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(sampler=OptunaSampler(seed=0))
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1) ** 2, n_trials=3)
    >>> len(study.trials)
    3

    All parameters that the study has shown are suggested together, those of a branch only where the branch is
    taken; one that was not met before is suggested alone. Safe for threads.

    A design, such as a grid, stops the study with its last point, or with what runs where there are several threads.
    A trial that starts all the same (more threads than points, another `optimize`) is pruned when it asks for its
    first parameter; outside `optimize` it gets `SearchSpaceExhausted` there. Enqueued trials always run.

    Args:
        sampler: what suggests; `AutoSampler` by default.
        seed: what all randomness comes from; by chance if None. The same seed gives the same study again where its
            trials run one after another.
        constraints_func: as of Optuna's own samplers: takes a finished trial, gives numbers, at most 0 where it is
            feasible. `trial.set_constraint` needs none.

    Raises:
        TypeError: `sampler` is not one of Luthier's, or `seed` is not a whole number.
    """

    def __init__(
        self,
        sampler: Sampler | None = None,
        *,
        seed: int | None = None,
        constraints_func: Callable[[FrozenTrial], Sequence[float]] | None = None,
    ) -> None:
        if sampler is not None and (isinstance(sampler, type) or not hasattr(sampler, "suggest")):
            raise TypeError(f"{sampler!r} is not a sampler of Luthier: give one, such as luthier.samplers.TPESampler()")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer)):
            raise TypeError(f"seed={seed!r}: give a whole number, or None for a fresh one")
        self._sampler = sampler if sampler is not None else AutoSampler()
        self._seed = fresh_seed() if seed is None else int(seed)
        self._constraints_func = constraints_func
        self._set_up()

    def _set_up(self) -> None:
        self._streams = Streams(self._seed)
        self._lock = threading.RLock()
        self._view: _View | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("_sampler", "_seed", "_constraints_func")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._set_up()

    def __repr__(self) -> str:
        return f"OptunaSampler({self._sampler!r})"

    __str__ = __repr__

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: optuna.trial.TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Keep what `constraints_func` gives for a trial, and stop the study if this was the last of a design.

        Raises:
            ValueError: a constraint is NaN.
        """
        ended = copy(trial)
        ended.state, ended.values = state, values
        if self._constraints_func is not None and state is not optuna.trial.TrialState.FAIL:
            limits = [float(x) for x in self._constraints_func(trial)]
            if any(map(math.isnan, limits)):
                raise ValueError(f"the constraints of trial {trial.number} are {limits}: give numbers")
            study._storage.set_trial_system_attr(trial._trial_id, "constraints", limits)
            ended.system_attrs = {**trial.system_attrs, "constraints": limits}
        if isinstance(self._sampler, SuggestsOne):
            self._stop_after(study, ended)

    def _stop_after(self, study: optuna.Study, ended: FrozenTrial) -> None:
        """Stop the study if the design has nothing left once this trial has ended, which the storage does not know."""
        with self._lock:
            view = self._view_of(study)
            if view.sync([ended if t.number == ended.number else t for t in study.get_trials(deepcopy=False)], -1):
                return
            try:
                self._sampler.suggest(view.space, view.history, self._streams.of_trial(ended.number), 1)
            except SearchSpaceExhausted:
                with suppress(RuntimeError):  # not within `optimize`: the next `ask` raises
                    study.stop()

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the latest distribution of every parameter that a trial of the study had."""
        with self._lock:
            return dict(self._seen(study, trial).distributions)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return values for the parameters that are active together, as the sampler suggests them."""
        if not search_space:
            return {}
        with self._lock:
            view = self._seen(study, trial)
            for name, distribution in search_space.items():
                view.meet(name, distribution)
            rng = self._streams.of_trial(trial.number)
            try:
                (params,) = self._sampler.suggest(view.space, view.history, rng, 1)
            except SearchSpaceExhausted as error:
                if not trial.system_attrs.get("fixed_params"):
                    self._refuse(study, trial, error)
                return {}
            queued = {name: x for name, x in queued_of(trial, view.distributions).items() if view.allows(name, x)}
            if queued:  # the rest has to go with them
                params = complete(view.space, queued, params, rng)
            view.proposed[trial.number] = params
            return {name: to_value(search_space[name], x) for name, x in params.items() if name in search_space}

    def _refuse(self, study: optuna.Study, trial: FrozenTrial, error: SearchSpaceExhausted) -> None:
        """Let a trial end that a design has nothing for: at its first parameter, whenever Optuna calls this."""
        try:
            study.stop()
        except RuntimeError:  # not within `optimize`: nothing catches the other
            study._storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.PRUNED)
            raise error from None
        self._view_of(study).refused[trial.number] = str(error)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a value for a parameter that was not suggested with the others, from what is known of it alone."""
        with self._lock:
            alone = Space({param_name: domain_of(param_distribution)})
            rng = self._streams.of_trial(trial.number, param_name)
            view = self._seen(study, trial)
            if trial.number in view.refused:
                raise optuna.TrialPruned(view.refused[trial.number])
            if view.meet(param_name, param_distribution):
                if isinstance(self._sampler, SuggestsOne):
                    row = view.show(trial)
                    label = self._sampler.suggest_one(view.space, view.history, row, param_name)
                    view.give(trial, param_name, label)
                    return to_value(param_distribution, label)
                history = view.history.under(alone)
                if not np.isnan(history.X).all():
                    try:
                        label = self._sampler.suggest(alone, history, rng, 1)[0][param_name]
                        return to_value(param_distribution, label)
                    except SearchSpaceExhausted:  # of this one parameter, not of the space
                        pass
            return to_value(param_distribution, alone.decode(alone.sample(rng, 1))[0][param_name])

    def _seen(self, study: optuna.Study, trial: FrozenTrial) -> _View:
        view = self._view_of(study)
        if view.current != trial.number:  # once a trial: a storage takes a while to answer
            view.sync(study.get_trials(deepcopy=False), trial.number)
        return view

    def _view_of(self, study: optuna.Study) -> _View:
        view = self._view
        if view is None or view.storage is not study._storage or view.study_name != study.study_name:
            view = self._view = _View(study)
        return view


class _View:
    """An Optuna study as a History, which is written on as trials start and end.

    Rows are trials in the order in which they were seen: a pruner may show a part of them, and waiting ones count
    only when they start.

    Attributes:
        current: number of the trial that is being suggested for.
        proposed: what was suggested for trials that run, by number: their values reach the storage one by one.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.current = -1
        self.proposed: dict[int, Configuration] = {}
        self.refused: dict[int, str] = {}
        self.storage, self.study_name = study._storage, study.study_name
        self.distributions: dict[str, BaseDistribution] = {}
        self._growing = GrowingSpace()
        self._constraints = Constraints()
        self._rows: dict[int, int] = {}
        self._met: dict[int, set[str]] = {}  # parameters of trials that run, by number
        self._done: set[int] = set()
        self._settled = 0, -1  # how many at the head of the list are done, and the number of the last of them
        self.history = History(self.space, directions_of(study))

    @property
    def space(self) -> Space:
        return self._growing.space

    def meet(self, name: str, distribution: BaseDistribution) -> bool:
        """Record a distribution; return False if it is of another kind, or has other choices, than before."""
        if self.distributions.get(name) == distribution:
            return True
        try:
            changed = self._growing.meet(name, domain_of(distribution))
        except SpaceError:
            return False
        self.distributions[name] = distribution
        if changed:
            self.history = self.history.under(self.space)
        return True

    def allows(self, name: str, label: Label) -> bool:
        """Return whether a value lies in a parameter's latest domain."""
        try:
            self.space.check_partial({name: label})
        except SpaceError:
            return False
        return True

    def show(self, trial: FrozenTrial) -> int:
        """Show the trial that is being suggested for as one that runs, with what it has; its row."""
        row = self._rows.setdefault(trial.number, len(self._rows))
        self.history.put([self._taken(trial, False)])
        return row

    def give(self, trial: FrozenTrial, name: str, label: Label) -> None:
        """Record a value that was suggested for a running trial which is shown."""
        params = self.proposed[trial.number] = {**self.proposed[trial.number], name: label}
        record = self.history.records[self._rows[trial.number]]
        self.history.put([replace(record, params={**record.params, **params})])

    def sync(self, trials: Sequence[FrozenTrial], current: int) -> bool:
        """Take in what started and ended; return whether a trial waits.

        The trial that is being suggested for is a row that waits, or none.
        """
        self.current = current
        fresh, waits = [], False
        start = self._settled_before(trials)
        for trial in trials[start:]:
            number = trial.number
            waits = waits or trial.state is optuna.trial.TrialState.WAITING
            if number in self._done or trial.state is optuna.trial.TrialState.WAITING:
                continue
            pruned = trial.state is optuna.trial.TrialState.PRUNED
            if number in self.refused or (pruned and not trial.distributions and number not in self._rows):
                self._done.add(number)
                continue
            if number not in self._rows:
                if number == current:
                    continue
                self._rows[number] = len(self._rows)
            fresh.append(self._taken(trial, number == current))
            if trial.state.is_finished():
                self._done.add(number)
        while start < len(trials) and trials[start].number in self._done:
            start += 1
        if start:
            self._settled = start, trials[start - 1].number
        if fresh:
            self.history.put(fresh)
            if self._growing.learn([record.params for record in fresh if record.state is TrialState.COMPLETE]):
                self.history = self.history.under(self.space)
        return waits

    def _settled_before(self, trials: Sequence[FrozenTrial]) -> int:
        """How many trials at the head of the list need no look: none where a pruner shows another part of them."""
        n, last = self._settled
        return n if 0 < n <= len(trials) and trials[n - 1].number == last else 0

    def _taken(self, trial: FrozenTrial, is_current: bool) -> TrialRecord:
        number = trial.number
        met = self._met.pop(number, set())  # an older trial that is looked at again does not bring back its range
        known = {name: x for name, x in trial.distributions.items() if name in met or self.meet(name, x)}
        params = params_of(trial, known)
        proposed = self.proposed.pop(number, {})
        if not trial.state.is_finished():
            self._met[number], self.proposed[number] = set(known), proposed
            params = proposed | params
        record = record_of(trial, self._rows[number], params, self._constraints.of(trial), 0.0)
        return replace(record, state=TrialState.WAITING) if is_current else record
