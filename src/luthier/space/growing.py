"""GrowingSpace: the space of an objective that defines its parameters as it runs, learned as it goes.

A parameter that some complete trials lack is conditional, and the smallest set of values of the
parameters asked for before it that explains where it was present is taken as its condition. Where
nothing explains it, it counts as always there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

from ..errors import SpaceError
from ..types import Label
from .domain import Domain
from .labelled import Choice, Ordinal
from .labels import label_key
from .numeric import Float, Int
from .space import Space

_MAX_VALUES = 64  # a parameter with more values explains anything by chance


class GrowingSpace:
    """Domains met so far, and the conditions that the trials imply.

    Args:
        domains: what is known at the start, without conditions.
    """

    def __init__(self, domains: Mapping[str, Domain] | None = None) -> None:
        self.domains: dict[str, Domain] = dict(domains or {})
        self._when: dict[str, Any] = {}
        self._unexplained: set[str] = set()
        self._seen: list[Mapping[str, Label]] = []
        self.space = Space(self.domains)

    def meet(self, name: str, domain: Domain) -> bool:
        """Take notice of a parameter as an objective asks for it; True if that changed the space.

        Raises:
            SpaceError: it was asked for with other choices, or as another kind of parameter.
        """
        known = self.domains.get(name)
        if known == domain:
            return False
        if known is not None:
            _check_same_kind(name, known, domain)
        self.domains = {**self.domains, name: domain}  # a new one: trials hold the old
        self._rebuild()
        return True

    def learn(self, trials: Iterable[Mapping[str, Label]]) -> bool:
        """Take notice of which parameters complete trials had; True if that changed the space."""
        surprising = False
        for params in trials:
            self._seen.append(params)
            surprising = surprising or self._surprises(params)
        if not surprising:
            return False
        before = dict(self._when)
        self._explain()
        if self._when == before:
            return False
        self._rebuild()
        return True

    def _surprises(self, params: Mapping[str, Label]) -> bool:
        if self.space.is_flat:
            return len(params) != len(self.domains) and not self._unexplained >= self.domains.keys() - params.keys()
        active = self.space.active(self.space.encode([params]))[0]
        predicted = {name for name, there in zip(self.space.names, active, strict=True) if there}
        return not predicted ^ params.keys() <= self._unexplained

    def _rebuild(self) -> None:
        self.space = Space({name: replace_when(d, self._when.get(name)) for name, d in self.domains.items()})

    def _explain(self) -> None:
        self._when, self._unexplained = {}, set()
        names = list(self.domains)
        for position, name in enumerate(names):
            present = [p for p in self._seen if name in p]
            absent = [p for p in self._seen if name not in p]
            if not present or not absent:
                continue
            when = _smallest_explanation([(n, self.domains[n]) for n in names[:position]], present, absent)
            if when is None:
                self._unexplained.add(name)
            else:
                self._when[name] = when


class _Explanation(NamedTuple):
    """Values of one parameter that go with the presence of another."""

    name: str
    allowed: tuple[Label, ...]
    absent_keys: frozenset[str]

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(map(label_key, self.allowed))


def _smallest_explanation(
    before: list[tuple[str, Domain]], present: list[Mapping[str, Label]], absent: list[Mapping[str, Label]]
) -> Any:
    """A `when` that holds on all present and no absent trials, with the fewest values; None if there is none."""
    candidates = []
    for name, domain in before:
        if isinstance(domain, Float) or domain.size > _MAX_VALUES or not all(name in p for p in present):
            continue
        allowed = tuple({label_key(p[name]): p[name] for p in present}.values())
        others = frozenset(label_key(p[name]) for p in absent if name in p)
        if len(allowed) < domain.size:
            candidates.append((domain, _Explanation(name, allowed, others)))
    single = [(d, e) for d, e in candidates if not e.keys & e.absent_keys]
    if single:
        domain, found = min(single, key=lambda pair: len(pair[1].allowed))
        return _single_condition(domain, found, absent)
    pairs = []
    for (_, a), (_, b) in combinations(candidates, 2):
        fooled = any(_holds(a, p) and _holds(b, p) for p in absent)
        if not fooled:
            pairs.append((a, b))
    if pairs:
        a, b = min(pairs, key=lambda pair: len(pair[0].allowed) * len(pair[1].allowed))
        return {a.name: a.allowed, b.name: b.allowed}
    return None


def _holds(explanation: _Explanation, params: Mapping[str, Label]) -> bool:
    return explanation.name in params and label_key(params[explanation.name]) in explanation.keys


def _single_condition(domain: Domain, found: _Explanation, absent: list[Mapping[str, Label]]) -> Any:
    if isinstance(domain, Int):  # a threshold says more of values not seen yet than a list does
        low = min(x for x in found.allowed if isinstance(x, int))
        without = [x for p in absent if isinstance(x := p.get(found.name), int)]
        if without and max(without) < low and found.name.isidentifier():
            return f"{found.name} >= {low}"
    return {found.name: found.allowed}


def replace_when(domain: Domain, when: Any) -> Domain:
    """The same domain under another condition."""
    if domain.when == when:
        return domain
    if isinstance(domain, Float | Int):
        return replace(domain, when=when)
    choices = dict(zip(domain.labels, domain.values, strict=True))
    if len(choices) < len(domain.labels):  # True and 1 are one key of a dict, but two labels
        return type(domain)(domain.values, default=domain.default, when=when)
    return type(domain)(choices, default=domain.default, when=when)


def _check_same_kind(name: str, known: Domain, domain: Domain) -> None:
    if type(known) is not type(domain):
        raise SpaceError(
            f"parameter {name!r} was {type(known).__name__} and is now {type(domain).__name__}: give it another name"
        )
    if isinstance(known, Choice | Ordinal) and isinstance(domain, Choice | Ordinal):
        old, new = list(map(label_key, known.labels)), list(map(label_key, domain.labels))
        if old != new:
            raise SpaceError(
                f"parameter {name!r} was suggested with the choices {list(known.labels)}, now with "
                f"{list(domain.labels)}: choices cannot change; give it another name"
            )
