"""Several objectives: how much hypervolume Luthier, Optuna and random search lack after 30, 60 and 100 trials.

    python -m bench.objectives --peers luthier random nsga2 tpe --problems zdt1 tree --seeds 5 --json FILE

The gap is (best - reached) / best of the hypervolume of feasible trials below the problem's reference point: 0 is
all, 1 is nothing. The best is that of the front where a formula gives it, else the most that was ever reached.
LCBench is read from the folder that $LUTHIER_BENCH_DATA names; its objectives are the error and ln seconds / ln 10.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from bench.race.plain import parse
from bench.race.problems import data_folder
from bench.race.problems.lcbench import EPOCH, SPACE, _session
from luthier import Choice, Float, Int, Space
from luthier.history import History
from luthier.multiobjective.hypervolume import hypervolume
from luthier.samplers import GPSampler, RandomSampler
from luthier.trial import TrialRecord, TrialState

Told = tuple[tuple[float, ...], tuple[float, ...]]  # values, constraints
AFTER = (30, 60, 100)
PARAMETERS = 6
LCBENCH = ("168329", "167104")  # development tasks


@dataclass(frozen=True)
class Problem:
    space: Space
    objectives: Callable[[Mapping[str, Any]], Told]
    reference: tuple[float, ...]
    best: float
    constrained: bool = False

    def gap(self, losses: list[tuple[float, ...]]) -> float:
        return 1 - hypervolume(np.array(losses), np.array(self.reference)) / self.best


def zdt(power: float, c: Mapping[str, float]) -> Told:
    """ZDT1 (power 1/2) and ZDT2 (2): Zitzler, Deb & Thiele 2000."""
    first, *rest = c.values()
    g = 1 + 9 * float(np.mean(rest))
    return (first, g * (1 - (first / g) ** power)), ()


def dtlz2(m: int, c: Mapping[str, float]) -> tuple[float, ...]:
    """DTLZ2: Deb, Thiele, Laumanns & Zitzler 2002."""
    x = np.array(list(c.values()))
    angles = x[: m - 1] * math.pi / 2
    radius = 1 + float(((x[m - 1 :] - 0.5) ** 2).sum())
    sines = np.append(1.0, np.sin(angles[::-1]))
    return tuple(float(radius * np.prod(np.cos(angles[: m - 1 - i])) * sines[i]) for i in range(m))


def c2dtlz2(c: Mapping[str, float]) -> Told:
    """C2-DTLZ2 with r = 0.2: Jain & Deb 2014."""
    v = np.array(dtlz2(2, c))
    ends = [(v[i] - 1) ** 2 + v[1 - i] ** 2 for i in range(2)]
    return tuple(v.tolist()), (float(min(*ends, ((v - math.sqrt(0.5)) ** 2).sum()) - 0.04),)


def bnh(c: Mapping[str, float]) -> Told:
    """Binh & Korn 1997."""
    x, y = c["x"], c["y"]
    values = (4 * x * x + 4 * y * y, (x - 5) ** 2 + (y - 5) ** 2)
    return values, ((x - 5) ** 2 + y * y - 25, 7.7 - (x - 8) ** 2 - (y + 3) ** 2)


TREE = Space(
    {
        "model": Choice(["linear", "forest", "network"]),
        "penalty": Float(1e-6, 1e2, log=True, when={"model": "linear"}),
        "trees": Int(10, 1000, log=True, when={"model": "forest"}),
        "depth": Int(1, 20, when={"model": "forest"}),
        "layers": Int(1, 5, when={"model": "network"}),
        "learning_rate": Float(1e-5, 1.0, log=True, when={"model": "network"}),
        "optimizer": Choice(["sgd", "adam"], when={"model": "network"}),
        "momentum": Float(0.0, 0.99, when={"optimizer": "sgd"}),
    }
)


def tree(c: Mapping[str, Any]) -> Told:
    """Error against the logarithm of the time that a training takes, by the kind of model."""
    if c["model"] == "linear":
        penalty = math.log10(c["penalty"])
        return (0.30 + 0.05 * min(1.0, (penalty / 3) ** 2), 0.1 + 0.05 * (penalty + 6) / 8), ()
    if c["model"] == "forest":
        error = 0.18 + 0.08 * (3 - math.log10(c["trees"])) / 2 + 0.2 * ((c["depth"] - 15) / 14) ** 2
        return (error, math.log10(c["trees"] * c["depth"]) - 0.5), ()
    rate, is_adam = math.log10(c["learning_rate"]), c["optimizer"] == "adam"
    if is_adam:
        error = 0.13 + 0.5 * (1 - math.exp(-((rate + 3) ** 2)))
    else:
        ideal = -1.5 + math.log10(1.01 - c["momentum"])
        error = 0.1 + 0.5 * (1 - math.exp(-((rate - ideal) ** 2))) + 0.1 * (1 - c["momentum"]) ** 2
    return (error + 0.03 * (5 - c["layers"]), 2.2 + 0.35 * c["layers"] + 0.3 * is_adam), ()


def lcbench(task: str, c: Mapping[str, Any]) -> Told:
    folder = data_folder() / "lcbench"
    code = json.loads((folder / "encoding.json").read_text())["OpenML_task_id"][task]
    numbers = np.array([[EPOCH, *(c[name] for name in SPACE.names)]], dtype=np.float32)
    inputs = {"x_cat": np.array([[code]], dtype=np.int32), "x_cont": numbers}
    seconds, accuracy = np.asarray(_session(folder / "model.onnx").run(None, inputs)[0], dtype=np.float64)[0, :2]
    return (float(100 - accuracy), math.log10(max(float(seconds), 1e-3))), ()


def problems() -> dict[str, Problem]:
    unit = Space({f"x{i}": Float(0, 1) for i in range(PARAMETERS)})
    found = {
        "zdt1": Problem(unit, partial(zdt, 0.5), (1.1, 1.1), 1.1**2 - 1 / 3),
        "zdt2": Problem(unit, partial(zdt, 2.0), (1.1, 1.1), 1.1**2 - 2 / 3),
    }
    for m in (2, 3, 4):
        ball = math.pi ** (m / 2) / math.gamma(m / 2 + 1) / 2**m
        found[f"dtlz2-{m}"] = Problem(unit, lambda c, m=m: (dtlz2(m, c), ()), (1.1,) * m, 1.1**m - ball)
    found["tree"] = Problem(TREE, tree, (0.4, 4.3), 0.7191)
    box = Space({"x": Float(0, 5), "y": Float(0, 3)})
    found["bnh"] = Problem(box, bnh, (140.0, 50.0), 5284.6, constrained=True)
    found["c2dtlz2"] = Problem(unit, c2dtlz2, (1.1, 1.1), 0.3823, constrained=True)
    for task, reference, best in zip(LCBENCH, ((92.0917, 3.18146), (55.3192, 1.85308)), (53.860, 44.243), strict=True):
        found[f"lcbench-{task}"] = Problem(SPACE, partial(lcbench, task), reference, best)
    return found


def ours(sampler: Any, problem: Problem, seed: int) -> Iterator[Told]:
    history = History(problem.space, ("minimize",) * len(problem.reference))
    for i in range(AFTER[-1]):
        (c,) = sampler.suggest(problem.space, history, np.random.default_rng([seed, i]), 1)
        values, constraints = problem.objectives(c)
        history.put([TrialRecord(i, TrialState.COMPLETE, c, values, constraints)])
        yield values, constraints


def optunas(sampler: Callable[..., Any], problem: Problem, seed: int) -> Iterator[Told]:
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    limits = (lambda trial: trial.user_attrs["constraints"]) if problem.constrained else None
    parameters = parse(problem.space.to_json())
    study = optuna.create_study(
        directions=["minimize"] * len(problem.reference), sampler=sampler(seed=seed, constraints_func=limits)
    )
    for _ in range(AFTER[-1]):
        trial, raw, c = study.ask(), {}, {}
        for p in parameters:
            if not p.is_active(raw):
                continue
            if p.is_choice:
                raw[p.name] = p.labels.index(trial.suggest_categorical(p.name, p.labels))
                c[p.name] = p.labels[raw[p.name]]
            else:
                suggest = trial.suggest_float if p.is_float else trial.suggest_int
                raw[p.name] = c[p.name] = suggest(p.name, p.low, p.high, log=p.log)
        values, constraints = problem.objectives(c)
        trial.set_user_attr("constraints", constraints)
        study.tell(trial, values)
        yield values, constraints


PEERS: dict[str, Callable[[Problem, int], Iterator[Told]]] = {
    "luthier": lambda problem, seed: ours(GPSampler(), problem, seed),
    "random": lambda problem, seed: ours(RandomSampler(), problem, seed),
    "nsga2": partial(optunas, optuna.samplers.NSGAIISampler),
    "tpe": partial(optunas, optuna.samplers.TPESampler),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = problems()
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--problems", nargs="+", choices=known, default=list(known))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also append every run as a line")
    chosen = parser.parse_args()
    print(
        "| problem | peer | "
        + " | ".join(f"after {n}" for n in AFTER)
        + " | CPU ms a trial |\n|---|---|---|---|---|---|"
    )
    for name in chosen.problems:
        for peer in chosen.peers:
            gaps, seconds = [], []
            for seed in range(chosen.seeds):
                start, feasible, row = time.process_time(), [], []
                for i, (values, constraints) in enumerate(PEERS[peer](known[name], seed), 1):
                    if max(constraints, default=0.0) <= 0:
                        feasible.append(values)
                    if i in AFTER:
                        row.append(known[name].gap(feasible))
                gaps.append(row)
                seconds.append((time.process_time() - start) / AFTER[-1])
                if chosen.json is not None:
                    with chosen.json.open("a") as file:
                        file.write(json.dumps({"problem": name, "peer": peer, "seed": seed, "gaps": row}) + "\n")
            means = " | ".join(f"{g:.4f}" for g in np.mean(gaps, axis=0))
            print(f"| {name} | {peer} | {means} | {1000 * np.mean(seconds):.0f} |", flush=True)


if __name__ == "__main__":
    main()
