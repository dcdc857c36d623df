"""Optuna: its studies read into Luthier, and Luthier's samplers inside its studies.

Nothing else in Luthier imports Optuna. What the two say differently: a trial that runs in Optuna waits after an
import; a COMPLETE trial with an infinite value counts as FAIL; constraints go by position, not by name.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..errors import LuthierError, SearchSpaceExhausted, SpaceError, StorageError, StudyNotFound, missing
from ..history import History
from ..samplers import AutoSampler, Sampler
from ..space import Choice, Domain, Float, Int, Space, domain_to_json
from ..space.growing import GrowingSpace
from ..space.labels import label_key, label_of
from ..stores import Store, StudyRecord, open_store
from ..stores.transfer import Whole, add_studies
from ..streams import Streams, fresh_seed
from ..study import Study, load_study
from ..trial import TrialRecord, TrialState
from ..types import Configuration, Direction, Label

try:
    import optuna
except ImportError as error:
    raise missing("this needs Optuna", "optuna") from error
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

Source: TypeAlias = str | PathLike[str] | optuna.storages.BaseStorage | optuna.Study

# -- values


def domain_of(distribution: BaseDistribution) -> Domain:
    """The domain of a distribution, without condition or default.

    A choice that is no JSON scalar, is not finite or stands there twice gets its `repr` as label.

    Raises:
        SpaceError: there is no such domain.
    """
    if isinstance(distribution, FloatDistribution):
        return Float(distribution.low, distribution.high, log=distribution.log, step=distribution.step)
    if isinstance(distribution, IntDistribution):
        return Int(distribution.low, distribution.high, log=distribution.log, step=distribution.step)
    if isinstance(distribution, CategoricalDistribution):
        return Choice(_labels(distribution.choices))
    raise SpaceError(f"{distribution!r} is of a kind that Luthier does not know")


def _labels(choices: Sequence[Any]) -> list[Label]:
    labels: dict[str, Label] = {}
    for i, choice in enumerate(choices):
        try:
            label = label_of(choice)
        except SpaceError:
            label = repr(choice)
        if label_key(label) in labels:
            label = f"{label} ({i})"
        labels[label_key(label)] = label
    return list(labels.values())


def to_label(distribution: BaseDistribution, value: Any) -> Label:
    """The stored form of a parameter's value."""
    if not isinstance(distribution, CategoricalDistribution):
        return float(value) if isinstance(distribution, FloatDistribution) else int(value)
    labels = _labels(distribution.choices)
    for i, choice in enumerate(distribution.choices):
        if choice is value:  # before -0.0 equals 0.0
            return labels[i]
    for i, choice in enumerate(distribution.choices):
        if type(choice) is type(value) and choice == value:  # True is not 1 here
            return labels[i]
    return labels[int(distribution.to_internal_repr(value))]


def to_value(distribution: BaseDistribution, label: Label) -> Any:
    """The value behind the stored form."""
    if not isinstance(distribution, CategoricalDistribution):
        return label
    keys = [label_key(known) for known in _labels(distribution.choices)]
    return distribution.choices[keys.index(label_key(label))]


def _record(
    trial: FrozenTrial, number: int, params: Configuration, constraints: tuple[float, ...], created: float
) -> TrialRecord:
    state, error = TrialState[trial.state.name], trial.system_attrs.get("fail_reason")
    values = tuple(map(float, trial.values)) if trial.values is not None else None
    if values is not None and not all(map(math.isfinite, values)):
        if state is TrialState.COMPLETE:
            state, error = TrialState.FAIL, f"Optuna has it as COMPLETE with {values}: values must be finite"
        values = None
    started, finished = _seconds(trial.datetime_start), _seconds(trial.datetime_complete)
    if state.is_finished and finished is None:
        finished = started if started is not None else created
    return TrialRecord(
        number,
        state,
        params,
        values if state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
        constraints,
        tuple(sorted((int(step), float(value)) for step, value in trial.intermediate_values.items())),
        dict(trial.user_attrs),
        error=error,
        created=created if started is None else started,
        started=started,
        finished=finished,
    )


def _seconds(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()  # Optuna's are in local time, without saying so


def _constraints(trial: FrozenTrial) -> dict[str, float]:
    """A trial's constraints by name: of Optuna 4, in a list, and of Optuna 5, one by one."""
    found = {str(i): float(x) for i, x in enumerate(trial.system_attrs.get("constraints") or ())}
    prefix = "constraints:"
    for key, value in trial.system_attrs.items():
        if key.startswith(prefix):
            found[key.removeprefix(prefix)] = float(value)
    return found


class _Constraints:
    """Names of constraints in the order in which they were met, which is their order in a record."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def of(self, trial: FrozenTrial) -> tuple[float, ...]:
        found = _constraints(trial)
        self._names.update(dict.fromkeys(found))
        return tuple(found.get(name, 0.0) for name in self._names) if found else ()  # what is missing holds


# -- studies


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
        StudyNotFound: there is none of that name, or several and none is named.
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


def read_optuna(source: Source, study_name: str | None = None) -> list[Whole]:
    """The studies of an Optuna storage, or the one of that name; raises as `import_study`."""
    if isinstance(source, optuna.Study):
        return [_read(source)]
    if not isinstance(source, str | PathLike | optuna.storages.BaseStorage):
        raise StorageError(f"{source!r} is neither a study of Optuna, nor a storage, nor its URL or path")
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
        raise StorageError(f"there is no storage of Optuna at {path}: check the path")
    if "://" in name:
        return name
    if not Path(name).is_file():
        raise StorageError(f"there is no storage of Optuna at {name}: check the path, or give a URL")
    with Path(name).open("rb") as file:
        if file.read(15) == b"SQLite format 3":
            return f"sqlite:///{name}"
    return optuna.storages.JournalStorage(JournalFileBackend(name))


def _read(study: optuna.Study) -> Whole:
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
    constraints = _Constraints()
    records = [
        _record(trial, i, _queued(trial, latest) | _params(trial, trial.distributions), constraints.of(trial), created)
        for i, trial in enumerate(trials)
    ]
    record = StudyRecord(
        study.study_name,
        _directions(study),
        fresh_seed(),
        parameters={name: domain_to_json(domain) for name, domain in domains.items()},
        attrs=dict(study.user_attrs),
        created=created,
    )
    return record, records


def _directions(study: optuna.Study) -> tuple[Direction, ...]:
    maximize = optuna.study.StudyDirection.MAXIMIZE
    return tuple("maximize" if direction == maximize else "minimize" for direction in study.directions)


def _latest(known: Domain | None, new: Domain) -> Domain:
    """The latest range of a parameter; of a choice all that there ever were."""
    if known is not None and type(known) is not type(new):
        raise SpaceError(f"it was {type(known).__name__} before and is {type(new).__name__}: one name, two kinds")
    if isinstance(known, Choice) and isinstance(new, Choice):
        return Choice(list({label_key(label): label for label in (*known.labels, *new.labels)}.values()))
    return new


def _params(trial: FrozenTrial, distributions: Mapping[str, BaseDistribution]) -> Configuration:
    """A trial's parameters as they are stored, as far as they are wanted."""
    return {name: to_label(distributions[name], x) for name, x in trial.params.items() if name in distributions}


def _queued(trial: FrozenTrial, latest: Mapping[str, BaseDistribution]) -> Configuration:
    """The parameters that an unfinished trial was enqueued with."""
    if trial.state.is_finished():
        return {}
    params: Configuration = {}
    for name, value in trial.system_attrs.get("fixed_params", {}).items():
        try:
            params[name] = to_label(latest[name], value)
        except (KeyError, ValueError):  # not suggested so far, or with other choices
            params[name] = _labels([value])[0]
    return params


# -- the sampler


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
            queued = {name: x for name, x in _queued(trial, view.distributions).items() if view.allows(name, x)}
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
        self._constraints = _Constraints()
        self._rows: dict[int, int] = {}
        self._met: dict[int, set[str]] = {}  # parameters of trials that run, by number
        self._done: set[int] = set()
        self._settled = 0, -1  # how many at the head of the list are done, and the number of the last of them
        self.history = History(self.space, _directions(study))

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
        params = _params(trial, known)
        proposed = self.proposed.pop(number, {})
        if not trial.state.is_finished():
            self._met[number], self.proposed[number] = set(known), proposed
            params = proposed | params
        record = _record(trial, self._rows[number], params, self._constraints.of(trial), 0.0)
        return replace(record, state=TrialState.WAITING) if is_current else record
