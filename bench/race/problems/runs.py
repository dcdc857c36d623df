"""ARLBench (reinforcement learning) and TaskSet (recurrent networks): a configuration is worth its nearest real run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from luthier import Choice, Float, Int, Ordinal, Space
from luthier.space.domain import Domain

from .problem import MissingData, Problem, existing


def nearest(space: Space, runs: list[dict[str, Any]]) -> Callable[[Mapping[str, Any]], int]:
    """Return the function from a configuration to the nearest run in the encoded space.

    A different choice, and a parameter that only one of the two has, count like the whole of a range.
    """
    X = space.encode(runs)  # (n, d)
    is_choice = space.is_choice

    def find(config: Mapping[str, Any]) -> int:
        x = space.encode([config])[0]
        gap = np.abs(X - x)
        gap[:, is_choice] = gap[:, is_choice] > 0.5
        neither = np.isnan(X) & np.isnan(x)
        gap = np.where(neither, 0.0, np.where(np.isnan(gap), 1.0, gap))
        return int(np.argmin(np.sum(gap**2, axis=1)))

    return find


# -- ARLBench

_REPLAY = {"buffer_prio_sampling": True}
_TARGET = {"use_target_network": True}


def _dqn(batches: list[int], buffer: tuple[int, int], starts: tuple[int, int], interval: int) -> dict[str, Domain]:
    return {
        "learning_rate": Float(1e-6, 1e-1, log=True),
        "buffer_batch_size": Ordinal(batches),
        "buffer_size": Int(*buffer),
        "learning_starts": Int(*starts),
        "initial_epsilon": Float(0.5, 1.0),
        "target_epsilon": Float(0.001, 0.2),
        "buffer_prio_sampling": Choice([False, True]),
        "buffer_alpha": Float(0.01, 1.0, when=_REPLAY),
        "buffer_beta": Float(0.01, 1.0, when=_REPLAY),
        "buffer_epsilon": Float(1e-7, 1e-3, log=True, when=_REPLAY),
        "use_target_network": Choice([False, True]),
        "target_update_interval": Int(1, interval, when=_TARGET),
    }


def _sac(batches: list[int], buffer: tuple[int, int], starts: tuple[int, int]) -> dict[str, Domain]:
    return {
        "learning_rate": Float(1e-6, 1e-1, log=True),
        "buffer_batch_size": Ordinal(batches),
        "buffer_size": Int(*buffer),
        "learning_starts": Int(*starts),
        "reward_scale": Float(0.1, 10.0, log=True),
        "buffer_prio_sampling": Choice([False, True]),
        "buffer_alpha": Float(0.01, 1.0, when=_REPLAY),
        "buffer_beta": Float(0.01, 1.0, when=_REPLAY),
        "buffer_epsilon": Float(1e-9, 1e-4, log=True, when=_REPLAY),
        "use_target_network": Choice([False, True]),
        "tau": Float(0.01, 1.0, when=_TARGET),
    }


_PPO: dict[str, Domain] = {
    "learning_rate": Float(1e-6, 1e-1, log=True),
    "minibatch_size": Ordinal([32, 64, 128]),
    "clip_eps": Float(0.0, 0.5),
    "ent_coef": Float(0.0, 0.5),
    "gae_lambda": Float(0.8, 0.9999),
    "max_grad_norm": Float(0.0, 1.0),
    "vf_clip_eps": Float(0.0, 0.5),
    "vf_coef": Float(0.0, 1.0),
    "normalize_advantage": Choice([False, True]),
}

LANDSCAPES: dict[str, dict[str, Domain]] = {
    "atari_qbert_dqn": _dqn([16, 32, 64], (1024, 1_000_000), (1024, 32768), 2000),
    "brax_hopper_sac": _sac([512, 1024, 2048], (1024, 2_000_000), (256, 16384)),
    "cc_cartpole_dqn": _dqn([64, 128, 256], (1024, 120_000), (1, 2048), 100),
    "cc_pendulum_sac": _sac([256, 512, 1024], (1024, 120_000), (128, 8192)),
    "minigrid_empty_random_ppo": _PPO,
}


def _typed(domain: Domain, value: Any) -> Any:
    if isinstance(domain, Int):
        return round(value)
    return min(max(value, domain.low), domain.high) if isinstance(domain, Float) else value


@lru_cache(maxsize=2)
def _landscape(path: Path) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Configurations of the runs, and their losses (runs, seeds) at the largest budget; NaN where a run failed."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingData("the package pyarrow is not installed: pip install -e '.[race]'") from error
    rows = pyarrow.parquet.read_table(existing(path)).to_pylist()
    budget = max(row["budget"] for row in rows)
    last = [row for row in rows if row["budget"] == budget]
    runs = max(row["run_id"] for row in last) + 1
    seeds = max(row["seed"] for row in last) + 1
    losses = np.full((runs, seeds), np.nan)
    configs: list[dict[str, Any]] = [{} for _ in range(runs)]
    for row in last:
        losses[row["run_id"], row["seed"]] = np.nan if row["performance"] is None else -row["performance"]
        configs[row["run_id"]] = row
    return configs, losses


def arlbench(name: str, data: Path) -> Problem:
    """Return the problem "arlbench/LANDSCAPE": one of ten seeds is observed, their mean is true.

    A seed that failed counts as the worst return seen in the mean, and is observed as NaN.
    """
    landscape = name.split("/")[1]
    rows, losses = _landscape(data / "arlbench" / f"sobol_{landscape}.parquet")
    space = Space(LANDSCAPES[landscape])
    given = [{k: _typed(d, row[k]) for k, d in space.parameters.items() if row[k] is not None} for row in rows]
    find = nearest(space, given)
    means = np.mean(np.where(np.isnan(losses), np.nanmax(losses), losses), axis=1)

    def observe(config: Mapping[str, Any], rng: np.random.Generator) -> float:
        return float(rng.choice(losses[find(config)]))

    return Problem(
        name, space, observe, lambda config: float(means[find(config)]), float(means.min()), float(means.max())
    )


# -- TaskSet

TASKS = {
    "lstm128": "imdb_patch32_LSTM128_bs128",
    "vrnn128_tanh": "imdb_patch32_VRNN128_tanh_bs128",
    "vrnn64_relu": "imdb_patch32_VRNN64_relu_avg_bs128",
    "vrnn64_tanh": "imdb_patch32_VRNN64_tanh_avg_bs128",
}
_ADAM = Space(
    {
        "learning_rate": Float(1e-8, 10.0, log=True),
        "one_minus_beta1": Float(1e-4, 1.0, log=True),
        "one_minus_beta2": Float(1e-6, 1.0, log=True),
        "epsilon": Float(1e-10, 1e3, log=True),
        "l1": Float(1e-8, 10.0, log=True),
        "l2": Float(1e-8, 10.0, log=True),
        "linear_decay": Float(1e-7, 1e-4, log=True),
        "exponential_decay": Float(1e-6, 1e-3, log=True),
    }
)


def taskset(name: str, data: Path) -> Problem:
    """The problem "taskset/TASK": the validation loss at the end of the nearest run of Adam; NaN where it diverged."""
    task = TASKS[name.split("/")[1]]
    with np.load(existing(data / "taskset" / "taskset4.npz"), allow_pickle=False) as file:
        names, X = json.loads(str(file["hp"])), file[f"{task}/X"]
        losses = file[f"{task}/valid"][:, -1].astype(np.float64)  # (1000,)
    runs = []
    for row in X.tolist():
        run = {
            n.replace("beta", "one_minus_beta"): 1 - v if "beta" in n else v for n, v in zip(names, row, strict=True)
        }
        runs.append({k: _typed(d, run[k]) for k, d in _ADAM.parameters.items()})
    find = nearest(_ADAM, runs)

    def true(config: Mapping[str, Any]) -> float:
        return float(losses[find(config)])

    # losses run up to 1e5: the median, which is chance level, stands for regret 1
    best, worst = float(np.nanmin(losses)), float(np.nanmedian(losses))
    return Problem(name, _ADAM, lambda config, rng: true(config), true, best, worst)  # noqa: ARG005
