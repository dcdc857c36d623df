"""What a tuner itself costs: Luthier and Optuna side by side, in one process, on one thread.

    make bench                                # everything, as a table
    python bench/overhead.py --json FILE      # and the figures as JSON

Every figure is a median over repetitions that alternate between the two, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import optuna
import torch
from threadpoolctl import threadpool_limits

import luthier as lt
from luthier.samplers import GPSampler, RandomSampler, TPESampler

PARAMETERS = 12


@dataclass(frozen=True)
class Row:
    what: str
    luthier_ms: float
    other_ms: float
    other: str
    goal: str

    @property
    def ratio(self) -> float:
        return self.other_ms / self.luthier_ms


def value(x: dict[str, float]) -> float:
    return sum((v - 0.3) ** 2 * (1 + i % 3) for i, v in enumerate(x.values()))


def ours(sampler: object, trials: int) -> Callable[[], float]:
    """A study with so many trials; a call adds one and returns the seconds it took."""
    study = lt.create_study(sampler=sampler, seed=0)

    def suggest(trial: lt.Trial) -> dict[str, float]:
        return {f"x{i}": trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(PARAMETERS)}

    fill = lt.create_study(
        sampler=RandomSampler(), seed=0, storage=study.storage, study_name=study.name, load_if_exists=True
    )
    for _ in range(trials):
        trial = fill.ask()
        fill.tell(trial, value(suggest(trial)))

    def one() -> float:
        start = time.perf_counter()
        trial = study.ask()
        x = suggest(trial)
        suggested = time.perf_counter()
        y = value(x)
        told = time.perf_counter()
        study.tell(trial, y)
        return suggested - start + time.perf_counter() - told

    study.trials  # noqa: B018 - takes in what was filled, which is not what is measured
    return one


def theirs(sampler: optuna.samplers.BaseSampler, trials: int) -> Callable[[], float]:
    study = optuna.create_study(sampler=sampler)
    distributions = {f"x{i}": optuna.distributions.FloatDistribution(0.0, 1.0) for i in range(PARAMETERS)}
    random = optuna.samplers.RandomSampler(seed=0)
    rng = random._rng.rng
    for _ in range(trials):
        x = {name: float(rng.uniform()) for name in distributions}
        study.add_trial(optuna.trial.create_trial(params=x, distributions=distributions, value=value(x)))

    def one() -> float:
        start = time.perf_counter()
        trial = study.ask()
        x = {f"x{i}": trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(PARAMETERS)}
        suggested = time.perf_counter()
        y = value(x)
        told = time.perf_counter()
        study.tell(trial, y)
        return suggested - start + time.perf_counter() - told

    return one


def race(what: str, a: Callable[[], float], b: Callable[[], float], repeats: tuple[int, int], goal: str) -> Row:
    """Medians of both; the slower one is asked less often."""
    n, m = repeats
    a(), b()  # caches, imports
    mine: list[float] = []
    other: list[float] = []
    for i in range(m):
        other.append(b())
        mine.extend(a() for _ in range(n * (i + 1) // m - n * i // m))
    row = Row(what, statistics.median(mine) * 1e3, statistics.median(other) * 1e3, "Optuna", goal)
    show(row)
    return row


def show(row: Row) -> None:
    print(
        f"| {row.what:44} | {row.luthier_ms:9.3f} ms | {row.other_ms:9.3f} ms | {row.ratio:7.1f}× | {row.goal:6} |",
        flush=True,
    )


def import_time(module: str) -> float:
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def imports() -> list[Row]:
    times: dict[str, list[float]] = {"luthier": [], "numpy": [], "optuna": []}
    for _ in range(9):
        for module, seconds in times.items():
            seconds.append(import_time(module))
    mine, numpy, other = (statistics.median(times[m]) * 1e3 for m in ("luthier", "numpy", "optuna"))
    rows = [
        Row("import, against Optuna", mine, other, "Optuna", ""),
        Row("import, against NumPy alone", mine, numpy, "NumPy", "≥ 0.67"),
    ]
    for row in rows:
        show(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    threadpool_limits(1)
    samplers = optuna.samplers

    versions = {name: metadata.version(name) for name in ("luthier", "optuna", "numpy", "scipy", "torch")}
    print(f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {versions}, one thread")
    print(f"ask + {PARAMETERS} suggestions + tell, in memory\n")
    print("| what | Luthier | the other | ratio | goal |\n|---|---|---|---|---|")
    rows = [
        race("random", ours(RandomSampler(), 100), theirs(samplers.RandomSampler(seed=0), 100), (4000, 400), "≥ 20"),
    ]
    for trials, repeats in ((100, (300, 60)), (1_000, (200, 20)), (10_000, (100, 8))):
        rows.append(
            race(
                f"TPE, {trials:,} trials",
                ours(TPESampler(), trials),
                theirs(samplers.TPESampler(seed=0), trials),
                repeats,
                "≥ 30" if trials >= 1000 else "",
            )
        )
    for trials, repeats in ((50, (30, 6)), (100, (30, 5)), (200, (20, 4))):
        rows.append(
            race(
                f"GP, {trials} trials",
                ours(GPSampler(), trials),
                theirs(samplers.GPSampler(seed=0), trials),
                repeats,
                "≥ 40" if trials == 100 else "",
            )
        )
    rows += imports()
    if options.json:
        data = {"versions": versions, "rows": [asdict(r) | {"ratio": r.ratio} for r in rows]}
        Path(options.json).write_text(json.dumps(data, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
