"""LCBench: a surrogate (YAHPO Gym) of 2,000 networks per OpenML task.

The loss is 100 less the validation accuracy at epoch 52.
Only the ten development tasks are ever evaluated; the check of the harness reads three others, by random search alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from luthier import Float, Int, Space

from .problem import MissingData, Problem, existing

DEVELOPMENT = ("3945", "34539", "126025", "126029", "146212", "167104", "167149", "167152", "167161", "168329")
PUBLISHED = ("167168", "189873", "189906")  # for check.py, which compares random search with published figures
EPOCH = 52.0
ACCURACY = 1  # output column: time, val_accuracy, ...

SPACE = Space(
    {
        "batch_size": Int(16, 512, log=True),
        "learning_rate": Float(1e-4, 1e-1, log=True),
        "momentum": Float(0.1, 0.99),
        "weight_decay": Float(1e-5, 1e-1),
        "num_layers": Int(1, 5),
        "max_units": Int(64, 1024, log=True),
        "max_dropout": Float(0.0, 1.0),
    }
)


@lru_cache(maxsize=1)
def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingData("the package onnxruntime is not installed: pip install -e '.[race]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(existing(path)), options, providers=["CPUExecutionProvider"])


def losses(task: str, configs: Sequence[Mapping[str, Any]], data: Path, allowed: Sequence[str]) -> np.ndarray:
    """(n,) losses of configurations on one of the allowed tasks."""
    assert task in allowed and set(allowed) <= {*DEVELOPMENT, *PUBLISHED}, f"LCBench task {task} is not to be evaluated"
    codes = json.loads(existing(data / "lcbench" / "encoding.json").read_text())["OpenML_task_id"]
    continuous = np.array([[EPOCH, *(c[name] for name in SPACE.names)] for c in configs], dtype=np.float32)  # (n, 8)
    categories = np.full((len(configs), 1), codes[task], dtype=np.int32)
    (output,) = _session(data / "lcbench" / "model.onnx").run(None, {"x_cat": categories, "x_cont": continuous})
    return 100.0 - np.asarray(output, dtype=np.float64)[:, ACCURACY]


def scale(task: str, data: Path) -> tuple[float, float]:
    """(best, worst) loss known of a task."""
    known = json.loads(existing(data / "lcbench" / "best_known_val_accuracy_epoch52.json").read_text())[task]
    return 100.0 - known["best_known"], 100.0 - known["worst"]


def lcbench(name: str, data: Path) -> Problem:
    """Return the problem "lcbench/TASK" for a development task."""
    task = name.split("/")[1]
    assert task in DEVELOPMENT, f"LCBench task {task} is not among the development tasks {DEVELOPMENT}"
    _session(data / "lcbench" / "model.onnx")
    best, worst = scale(task, data)

    def true(config: Mapping[str, Any]) -> float:
        return float(losses(task, [config], data, DEVELOPMENT)[0])

    return Problem(name, SPACE, lambda config, rng: true(config), true, best, worst)  # noqa: ARG005
