"""Functions with known optima and known traps. An infinite loss is observed as NaN: a failed trial."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from luthier import Choice, Float, Int, Space

from .problem import Problem

Config: TypeAlias = Mapping[str, Any]


def _problem(
    name: str, space: Space, true: Callable[[Config], float], best: float, worst: float, noise: float = 0.0
) -> Problem:
    def finite(config: Config) -> float:
        loss = true(config)
        return loss if math.isfinite(loss) else math.nan

    def observe(config: Config, rng: np.random.Generator) -> float:
        return finite(config) + noise * float(rng.standard_normal())

    return Problem(f"analytic/{name}", space, observe, finite, best, worst, is_real=False)


def _branin(c: Config) -> float:
    x, y = c["x"], c["y"]
    bowl = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return float(bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)


# Hartmann-6: Dixon & Szegö 1978
_HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_SCALES = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_CENTRES = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def _hartmann6(c: Config) -> float:
    x = np.array([c[f"x{i}"] for i in range(6)])
    return float(-_HEIGHTS @ np.exp(-np.sum(_SCALES * (x - _CENTRES) ** 2, axis=1)))


def _ackley(c: Config) -> float:
    x = np.array(list(c.values()))
    root, waves = math.sqrt(float(np.mean(x**2))), float(np.mean(np.cos(2 * math.pi * x)))
    return -20 * math.exp(-0.2 * root) - math.exp(waves) + 20 + math.e


_TREE = Space(
    {
        "model": Choice(["linear", "forest", "network"]),
        "penalty": Float(1e-6, 1e2, log=True, when={"model": "linear"}),
        "trees": Int(10, 1000, log=True, when={"model": "forest"}),
        "depth": Int(1, 20, when={"model": "forest"}),
        "layers": Int(1, 5, when={"model": "network"}),
        "learning_rate": Float(1e-5, 1.0, log=True, when={"model": "network"}),
        "optimizer": Choice(["sgd", "adam"], when={"model": "network"}),
        "momentum": Float(0.0, 0.99, when={"optimizer": "sgd"}),
        "warmup": Float(0.0, 1.0, when={"optimizer": "adam"}),
    }
)


def _tree(c: Config) -> float:
    """The linear branch is good nearly everywhere and never best; the network is bad nearly everywhere, and best."""
    if c["model"] == "linear":
        return 0.30 + 0.02 * min(1.0, (math.log10(c["penalty"]) / 3) ** 2)
    if c["model"] == "forest":
        depth: float = (c["depth"] - 13) / 12
        return 0.25 + 0.1 * (math.log10(c["trees"]) - 2.5) ** 2 / 2.25 + 0.2 * depth**2
    rate = math.log10(c["learning_rate"])
    if c["optimizer"] == "sgd":
        ideal = -1.5 + math.log10(1.01 - c["momentum"])  # the rate that suits depends on the momentum
        loss = 0.1 + 0.5 * (1 - math.exp(-((rate - ideal) ** 2))) + 0.3 * (c["momentum"] - 0.9) ** 2
    else:
        loss = 0.15 + 0.5 * (1 - math.exp(-((rate + 3) ** 2))) + 0.1 * (c["warmup"] - 0.2) ** 2
    return float(loss + 0.02 * abs(c["layers"] - 3))


def _constrained(c: Mapping[str, float]) -> float:
    """Half the space, x + y > 1, fails; the optimum without the constraint lies there, the feasible one on the edge."""
    if c["x"] + c["y"] > 1:
        return math.inf
    return (c["x"] - 0.8) ** 2 + (c["y"] - 0.7) ** 2 + (c["z"] - 0.3) ** 2 + 0.5 * (c["w"] - c["z"] - 0.2) ** 2


def _diverging(c: Mapping[str, float]) -> float:
    """A training that is best just below the rate at which it diverges, and also dies of a strong weight decay."""
    effective = c["learning_rate"] / (1 - c["momentum"])
    margin = math.log10(effective / (0.5 * math.sqrt(64 / c["width"])))
    if margin > 0 or (c["weight_decay"] > 0.03 and c["learning_rate"] > 0.01):
        return math.inf
    return (
        0.1 * min(abs(margin + 0.1), 3.0)
        + 0.05 * (math.log10(c["weight_decay"]) + 3.5) ** 2 / 6
        + 0.2 * (c["momentum"] - 0.8) ** 2
        + 0.05 * (math.log2(c["width"]) - 8) ** 2 / 16
    )


_UNIT = Float(0.0, 1.0)
_DIVERGING = Space(
    {
        "learning_rate": Float(1e-5, 1.0, log=True),
        "momentum": Float(0.0, 0.99),
        "weight_decay": Float(1e-6, 1e-1, log=True),
        "width": Int(16, 1024, log=True),
    }
)

ANALYTIC: dict[str, Problem] = {
    p.name.split("/")[1]: p
    for p in (
        _problem("branin", Space({"x": Float(-5, 10), "y": Float(0, 15)}), _branin, 0.39788735772973816, 308.13),
        _problem("hartmann6", Space({f"x{i}": _UNIT for i in range(6)}), _hartmann6, -3.32236801141551, 0.0),
        # the range is lopsided, so that a tuner that starts in the middle does not start at the optimum
        _problem("ackley20", Space({f"x{i}": Float(-5, 10) for i in range(20)}), _ackley, 0.0, 19.5),
        _problem("tree", _TREE, _tree, 0.1, 0.8),
        _problem("constrained", Space(dict.fromkeys("xyzw", _UNIT)), _constrained, 0.125, 2.42),
        _problem("diverging", _DIVERGING, _diverging, 0.0, 0.6, noise=0.002),
    )
}
