"""Which trial to take in noise: the best value, the recommended one, or the winner of re-runs.

    python -m bench.recommendation --problems arlbench hpobench hpolib nasbench201 --seeds 5

Luthier searches; after 25, 50 and 100 trials four answers are judged by their true regret: the best value, the
recommended trial, and the best mean of three re-runs on fresh seeds of the five best values, or of the five trials
that `luthier.confirm.plan_reruns` takes. Re-runs are repeated three times. Mean regret, and the geometric mean of the
regret (plus 0.0003) relative to that of the best value, with the standard error of its logarithm to base 10.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

import luthier as lt
from bench.race.problems import Problem, data_folder, load, select
from luthier.analysis import expected_order
from luthier.confirm import best_trials, plan_reruns
from luthier.history import History
from luthier.trial import TrialRecord
from luthier.types import Configuration

AFTER = (25, 50, 100)
ANSWERS = ("best value", "recommended", "re-runs of the best values", "re-runs of those expected to be best")
TOP, RERUNS, REPEATS = 5, 3, 3


def searched(problem: Problem, seed: int) -> list[TrialRecord]:
    """Return the trials of one search, the race's noise in them."""
    study = lt.create_study(space=problem.space, seed=seed)
    for number in range(max(AFTER)):
        trial = study.ask()
        config = problem.space.check(trial.stored_params)
        study.tell(trial, problem.observe(config, np.random.default_rng([seed, number])))
    return study.trials


def confirmed(problem: Problem, candidates: Iterable[Configuration], repeat: int) -> Configuration:
    """Return the candidate with the best mean on fresh seeds; one that fails once is out."""

    def mean(config: Configuration) -> float:
        values = [problem.observe(config, np.random.default_rng([9, repeat, k])) for k in range(RERUNS)]
        found = float(np.mean(values))
        return math.inf if math.isnan(found) else found

    return min(candidates, key=mean)


def answers(problem: Problem, trials: list[TrialRecord]) -> list[float]:
    """True regret of the four answers; 1 before the first success."""
    history = History(problem.space, ("minimize",))
    history.put(trials)
    best = [t.params for t in best_trials(history)[:TOP]]
    if not best:
        return [1.0] * len(ANSWERS)
    expected = [params for _, params, _ in plan_reruns(history, TOP).entries]
    recommended = history.records[int(expected_order(history)[0])].params
    return [
        problem.regret(best[0]),
        problem.regret(recommended),
        *(
            float(np.mean([problem.regret(confirmed(problem, candidates, k)) for k in range(REPEATS)]))
            for candidates in (best, expected)
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", default=["arlbench", "hpobench", "hpolib", "nasbench201"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--data", type=Path)
    args = parser.parse_args()
    found: dict[tuple[str, int], list[list[float]]] = {}
    for name in select(args.problems):
        problem = load(name, data_folder(args.data))
        for seed in range(args.first_seed, args.first_seed + args.seeds):
            trials = searched(problem, seed)
            for n in AFTER:
                found.setdefault((name.split("/")[0], n), []).append(answers(problem, trials[:n]))
    print(f"| problems | runs | after | {' | '.join(ANSWERS)} |")
    print("|---" * (3 + len(ANSWERS)) + "|")
    for (group, n), rows in sorted(found.items()):
        regrets = np.array(rows)  # (runs, answers)
        logs = np.log10(regrets + 3e-4)
        gain = logs - logs[:, :1]
        error = gain.std(axis=0, ddof=1) / math.sqrt(len(rows)) if len(rows) > 1 else np.full(len(ANSWERS), np.nan)
        cells = [
            f"{regrets[:, k].mean():.4f}" + (f", {10 ** gain[:, k].mean():.2f} (±{error[k]:.3f})" if k else "")
            for k in range(len(ANSWERS))
        ]
        print(f"| {group} | {len(rows)} | {n} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
