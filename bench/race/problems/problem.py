"""What a problem is, and where its data lies."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from luthier import Space

DATA_VARIABLE = "LUTHIER_BENCH_DATA"
_DEFAULT_DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


class MissingData(FileNotFoundError):
    """A file that a problem reads is not there; the message names it."""


@dataclass(frozen=True)
class Problem:
    """Something to minimise.

    Attributes:
        name: "group/name".
        space: what is searched.
        observe: the loss that a tuner is told for a configuration; less is better, NaN where the training failed.
            All noise comes from the generator.
        true: the loss by which an incumbent is judged, without noise; NaN where there is none.
        best: least true loss known.
        worst: the true loss that counts as regret 1. The greatest known, where losses are bounded; the median over
            the space, where they run away (so a regret above 1 is possible).
        is_real: whether trainings stand behind it.
    """

    name: str
    space: Space
    observe: Callable[[Mapping[str, Any], np.random.Generator], float]
    true: Callable[[Mapping[str, Any]], float]
    best: float
    worst: float
    is_real: bool = True

    def regret(self, config: Mapping[str, Any]) -> float:
        """Normalised regret: 0 at the best known, 1 at `worst`; 1 where there is no true loss."""
        loss = self.true(config)
        return 1.0 if loss != loss else (loss - self.best) / (self.worst - self.best)


def data_folder(given: str | Path | None = None) -> Path:
    """Where the data lies: as given, else $LUTHIER_BENCH_DATA, else ../shared/data beside the repository."""
    return Path(given or os.environ.get(DATA_VARIABLE) or _DEFAULT_DATA)


def existing(path: Path) -> Path:
    """Return the path, if it is there.

    Raises:
        MissingData: it is not.
    """
    if not path.exists():
        raise MissingData(f"{path} is not there: pass --data FOLDER or set {DATA_VARIABLE}, or leave its problems out")
    return path
