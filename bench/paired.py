"""Variants of the default sampler against each other: the same problems, seeds and noise, so differences are paired.

    python -m bench.paired run today --seeds 8 --first-seed 400
    python -m bench.paired run flat --seeds 8 --first-seed 400 --set samplers.gp.sampler._PLATEAU=0
    python -m bench.paired table today flat

A constant of a module is set by its name; a variant that needs other code is run from another tree (PYTHONPATH).
The table has the geometric mean of the regrets (plus 0.0003) relative to the first variant, and in brackets the
standard error of its logarithm to base 10; and the mean rank of each among all of them, run by run.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from bench.race.problems import data_folder, load, select
from bench.race.run import ONE_THREAD

MARKS = (10, 15, 20, 25, 35, 50, 75, 100)
_SMALL = 0.0003  # added to a regret: below it nothing is worth a trial


def trace(problem: str, seed: int, trials: int, settings: Mapping[str, Any], recommend: bool = False) -> dict[str, Any]:
    """One run of the default sampler: the true regret after each mark, of the best value or of the recommended."""
    import luthier as lt

    for name, value in settings.items():
        module, _, constant = name.rpartition(".")
        found = importlib.import_module(f"luthier.{module}")
        if not hasattr(found, constant):
            raise AttributeError(f"luthier.{module} has no {constant}")
        setattr(found, constant, value)
    p = load(problem, data_folder())
    lt.set_verbosity("error")  # a line for each training that diverges would be thousands
    study = lt.create_study(space=p.space, seed=seed)
    best, regret = np.inf, 1.0
    found: list[float] = []
    for number in range(trials):
        trial = study.ask()
        config = trial.params
        loss = p.observe(config, np.random.default_rng([seed, number]))
        study.tell(trial, loss)
        if loss < best:
            best, regret = loss, p.regret(config)
        if number + 1 in MARKS:
            known = recommend and best < np.inf
            found.append(round(p.regret(study.recommended_trial.params) if known else regret, 9))
    return {"problem": problem, "seed": seed, "regret": found}


def _run(a: argparse.Namespace, path: Path) -> None:
    settings = {name: ast.literal_eval(value) for name, value in (word.split("=", 1) for word in a.set)}
    done = {(x["problem"], x["seed"]) for x in _read(path)}
    seeds = range(a.first_seed, a.first_seed + a.seeds)
    todo = [(p, s) for s in seeds for p in select(a.problems) if (p, s) not in done]
    path.parent.mkdir(parents=True, exist_ok=True)
    os.environ |= ONE_THREAD
    with (
        ProcessPoolExecutor(a.jobs, mp_context=multiprocessing.get_context("spawn")) as pool,
        path.open("a") as file,
    ):
        for future in as_completed([pool.submit(trace, p, s, a.trials, settings, a.recommended) for p, s in todo]):
            file.write(json.dumps(future.result()) + "\n")
            file.flush()


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _row(name: str, log_ratio: np.ndarray, rank: np.ndarray) -> str:
    """Of (runs, marks) log ratios to the first variant, and ranks."""
    mean, error = log_ratio.mean(axis=0), log_ratio.std(axis=0, ddof=1) / np.sqrt(len(log_ratio))
    cells = [f"{10**m:.2f} (±{e:.3f}) {r:.2f}" for m, e, r in zip(mean, error, rank.mean(axis=0), strict=True)]
    return f"| {name} | {' | '.join(cells)} |"


def table(variants: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return all variants over the runs that each of them has; the marks are those that all of them reached."""
    runs = [{(x["problem"], x["seed"]): x["regret"] for x in lines} for lines in variants.values()]
    shared = sorted(set.intersection(*(set(r) for r in runs)))
    marks = min(len(r[key]) for r in runs for key in shared)
    logs = np.log10(np.array([[r[key][:marks] for key in shared] for r in runs]) + _SMALL)  # (k, runs, marks)
    ranks = stats.rankdata(logs, axis=0)
    groups = np.array([problem.split("/")[0] for problem, _ in shared])
    text = ""
    for group in ["all", *sorted(set(groups))]:
        rows = np.ones(len(shared), bool) if group == "all" else groups == group
        text += f"\n{group}: {int(rows.sum())} runs\n\n| variant | {' | '.join(map(str, MARKS[:marks]))} |\n"
        text += "|---" * (marks + 1) + "|\n"
        for name, own, rank in zip(variants, logs, ranks, strict=True):
            text += _row(name, own[rows] - logs[0, rows], rank[rows]) + "\n"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.paired", description=__doc__)
    parser.add_argument("command", choices=("run", "table"))
    parser.add_argument("variants", nargs="+", metavar="NAME", help="one to run; the first of a table is the measure")
    parser.add_argument("--set", nargs="+", default=[], metavar="MODULE.CONSTANT=VALUE")
    parser.add_argument("--problems", nargs="+", default=["real"], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first-seed", type=int, default=400)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--recommended", action="store_true", help="of the recommended trial, which costs a fit a mark")
    parser.add_argument("--out", type=Path, default=Path("runs/paired"))
    a = parser.parse_args()
    if a.command == "run":
        _run(a, a.out / f"{a.variants[0]}.jsonl")
    else:
        print(table({name: _read(a.out / f"{name}.jsonl") for name in a.variants}))


if __name__ == "__main__":
    main()
