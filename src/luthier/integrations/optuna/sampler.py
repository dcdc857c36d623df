"""Luthier's samplers inside Optuna's studies."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from ...errors import SearchSpaceExhausted, SpaceError
from ...history import History
from ...samplers import AutoSampler, Sampler
from ...space import Space
from ...space.growing import GrowingSpace
from ...streams import Streams, fresh_seed
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
    taken; one that was not met before is suggested alone. Safe for threads. A sampler that has nothing left, such
    as a grid, stops the study.

    Args:
        sampler: what suggests; `AutoSampler` by default.
        seed: what all randomness comes from; by chance if None. The same seed gives the same study again where its
            trials run one after another.
        constraints_func: as of Optuna's own samplers: takes a finished trial, gives numbers, at most 0 where it is
            feasible. `trial.set_constraint` needs none.

    Raises:
        TypeError: what is given is no sampler of Luthier, or a seed that is no whole number.
    """

    def __init__(
        self,
        sampler: Sampler | None = None,
        *,
        seed: int | None = None,
        constraints_func: Callable[[FrozenTrial], Sequence[float]] | None = None,
    ) -> None:
        if sampler is not None and (isinstance(sampler, type) or not hasattr(sampler, "suggest")):
            raise TypeError(f"{sampler!r} is no sampler of Luthier: give one, such as luthier.samplers.TPESampler()")
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

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, state: optuna.trial.TrialState, _: Any) -> None:
        """Keep what `constraints_func` says of a trial; raises ValueError if it is NaN."""
        if self._constraints_func is None or state is optuna.trial.TrialState.FAIL:
            return
        limits = [float(x) for x in self._constraints_func(trial)]
        if any(map(math.isnan, limits)):
            raise ValueError(f"the constraints of trial {trial.number} are {limits}: give numbers")
        study._storage.set_trial_system_attr(trial._trial_id, "constraints", limits)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The latest distribution of every parameter that a trial of the study had."""
        with self._lock:
            return dict(self._seen(study, trial).distributions)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values for the parameters that are active together, as the sampler suggests them."""
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
                try:
                    study.stop()
                except RuntimeError:  # nobody runs `optimize`
                    raise error from None
                return {}
            queued = {name: x for name, x in queued_of(trial, view.distributions).items() if view.allows(name, x)}
            if queued:  # the rest has to go with them
                params = view.space.complete(queued, params, rng)
            view.proposed[trial.number] = params
            return {name: to_value(search_space[name], x) for name, x in params.items() if name in search_space}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A value for a parameter that was not suggested with the others, from what is known of it alone."""
        with self._lock:
            alone = Space({param_name: domain_of(param_distribution)})
            rng = self._streams.of_trial(trial.number, param_name)
            view = self._seen(study, trial)
            if view.meet(param_name, param_distribution):
                history = view.history.under(alone)
                if not np.isnan(history.X).all():
                    try:
                        label = self._sampler.suggest(alone, history, rng, 1)[0][param_name]
                        return to_value(param_distribution, label)
                    except SearchSpaceExhausted:  # of this one parameter, not of the space
                        pass
            return to_value(param_distribution, alone.decode(alone.sample(rng, 1))[0][param_name])

    def _seen(self, study: optuna.Study, trial: FrozenTrial) -> _View:
        view = self._view
        if view is None or view.storage is not study._storage or view.study_name != study.study_name:
            view = self._view = _View(study)
        if view.current != trial.number:  # once a trial: a storage takes a while to answer
            view.sync(study.get_trials(deepcopy=False), trial.number)
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
        """Take notice of a distribution; False if it is of another kind, or has other choices, than before."""
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
        """Whether a value lies in a parameter's latest domain."""
        try:
            self.space.check_partial({name: label})
        except SpaceError:
            return False
        return True

    def sync(self, trials: Sequence[FrozenTrial], current: int) -> None:
        """Take in what started and ended. The trial that is being suggested for is a row that waits, or none."""
        self.current = current
        fresh = []
        start = self._settled_before(trials)
        for trial in trials[start:]:
            number = trial.number
            if number in self._done or trial.state is optuna.trial.TrialState.WAITING:
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
        if not fresh:
            return
        self.history.put(fresh)
        if self._growing.learn([record.params for record in fresh if record.state is TrialState.COMPLETE]):
            self.history = self.history.under(self.space)

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
