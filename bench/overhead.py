"""What a tuner itself costs: Luthier, Optuna and Rustuna side by side, in one process, on one thread.

    make bench                                # everything, as a table
    python -m bench.overhead --json FILE      # and the figures as JSON

Every figure is a median over repetitions that alternate between them, so that a busy machine slows all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import optuna
import rustuna
import torch
from threadpoolctl import threadpool_limits

import luthier as lt
from luthier.samplers import GPSampler, RandomSampler, Sampler, TPESampler


@dataclass(frozen=True)
class Row:
    what: str
    luthier_ms: float
    other_ms: float | None
    other: str
    goal: str
    rustuna_ms: float | None = None

    @property
    def ratio(self) -> float | None:
        return None if self.other_ms is None else self.other_ms / self.luthier_ms


Suggested = dict[str, Any]
Objective = Callable[[Any], Suggested]


def floats(trial: Any) -> Suggested:
    """Twelve floats."""
    return {f"x{i}": trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(12)}


def mixed(trial: Any) -> Suggested:
    """Six floats, three on a log scale, three choices."""
    x = {f"x{i}": trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(6)}
    x |= {f"rate{i}": trial.suggest_float(f"rate{i}", 1e-5, 1.0, log=True) for i in range(3)}
    return x | {f"kind{i}": trial.suggest_categorical(f"kind{i}", list("abcde")[: 3 + i]) for i in range(3)}


def conditional(trial: Any) -> Suggested:
    """Six to eleven of twelve parameters: the optimiser and the number of layers decide which."""
    x: Suggested = {
        "optimizer": trial.suggest_categorical("optimizer", ["sgd", "adam", "rmsprop"]),
        "rate": trial.suggest_float("rate", 1e-5, 1.0, log=True),
        "layers": trial.suggest_int("layers", 1, 4),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "activation": trial.suggest_categorical("activation", ["relu", "gelu", "tanh"]),
    }
    if x["optimizer"] == "sgd":
        x["momentum"] = trial.suggest_float("momentum", 0.0, 0.99)
    if x["optimizer"] == "adam":
        x["beta1"] = trial.suggest_float("beta1", 0.8, 0.99)
        x["beta2"] = trial.suggest_float("beta2", 0.9, 0.9999)
    for i in range(x["layers"]):
        x[f"width{i}"] = trial.suggest_int(f"width{i}", 16, 512, log=True)
    return x


def value(x: Suggested) -> float:
    numbers = (0.1 * "abcde".find(v[0]) if isinstance(v, str) else float(v) for v in x.values())
    return sum((v - 0.3) ** 2 * (1 + i % 3) for i, v in enumerate(numbers))


def timed(study: Any, suggest: Objective, number: bool = False) -> Callable[[], float]:
    """Return a call adds one trial to a study and returns the seconds that the tuner took."""

    def one() -> float:
        start = time.perf_counter()
        trial = study.ask()
        x = suggest(trial)
        suggested = time.perf_counter()
        y = value(x)
        told = time.perf_counter()
        study.tell(trial.number if number else trial, y)
        return suggested - start + time.perf_counter() - told

    return one


def ours(sampler: Sampler, trials: int, suggest: Objective = floats) -> Callable[[], float]:
    """One more trial of a study that has this many."""
    study = lt.create_study(sampler=sampler, seed=0)
    fill = lt.create_study(
        sampler=RandomSampler(), seed=0, storage=study.storage, study_name=study.name, load_if_exists=True
    )
    for _ in range(trials):
        trial = fill.ask()
        fill.tell(trial, value(suggest(trial)))
    study.trials  # noqa: B018 - takes in what was filled, which is not what is measured
    return timed(study, suggest)


def random_trials(trials: int, suggest: Objective) -> list[optuna.trial.FrozenTrial]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: value(suggest(trial)), n_trials=trials)
    return study.trials


def theirs(sampler: optuna.samplers.BaseSampler, trials: int, suggest: Objective = floats) -> Callable[[], float]:
    study = optuna.create_study(sampler=sampler)
    study.add_trials(random_trials(trials, suggest))
    return timed(study, suggest)


def rustunas(trials: int) -> Callable[[], float]:
    study = rustuna.create_study(sampler=rustuna.samplers.TPESampler(seed=0))
    distributions = {f"x{i}": rustuna.distributions.FloatDistribution(0.0, 1.0) for i in range(12)}
    for trial in random_trials(trials, floats):
        study.add_trial(rustuna.create_trial(params=trial.params, distributions=distributions, value=trial.value))
    return timed(study, floats, number=True)


def race(
    what: str,
    mine: Callable[[], float],
    other: Callable[[], float] | None,
    repeats: tuple[int, int],
    goal: str,
    rust: Callable[[], float] | None = None,
) -> Row:
    """Medians of all; Optuna, which is slower, is asked less often."""
    n, m = repeats
    peers = [(mine, n), (other, m), (rust, n)]
    times: list[list[float]] = [[], [], []]
    for one, _ in peers:
        if one is not None:
            one()  # caches, imports
    for i in range(m):
        for (one, total), seconds in zip(peers, times, strict=True):
            if one is not None:
                seconds.extend(one() for _ in range(total * (i + 1) // m - total * i // m))
    a, b, c = (statistics.median(seconds) * 1e3 if seconds else None for seconds in times)
    assert a is not None
    row = Row(what, a, b, "Optuna", goal, c)
    show(row)
    return row


def show(row: Row) -> None:
    other, rust = (f"{'–':>12}" if x is None else f"{x:9.3f} ms" for x in (row.other_ms, row.rustuna_ms))
    ratio = f"{'–':>8}" if row.ratio is None else f"{row.ratio:7.1f}×"
    print(f"| {row.what:44} | {row.luthier_ms:9.3f} ms | {other} | {ratio} | {row.goal:6} | {rust} |", flush=True)


def import_time(module: str, compiled: str) -> float:
    """Seconds, with bytecode at hand as pip leaves it, also where Python is told to write none beside the source."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPYCACHEPREFIX": compiled}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    return float(run.stdout)


def imports() -> list[Row]:
    times: dict[str, list[float]] = {"luthier": [], "numpy": [], "optuna": []}
    with tempfile.TemporaryDirectory() as compiled:
        for module in times:
            import_time(module, compiled)
        for _ in range(9):
            for module, seconds in times.items():
                seconds.append(import_time(module, compiled))
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
    lt.set_verbosity("error")
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    threadpool_limits(1)
    samplers = optuna.samplers

    versions = {name: metadata.version(name) for name in ("luthier", "optuna", "rustuna", "numpy", "scipy", "torch")}
    print(f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {versions}, one thread")
    print(
        "ask + suggestions + tell, in memory: 12 floats; or mixed (6 floats, 3 log floats, 3 choices); or conditional\n"
    )
    print("| what | Luthier | the other | ratio | goal | Rustuna |\n|---|---|---|---|---|---|")
    rows = []
    for suggest, name in ((floats, ""), (mixed, ", mixed"), (conditional, ", conditional")):
        random = ours(RandomSampler(), 100, suggest), theirs(samplers.RandomSampler(seed=0), 100, suggest)
        rows.append(race(f"random{name}", *random, (4000, 400), "≥ 20"))
    for suggest, name in ((floats, ""), (mixed, ", mixed"), (conditional, ", conditional")):
        for trials, repeats in ((100, (300, 60)), (1_000, (200, 20)), (10_000, (100, 8))):
            if suggest is not floats and trials > 1000:
                continue
            tpe = ours(TPESampler(), trials, suggest), theirs(samplers.TPESampler(seed=0), trials, suggest)
            rust = rustunas(trials) if trials >= 1000 and suggest is floats else None
            rows.append(race(f"TPE, {trials:,} trials{name}", *tpe, repeats, "≥ 30" if trials >= 1000 else "", rust))
    rows.append(race("TPE, 100,000 trials", ours(TPESampler(), 100_000), None, (100, 1), ""))
    for suggest, name in ((floats, ""), (mixed, ", mixed"), (conditional, ", conditional")):
        for trials, repeats in ((50, (30, 6)), (100, (30, 5)), (200, (20, 4))):
            if suggest is not floats and trials != 100:
                continue
            gp = ours(GPSampler(), trials, suggest), theirs(samplers.GPSampler(seed=0), trials, suggest)
            goal = "≥ 40" if suggest is floats else "≥ 10"
            rows.append(race(f"GP, {trials} trials{name}", *gp, repeats, goal if trials == 100 else ""))
    rows += imports()
    if options.json:
        data = {"versions": versions, "rows": [asdict(r) | {"ratio": r.ratio} for r in rows]}
        Path(options.json).write_text(json.dumps(data, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
