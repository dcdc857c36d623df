"""Many parameters: the mean best value of Luthier's samplers on functions of 30 to 200 numbers.

    python -m bench.dimensions --parameters 30 100 --samplers gp tpe --seeds 3 --first-seed 1 --trials 100

All parameters are floats in [0, 1]; every function is 0 at its optimum, which is off the centre. `few` depends on ten
of them alone, with weights that grow.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import luthier as lt
from luthier.samplers import AutoSampler, GPSampler, RandomSampler, Sampler, TPESampler

Vector = NDArray[np.float64]  # (d,)
SAMPLERS: dict[str, Callable[[], Sampler]] = {
    "auto": AutoSampler,
    "gp": GPSampler,
    "tpe": TPESampler,
    "random": RandomSampler,
}


def few(x: Vector) -> float:
    return float(np.arange(1, 11) ** 2 @ (x[:10] - 0.7) ** 2) / 10


def ellipsoid(x: Vector) -> float:
    return float(np.mean(np.logspace(0, 2, len(x)) * (x - 0.4) ** 2)) / 20


def rosenbrock(x: Vector) -> float:
    z = 4 * x - 2
    return float(np.mean(100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2))


def levy(x: Vector) -> float:
    w = 1 + (20 * x - 9) / 4
    middle = (w[:-1] - 1) ** 2 * (1 + 10 * np.sin(math.pi * w[:-1] + 1) ** 2)
    return float(np.sin(math.pi * w[0]) ** 2 + middle.sum() + (w[-1] - 1) ** 2) / len(x)


def ackley(x: Vector) -> float:
    z = 15 * x - 5
    waves = float(np.mean(np.cos(2 * math.pi * z)))
    return float(-20 * math.exp(-0.2 * math.sqrt(float(np.mean(z * z)))) - math.exp(waves) + 20 + math.e)


def best(f: Callable[[Vector], float], d: int, sampler: str, seed: int, trials: int) -> float:
    names = [f"x{i}" for i in range(d)]
    space = lt.Space({name: lt.Float(0, 1) for name in names})
    lt.set_verbosity("error")
    study = lt.create_study(space=space, sampler=SAMPLERS[sampler](), seed=seed)
    study.optimize(lambda trial: f(np.array([trial.params[name] for name in names])), n_trials=trials)
    return study.best_value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parameters", nargs="+", type=int, default=[30, 100])
    parser.add_argument("--samplers", nargs="+", default=["gp", "tpe"], choices=SAMPLERS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=100)
    args = parser.parse_args()
    print("| function | parameters | " + " | ".join(args.samplers) + " |")
    print("|---" * (2 + len(args.samplers)) + "|")
    spent = dict.fromkeys(args.samplers, 0.0)
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    for f in (few, ellipsoid, rosenbrock, levy, ackley):
        for d in args.parameters:
            cells = []
            for sampler in args.samplers:
                start = time.process_time()
                cells.append(f"{np.mean([best(f, d, sampler, seed, args.trials) for seed in seeds]):.3g}")
                spent[sampler] += time.process_time() - start
            print(f"| {f.__name__} | {d} | " + " | ".join(cells) + " |", flush=True)
    runs = 5 * len(args.parameters) * args.seeds * args.trials
    print("ms of processor time a trial: " + ", ".join(f"{s} {1000 * t / runs:.1f}" for s, t in spent.items()))


if __name__ == "__main__":
    main()
