"""A check of the harness: random search must give the regrets that were published for it.

The figures are those of YAHPO Gym's multi-fidelity benchmark (Pfisterer et al. 2022) on three LCBench tasks, after 25,
50 and 100 % of 126 trainings to the end; they were read from a plot, to ±5 %, and are means of 30 runs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .problems import lcbench
from .problems.problem import existing

TRAININGS = 126
PUBLISHED_RUNS = 30
READING = 0.05
FILE = "yahpo_mf_per_instance_normregret_25_50_100.json"


@dataclass(frozen=True)
class Comparison:
    """Our mean regret after `trainings`, the published one, and how far apart chance and reading allow them to be."""

    task: str
    trainings: int
    ours: float
    published: float
    tolerance: float

    @property
    def holds(self) -> bool:
        return abs(self.ours - self.published) <= self.tolerance


def random_search(task: str, data: Path, runs: int) -> np.ndarray:
    """(runs, 126) normalised regret of the incumbent of random search."""
    rng = np.random.default_rng(0)
    configs = lcbench.SPACE.decode(lcbench.SPACE.sample(rng, runs * TRAININGS))
    losses = lcbench.losses(task, configs, data, lcbench.PUBLISHED).reshape(runs, TRAININGS)
    best, worst = lcbench.scale(task, data)
    return (np.minimum.accumulate(losses, axis=1) - best) / (worst - best)


def compare(data: Path, runs: int = 500) -> list[Comparison]:
    """Return all comparisons; the tolerance is 5 % of the published figure and two standard errors of its 30 runs."""
    published = json.loads(existing(data / FILE).read_text())
    found = []
    for task in lcbench.PUBLISHED:
        regret = random_search(task, data, runs)
        for share, figure in zip((0.25, 0.5, 1.0), published[f"lcbench {task}"]["Random"], strict=True):
            n = int(share * TRAININGS)
            spread = float(np.std(regret[:, n - 1]))
            tolerance = READING * figure + 2 * spread / np.sqrt(PUBLISHED_RUNS)
            found.append(Comparison(task, n, float(np.mean(regret[:, n - 1])), figure, tolerance))
    return found
