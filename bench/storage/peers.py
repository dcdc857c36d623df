"""The work that both libraries do, twelve floats and an objective that costs nothing, and who does it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

STUDY = "bench"
NAMES = [f"x{i}" for i in range(12)]


def objective(trial: Any) -> float:
    """Of a trial of either library."""
    return sum((trial.suggest_float(name, 0.0, 1.0) - 0.3) ** 2 for name in NAMES)


def optimize(study: Any, seconds: float) -> list[int]:
    """Run trials for so long; their numbers."""
    numbers: list[int] = []

    def counted(trial: Any) -> float:
        numbers.append(trial.number)
        return objective(trial)

    study.optimize(counted, timeout=seconds)
    return numbers


def finished_trials(count: int) -> Iterator[tuple[dict[str, float], float]]:
    """Return parameters and values, the same for both."""
    rng = random.Random(0)
    for _ in range(count):
        params = {name: rng.random() for name in NAMES}
        yield params, sum((x - 0.3) ** 2 for x in params.values())


@dataclass(frozen=True)
class Peer:
    """One library.

    Attributes:
        open: the study at a URL, made if it is not there; in memory for None.
        fill: put a study of this many finished trials at the URL of an empty SQLite file.
        trials: of a study, all, as cheaply as the library gives them.
        close: the connections of a study.
    """

    open: Callable[[str | None], Any]
    fill: Callable[[str, int], None]
    trials: Callable[[Any], list[Any]]
    close: Callable[[Any], None]


def peer(name: str) -> Peer:
    """Return the peer "optuna", "luthier", or "luthier" with a lease of this many seconds: "luthier 10".

    A library is loaded by those processes alone that measure it.
    """
    library, _, lease = name.partition(" ")
    found: Peer = import_module(f".{library}_peer", __package__).peer(*map(float, lease.split()))
    return found
