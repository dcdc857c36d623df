"""GrowingSpace: the space of an objective that defines its parameters as it runs, learned as it goes.

A parameter that some complete trials lack is conditional, and the smallest set of values of the
parameters asked for before it that explains where it was present is taken as its condition. Where
nothing explains it, it counts as always there. What is learned is a value, not an expression: names may be any text.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from itertools import combinations
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import SpaceError
from ..types import Configuration, Label, Mask
from .domain import Domain, replace_when
from .labelled import Choice, Ordinal
from .labels import label_key, label_of, shown
from .numeric import Float, Int
from .space import Space, check_name

_REMEMBERED = 4096  # combinations of presence and parents' values
_MAX_VALUES = 64  # a parameter with more values explains anything by chance


class AtLeast(NamedTuple):
    """A whole number is at least this great: this covers values not seen yet, which a list does not."""

    name: str
    low: int


Allowed: TypeAlias = dict[str, tuple[Label, ...]]


class GrowingSpace:
    """Domains met so far, and the conditions that the trials imply.

    Args:
        domains: what is known at the start, without conditions.
    """

    def __init__(self, domains: Mapping[str, Domain] | None = None) -> None:
        self.domains: dict[str, Domain] = dict(domains or {})
        self._when: dict[str, AtLeast | Allowed] = {}
        self._unexplained: set[str] = set()
        self._seen: list[Mapping[str, Label]] = []
        self._unseen = set(self.domains)  # names that no complete trial had
        self.space = self._made(self.domains)

    def is_new(self, name: str, domain: Domain) -> bool:
        """Return whether `meet` would change anything; nothing has changed where this raises.

        Raises:
            SpaceError: it was asked for with other choices, or as another kind of parameter; or no space can have it.
        """
        check_name(name)
        known = self.domains.get(name)
        if known is None:
            Space({name: domain})
            return True
        if known == domain:
            return (
                isinstance(known, Choice | Ordinal)
                and isinstance(domain, Choice | Ordinal)
                and known.lacks_values_of(domain)
            )
        _check_same_kind(name, known, domain)
        Space({name: domain})
        return True

    def meet(self, name: str, domain: Domain) -> bool:
        """Record a parameter that an objective asks for; return whether that changed the space. Raises as `is_new`."""
        if not self.is_new(name, domain):
            return False
        domains = {**self.domains, name: domain}  # a new one: trials hold the old
        self.space = self._made(domains)
        if name not in self.domains:
            self._unseen.add(name)
        self.domains = domains
        return True

    def learn(self, trials: Iterable[Mapping[str, Label]]) -> bool:
        """Record which parameters complete trials had; return whether that changed the space."""
        changed = False
        for params in trials:  # one by one, so that a study that is loaded comes to what one that went on came to
            first = self._unseen and self._unseen & params.keys()
            if first:
                self._unseen -= first
                self._expected.clear()
            self._seen.append(params)
            lacking_so_far = bool(first) and len(self._seen) > 1
            if lacking_so_far or self._surprises(params):
                changed |= self._explain()
        return changed

    def _explain(self) -> bool:
        before, unexplained = self._when, self._unexplained
        self._when, self._unexplained = explanations(self.domains, self._seen)
        if self._unexplained != unexplained:
            self._expected.clear()
        if self._when == before:
            return False
        self.space = self._made(self.domains)
        return True

    def _surprises(self, params: Mapping[str, Label]) -> bool:
        if self.space.is_flat:
            if len(params) == len(self.domains):
                return False
            return not self.domains.keys() - params.keys() - self._unseen <= self._unexplained
        decisive = [params.get(name) for name in self._parents]
        key = (*params, *decisive, *map(type, decisive))
        if key not in self._expected:
            if len(self._expected) >= _REMEMBERED:
                self._expected.clear()
            self._expected[key] = self._looks_surprising(params)
        return self._expected[key]

    def _looks_surprising(self, params: Mapping[str, Label]) -> bool:
        known = {name: label for name, label in params.items() if name in self.space}
        row = self.space.encode([self.space.known(known)])  # a value may not be one of the domain's
        active = self.space.active(row)[0]
        predicted = {name for name, there in zip(self.space.names, active, strict=True) if there}
        return not (predicted ^ known.keys()) - self._unseen <= self._unexplained

    def _made(self, domains: Mapping[str, Domain]) -> Space:
        self._expected: dict[Hashable, bool] = {}  # whether such parameters surprise
        space = Space({n: replace_when(d, self._condition(self._when.get(n), domains)) for n, d in domains.items()})
        self._parents = tuple({parent: None for name in space.names for parent in space.parents(name)})
        return space

    def _condition(self, learned: AtLeast | Allowed | None, domains: Mapping[str, Domain]) -> Allowed | None:
        """What was learned as a `when=`; ranges may have changed since."""
        if isinstance(learned, AtLeast):
            domain = domains[learned.name]
            if not isinstance(domain, Int) or domain.size > _MAX_VALUES:
                return None
            values = range(domain.low, domain.high + 1, domain.step)
            return {learned.name: tuple(x for x in values if x >= learned.low)}
        if learned is None:
            return None
        return {name: tuple(x for x in allowed if _has(domains[name], x)) for name, allowed in learned.items()}


def _has(domain: Domain, label: Label) -> bool:
    try:
        domain.check(label)
    except SpaceError:
        return False
    return True


def explanations(
    domains: Mapping[str, Domain], trials: list[Mapping[str, Label]]
) -> tuple[dict[str, AtLeast | Allowed], set[str]]:
    """When the parameters that some trials lack are there, and those that nothing explains."""
    names = list(domains)
    found: dict[str, AtLeast | Allowed] = {}
    unexplained: set[str] = set()
    present = np.array([[name in params for name in names] for params in trials], dtype=bool)  # (n, d)
    some = np.flatnonzero(present.any(axis=0) & ~present.all(axis=0))
    if len(some) == 0:
        return found, unexplained
    table = _Table(domains, trials)
    for j in some:
        when = table.smallest(int(j), present[:, j])
        if when is None:
            unexplained.add(names[j])
        else:
            found[names[j]] = when
    return found, unexplained


class _Table:
    """Which values trials had, of the parameters with few: a column for every value that was seen."""

    def __init__(self, domains: Mapping[str, Domain], trials: list[Mapping[str, Label]]) -> None:
        self.names: list[str] = []
        self.domains: list[Domain] = []
        self.positions: list[int] = []  # among all parameters, in the order in which they were asked for
        self.labels: list[list[Label]] = []
        starts, columns = [], 0
        cells: list[tuple[int, int]] = []
        for position, (name, domain) in enumerate(domains.items()):
            if isinstance(domain, Float) or domain.size > _MAX_VALUES:
                continue
            codes: dict[tuple[type, Label], int] = {}
            for i, params in enumerate(trials):
                if name in params:
                    key = type(params[name]), params[name]
                    cells.append((i, columns + codes.setdefault(key, len(codes))))
            if not codes:
                continue
            self.names.append(name)
            self.domains.append(domain)
            self.positions.append(position)
            self.labels.append([label for _, label in codes])
            starts.append(columns)
            columns += len(codes)
        self.starts = np.array(starts, dtype=np.intp)  # (k,) the first column of each parameter
        self.sizes = np.array([domain.size for domain in self.domains])  # (k,)
        self.had = np.zeros((len(trials), columns), dtype=np.float32)  # (n, columns), 0 or 1
        if cells:
            rows, places = np.array(cells, dtype=np.intp).T
            self.had[rows, places] = 1.0

    def smallest(self, position: int, present: Mask) -> AtLeast | Allowed | None:
        """Return what holds on all present (n,) and no absent trials, with the fewest values; None if nothing does.

        Only parameters that were asked for before the one at this position count.
        """
        before = int(np.searchsorted(self.positions, position))
        if before == 0:
            return None
        end = int(self.starts[before]) if before < len(self.starts) else self.had.shape[1]
        starts, had = self.starts[:before], self.had[:, :end]
        there, absent = present.astype(np.float32) @ had, (~present).astype(np.float32) @ had  # (columns,)
        allowed = there > 0
        count = np.add.reduceat(allowed.astype(np.intp), starts)  # (before,) values that go with presence
        everywhere = np.add.reduceat(there, starts) == present.sum()  # all present trials have the parameter
        usable = everywhere & (count < self.sizes[:before])
        fooled = np.add.reduceat(absent * allowed, starts) > 0  # some absent trial has such a value
        single = np.flatnonzero(usable & ~fooled)
        if len(single):
            k = int(single[np.argmin(count[single])])
            return self._single(k, allowed, absent)
        candidates = np.flatnonzero(usable)
        if len(candidates) < 2:
            return None
        fooling = np.add.reduceat(had[~present] * allowed, starts, axis=1)[:, candidates]  # (absent, candidates)
        together = fooling.T @ fooling  # (candidates, candidates) absent trials that two of them fool at once
        pairs = [(a, b) for a, b in combinations(range(len(candidates)), 2) if together[a, b] == 0]
        if not pairs:
            return None
        a, b = min(pairs, key=lambda pair: count[candidates[pair[0]]] * count[candidates[pair[1]]])
        return {self.names[k]: self._allowed(k, allowed) for k in (int(candidates[a]), int(candidates[b]))}

    def _columns(self, k: int) -> slice:
        return slice(int(self.starts[k]), int(self.starts[k]) + len(self.labels[k]))

    def _allowed(self, k: int, allowed: Mask) -> tuple[Label, ...]:
        return tuple(x for x, ok in zip(self.labels[k], allowed[self._columns(k)], strict=True) if ok)

    def _single(self, k: int, allowed: Mask, absent: NDArray[Any]) -> AtLeast | Allowed:
        labels = self._allowed(k, allowed)
        if isinstance(self.domains[k], Int):
            without = [x for x, n in zip(self.labels[k], absent[self._columns(k)], strict=True) if n > 0]
            low = min(x for x in labels if isinstance(x, int))
            if without and max(x for x in without if isinstance(x, int)) < low:
                return AtLeast(self.names[k], low)
        return {self.names[k]: labels}


def _check_same_kind(name: str, known: Domain, domain: Domain) -> None:
    if type(known) is not type(domain):
        raise SpaceError(
            f"parameter {shown(name)} was {type(known).__name__} and is now {type(domain).__name__}: "
            "give it another name"
        )
    if isinstance(known, Choice | Ordinal) and isinstance(domain, Choice | Ordinal):
        old, new = list(map(label_key, known.labels)), list(map(label_key, domain.labels))
        if old != new:
            raise SpaceError(
                f"parameter {shown(name)} was suggested with the choices {list(known.labels)}, now with "
                f"{list(domain.labels)}: choices cannot change; give it another name"
            )


def stored_without_space(params: Mapping[str, Any], known: Mapping[str, Domain]) -> Configuration:
    """Return values as a study stores them whose objective defines the space as it runs.

    Choices cannot change, so a value must be among them; ranges can, so a number may be outside.

    Args:
        params: values by name.
        known: the domains that the objective has shown so far.

    Raises:
        SpaceError: a name that no parameter can have; another value than the choices; something else than a number.
    """
    stored: Configuration = {}
    for name, value in params.items():
        check_name(name)
        try:
            stored[name] = _stored(value, known.get(name))
        except SpaceError as error:
            raise SpaceError(f"the value for parameter {shown(name)}: {error}") from error
    return stored


def _stored(value: Any, domain: Domain | None) -> Label:
    if isinstance(domain, Choice | Ordinal):
        return domain.stored(value)
    label = label_of(value)
    if not isinstance(domain, Float | Int):
        return label
    if isinstance(label, bool) or not isinstance(label, int | float):
        raise SpaceError(f"{shown(value)} is not a number")
    if isinstance(domain, Int):
        if isinstance(label, float) and not label.is_integer():
            raise SpaceError(f"{shown(value)} is not a whole number")
        return int(label)
    try:
        return float(label)
    except OverflowError:
        raise SpaceError(f"{shown(value)} is too large for a float") from None
