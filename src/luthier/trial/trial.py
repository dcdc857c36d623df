"""Trial: what an objective holds while it runs, in the study's process or in a worker's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from ..errors import SpaceError
from ..space import Choice, Domain, Float, Int, Ordinal, Space
from ..types import Configuration, Label
from .results import check_json, checked_report, finite_numbers

_NOTHING: Any = object()
_SCALARS = frozenset({bool, int, float, str, type(None)})


class Session(Protocol):
    """What a running trial needs of its study: in its process a `LocalSession`, elsewhere a line to it.

    Every call of a trial carries its token: an attempt whose trial was taken away gets `LeaseLost`, and
    cannot write to the next one.
    """

    def suggest_new(self, number: int, token: str, name: str, domain: Domain) -> Label:
        """The stored value of a parameter that nothing was suggested for yet."""
        ...

    def report(self, number: int, token: str, step: int, value: float) -> None:
        """Take an intermediate value."""
        ...

    def should_prune(self, number: int, token: str) -> bool:
        """Whether the pruner would stop the trial now."""
        ...

    def set_trial_attrs(self, number: int, token: str, attrs: Mapping[str, Any]) -> None:
        """Attach attributes to a trial."""
        ...


class Trial:
    """Is one running evaluation of an objective. Not safe for threads: each trial belongs to one.

    >>> import luthier as lt
    >>> def objective(trial):
    ...     rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
    ...     layers = trial.suggest_int("layers", 1, 3)
    ...     kind = trial.suggest_categorical("kind", ["relu", "gelu"])
    ...     trial.report(rate, step=0)
    ...     trial.set_user_attr("note", "tried")
    ...     return rate * layers
    >>> study = lt.create_study(seed=0)
    >>> study.optimize(objective, n_trials=2)
    >>> sorted(study.trials[0].params), study.trials[0].attrs
    (['kind', 'layers', 'rate'], {'note': 'tried'})

    Made by `Study.ask` and `Study.optimize`.

    Attributes:
        number: position in the study, from 0.
        token: names this attempt; what is told under an older one does not count.
    """

    def __init__(
        self,
        number: int,
        token: str,
        session: Session,
        suggested: Mapping[str, Label],
        domains: Mapping[str, Domain],
        space: Space | None,
        fixed: frozenset[str] = frozenset(),
    ) -> None:
        self.number = number
        self.token = token
        self.constraints: tuple[float, ...] = ()
        self._session = session
        self._suggested = suggested  # for all parameters known when the trial was asked for
        self._domains = domains if space is None else space.parameters  # of what may be handed out
        self._fixed = fixed  # names whose values were enqueued
        self._space = space  # the declared space; None where the objective defines it
        self._values: Configuration = dict(suggested)  # what may be handed out
        for name in fixed if space is None else ():
            self._values.pop(name, None)  # not before it was checked against what the objective asks for
        self._met: dict[str, Domain] = {}  # what the objective asked for
        self._steps: set[int] = set()

    def ticket(self) -> tuple[Any, ...]:
        """What `from_ticket` makes the same trial of in another process."""
        domains = dict(self._domains) if self._space is None else {}
        return self.number, self.token, dict(self._suggested), domains, self._space, self._fixed

    @staticmethod
    def from_ticket(ticket: tuple[Any, ...], session: Session) -> Trial:
        """The trial of a ticket, talking to its study through the session."""
        number, token, *rest = ticket
        return Trial(number, token, session, *rest)

    def __repr__(self) -> str:
        return f"Trial(number={self.number}, params={self.params!r})"

    # -- parameters

    @property
    def params(self) -> dict[str, Any]:
        """Values by name: of the whole configuration in a declared space, else of those suggested so far."""
        if self._space is not None:
            return self._space.restore(self._values)
        return {name: domain.restored(self._values[name]) for name, domain in self._met.items()}

    @property
    def stored_params(self) -> Configuration:
        """The same as they are stored: labels in place of objects."""
        if self._space is not None or len(self._met) == len(self._values):
            return dict(self._values)
        return {name: self._values[name] for name in self._met}

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number in [low, high]; see `Float`.

        Raises:
            SpaceError: a range that cannot be, a name used for another kind of parameter, or, in a declared
                space, a parameter that is not in it or is inactive.
        """
        known = self._domains.get(name)
        if (
            type(known) is Float
            and known.low == low
            and known.high == high
            and known.log == log
            and known.step == step
            and (value := self._values.get(name)) is not None
        ):
            self._met[name] = known
            return value  # type: ignore[return-value]
        return self._suggest(name, Float(low, high, log=log, step=step))  # type: ignore[no-any-return]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number in [low, high]; see `Int`. Raises as `suggest_float`."""
        known = self._domains.get(name)
        if (
            type(known) is Int
            and known.low == low
            and known.high == high
            and known.log == log
            and known.step == step
            and (value := self._values.get(name)) is not None
        ):
            self._met[name] = known
            return value  # type: ignore[return-value]
        return self._suggest(name, Int(low, high, log=log, step=step))  # type: ignore[no-any-return]

    def suggest_categorical(self, name: str, choices: Sequence[Any] | Mapping[str, Any]) -> Any:
        """One of the choices; see `Choice`. Raises as `suggest_float`."""
        domain = _choice_of(choices)
        if domain is self._domains.get(name) and name in self._values:
            self._met[name] = domain
            return domain.restored(self._values[name])
        return self._suggest(name, domain)

    def suggest(self, name: str, domain: Domain | None = None) -> Any:
        """A value of any domain, or, in a declared space, of the parameter of that name.

        Raises:
            SpaceError: as `suggest_float`; or no domain is given where none is declared.
        """
        if domain is not None:
            return self._suggest(name, domain)
        if self._space is None:
            raise SpaceError(f"parameter {name!r} has no domain: the study declares no space, so give one here")
        return self._declared(name)

    def _declared(self, name: str) -> Any:
        assert self._space is not None
        if name not in self._space:
            raise SpaceError(f"parameter {name!r} is not in the study's space: it has {', '.join(self._space.names)}")
        if name not in self._values:
            when = self._space.parameters[name].when
            raise SpaceError(f"parameter {name!r} is inactive in this trial (when={when!r}): ask for it only then")
        return self._space.parameters[name].restored(self._values[name])

    def _suggest(self, name: str, domain: Domain) -> Any:
        if self._space is not None:
            value = self._declared(name)
            known = self._space.parameters[name]
            if type(known) is not type(domain):
                raise SpaceError(f"parameter {name!r} is {known!r} in the study's space, not {domain!r}")
            return value
        before = self._met.get(name)
        if before is not None:
            if before != domain:
                raise SpaceError(f"trial {self.number} asks for {name!r} twice, as {before!r} and as {domain!r}")
            return domain.restored(self._values[name])
        label, before = self._suggested.get(name, _NOTHING), self._domains.get(name)
        if name in self._fixed:
            try:
                label = domain.stored(label)
            except SpaceError as error:
                raise SpaceError(f"the enqueued value of parameter {name!r}: {error}") from error
            self._session.suggest_new(self.number, self.token, name, domain)  # so that the study knows the domain
        elif label is _NOTHING or domain != before:
            label = self._session.suggest_new(self.number, self.token, name, domain)
        elif domain is not before and isinstance(before, Choice | Ordinal) and before.lacks_values_of(domain):
            self._session.suggest_new(self.number, self.token, name, domain)  # a store gave the study labels alone
        self._met[name], self._values[name] = domain, label
        if before is not domain:
            self._domains = {**self._domains, name: domain}  # another one: trials share it
        return domain.restored(label)

    # -- results on the way

    def report(self, value: float, step: int) -> None:
        """Report an intermediate value, such as the validation loss after an epoch.

        Args:
            value: in the direction of the study; NaN counts as the worst there is.
            step: a whole number that increases from report to report. The same step reported again is ignored, as a
                training that resumed from a checkpoint does.

        Raises:
            ObjectiveError: value is not a number or step is not a whole number >= 0.
        """
        step, number = checked_report(self.number, step, value)
        if step in self._steps:
            return
        self._steps.add(step)
        self._session.report(self.number, self.token, step, number)

    def should_prune(self) -> bool:
        """Whether the pruner would stop this trial now: then raise `TrialPruned`."""
        return self._session.should_prune(self.number, self.token)

    def set_user_attr(self, key: str, value: Any) -> None:
        """Attach a JSON value to the trial.

        Raises:
            ObjectiveError: the value is not JSON.
        """
        check_json(key, value)
        self._session.set_trial_attrs(self.number, self.token, {key: value})

    def set_constraints(self, values: Iterable[float]) -> None:
        """Set how far the configuration is from being feasible: it is feasible where every value is at most 0.

        Raises:
            ObjectiveError: a value is not a finite number.
        """
        self.constraints = finite_numbers(values, f"the constraints of trial {self.number}")


def _choice_of(choices: Sequence[Any] | Mapping[str, Any]) -> Choice:
    if isinstance(choices, list | tuple) and _SCALARS.issuperset(map(type, choices)):
        return _choice(*choices)  # of anything else, equal ones need not be the same
    return Choice(choices)


@lru_cache(maxsize=4096, typed=True)
def _choice(*choices: Any) -> Choice:
    return Choice(choices)
