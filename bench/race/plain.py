"""A search space for the adapters: the standard library alone, because it is read in environments without Luthier.

Choices and ordered values travel as indices, so that every tuner gets the same numbers whatever the labels are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Raw: TypeAlias = dict[str, Any]
"""Numbers by name; the index of its label for a choice or an ordered value."""


@dataclass(frozen=True)
class Parameter:
    """One parameter. `when` holds, for each parent, the indices of the labels under which this one exists."""

    name: str
    kind: str  # float, int, ordinal, choice
    low: float
    high: float
    log: bool
    labels: tuple[Any, ...]
    when: Mapping[str, tuple[int, ...]]

    @property
    def is_float(self) -> bool:
        return self.kind == "float"

    @property
    def is_choice(self) -> bool:
        return self.kind == "choice"

    def is_active(self, raw: Mapping[str, Any]) -> bool:
        """Return whether the parents in `raw` let this parameter exist."""
        return all(parent in raw and raw[parent] in allowed for parent, allowed in self.when.items())

    def clean(self, value: Any) -> Any:
        """Return the nearest value that exists: tuners work in logarithms and miss a bound by one rounding."""
        inside = min(max(value, self.low), self.high)
        return float(inside) if self.is_float else round(inside)


def parse(space: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Return the parameters of a space's JSON, parents before children.

    Raises:
        ValueError: a step, an expression as a condition, or a child before its parent: no problem here has one.
    """
    found: dict[str, Parameter] = {}
    for name, data in space["parameters"].items():
        labels = tuple(data.get("choices", ()))
        if data.get("step") not in (None, 1):
            raise ValueError(f"parameter {name!r} has a step, which the adapters do not know")
        when = {}
        if isinstance(data["when"], str):
            raise ValueError(
                f"parameter {name!r} exists when {data['when']!r}: the adapters know {{parent: labels}} only"
            )
        for parent, allowed in (data["when"] or {}).items():
            if parent not in found:
                raise ValueError(f"parameter {name!r} stands before its parent {parent!r}")
            when[parent] = tuple(found[parent].labels.index(label) for label in allowed)
        low, high = (0, len(labels) - 1) if labels else (data["low"], data["high"])
        found[name] = Parameter(name, data["type"], low, high, bool(data.get("log")), labels, when)
    return tuple(found.values())


def cleaned(parameters: Sequence[Parameter], raw: Mapping[str, Any]) -> Raw:
    """Return what of a tuner's answer exists: inactive parameters left out, values inside their ranges."""
    found: Raw = {}
    for p in parameters:
        if p.is_active(found):
            found[p.name] = p.clean(raw[p.name])
    return found


def labelled(parameters: Sequence[Parameter], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration behind a cleaned answer."""
    return {p.name: p.labels[raw[p.name]] if p.labels else raw[p.name] for p in parameters if p.name in raw}


class WorstSeen:
    """Turns failures into the worst loss seen; before there is one, failures wait.

    For tuners that know no failed trial: their users report a large finite loss.
    """

    def __init__(self) -> None:
        self._worst = float("-inf")
        self._waiting: list[Any] = []

    def __call__(self, trial: Any, loss: float) -> Iterator[tuple[Any, float]]:
        """Return what to tell the tuner now: (trial, finite loss) pairs."""
        if loss != loss:
            self._waiting.append(trial)
        else:
            self._worst = max(self._worst, loss)
        if self._worst > float("-inf"):
            waiting, self._waiting = self._waiting, []
            yield from ((earlier, self._worst) for earlier in waiting)
        if loss == loss:
            yield trial, loss
