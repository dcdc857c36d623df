"""All problems by name, and the loading of one."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from .analytic import ANALYTIC
from .lcbench import DEVELOPMENT, lcbench
from .problem import Problem
from .runs import LANDSCAPES, TASKS, arlbench, taskset
from .tables import DATASETS, table

NAMES: tuple[str, ...] = (
    *(f"{group}/{dataset}" for group, datasets in DATASETS.items() for dataset in datasets),
    *(f"lcbench/{task}" for task in DEVELOPMENT),
    *(f"arlbench/{landscape}" for landscape in LANDSCAPES),
    *(f"taskset/{task}" for task in TASKS),
    *(f"analytic/{name}" for name in ANALYTIC),
)


def select(wanted: Sequence[str]) -> tuple[str, ...]:
    """Names of problems: "all", "real", a group, a name, or a pattern such as "lcbench/16*".

    Raises:
        ValueError: one of them fits nothing.
    """
    chosen: set[str] = set()
    for word in wanted:
        if word in ("all", "real"):
            found = {n for n in NAMES if word == "all" or not n.startswith("analytic/")}
        else:
            found = {n for n in NAMES if n == word or n.split("/")[0] == word or fnmatchcase(n, word)}
        if not found:
            raise ValueError(f"no problem fits {word!r}: there are all, real, a group or one of {', '.join(NAMES)}")
        chosen |= found
    return tuple(n for n in NAMES if n in chosen)


@lru_cache(maxsize=4)
def load(name: str, data: Path) -> Problem:
    """Return a problem by its name.

    Raises:
        MissingData: a file or a package that it needs is not there.
    """
    group, rest = name.split("/")
    if group in DATASETS:
        return table(name)
    if group == "analytic":
        return ANALYTIC[rest]
    return {"lcbench": lcbench, "arlbench": arlbench, "taskset": taskset}[group](name, data)
