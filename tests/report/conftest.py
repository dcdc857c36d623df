from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from luthier.confirm import Baseline, Check, Confirmation, check, rerun
from luthier.history import History
from luthier.space import Choice, Float, Int, Ordinal, Space
from luthier.trial import TrialRecord, TrialState
from luthier.types import Direction

SPACE = Space(
    {
        "lr": Float(1e-4, 1.0, log=True, default=0.01),
        "batch_size": Ordinal([16, 32, 64, 128, 256], default=64),
        "layers": Int(1, 4, default=2),
        "width": Int(16, 512, log=True, default=64),
        "optimizer": Choice(["sgd", "adam", "rmsprop"], default="sgd"),
        "momentum": Float(0.0, 0.99, default=0.9, when={"optimizer": "sgd"}),
        "dropout": Float(0.0, 0.6, default=0.0),
        "activation": Choice(["relu", "gelu", "tanh"], default="relu"),
    }
)


@dataclass
class FakeStudy:
    """A study's face, as far as a report looks at it."""

    name: str
    history: History

    @property
    def space(self) -> Space:
        return self.history.space


def accuracy(params: dict, noise: float = 0.0) -> float:
    ideal = {"sgd": -1.2, "adam": -2.6, "rmsprop": -2.8}[params["optimizer"]]
    loss = 0.012 + 0.02 * (np.log10(params["lr"]) - ideal) ** 2
    loss += 0.008 * (np.log2(params["width"]) - 7.5) ** 2 / 4 + 0.015 * abs(params["dropout"] - 0.2)
    loss += 0.012 * (params["activation"] == "tanh") + 0.006 * (4 - params["layers"]) / 3
    loss += 0.02 * (params.get("momentum", 0.9) - 0.9) ** 2
    return float(np.clip(1 - loss + noise, 0.1, 0.999))


def make_history(n: int = 40, seed: int = 3, epochs: int = 15, direction: Direction = "maximize") -> History:
    """A study of digits: about a fifth pruned, two failed, two workers."""
    rng = np.random.default_rng(seed)
    configurations = [SPACE.defaults(), *SPACE.decode(SPACE.sample(rng, max(n - 1, 0)))][:n]
    history, clock, done = History(SPACE, (direction,)), {0: 1.7e9, 1: 1.7e9 + 2}, []
    for i, params in enumerate(configurations):
        if i > 15 and rng.random() < 0.5:  # later on, near the best
            u = np.clip(SPACE.encode([max(done)[1]])[0] + rng.normal(0, 0.08, len(SPACE)), 0, 1)
            near = SPACE.decode(SPACE.snap(np.where(SPACE.is_choice, SPACE.encode([max(done)[1]])[0], u)[None]))[0]
            params = near
        worker = min(clock, key=lambda w: clock[w])
        final = accuracy(params, rng.normal(0, 0.003))
        steps = np.arange(1, epochs + 1)
        curve = final - (final - 0.12) * np.exp(-steps / (1.5 + 2 * rng.random())) + rng.normal(0, 0.003, epochs)
        state, ran, error = TrialState.COMPLETE, epochs, None
        if i in (9, 27):
            state, ran, error = TrialState.FAIL, 3, "Traceback ...\nRuntimeError: loss is nan after step 3"
        elif i > 8 and curve[4] < np.median([c[4] for _, _, c in done]) and rng.random() < 0.75:
            state, ran = TrialState.PRUNED, 5
        seconds = ran * (1 + params["width"] / 150 + 16 / params["batch_size"]) * rng.uniform(0.9, 1.1)
        value = final if state == TrialState.COMPLETE else None
        sign = 1 if direction == "maximize" else -1
        record = TrialRecord(
            i,
            state,
            params,
            (sign * value,) if value is not None else None,
            reports=tuple((int(s), float(sign * v)) for s, v in zip(steps[:ran], curve[:ran], strict=True)),
            error=error,
            started=clock[worker],
            finished=clock[worker] + seconds,
            owner=f"host-{4100 + worker}",
        )
        clock[worker] += seconds + 0.3
        if value is not None:
            done.append((value, params, curve))
        history.put([record])
    return history


def make_confirmation(history: History) -> Confirmation:
    def evaluate(params: dict, seed: int) -> float:
        return accuracy(params, np.random.default_rng([seed, int(1e6 * params["lr"])]).normal(-0.002, 0.003))

    return rerun(history, evaluate, top=5, seeds=5, include_default=True)


def make_check(n: int = 1797) -> Check:
    rng = np.random.default_rng(0)
    return check("accuracy", best=rng.random(n) < 0.981, baseline=rng.random(n) < 0.955)


@pytest.fixture(scope="session")
def study() -> FakeStudy:
    return FakeStudy("digits", make_history())


@pytest.fixture(scope="session")
def everything(study: FakeStudy) -> dict:
    """All that `write_report` takes beside the study."""
    return {
        "title": "Handwritten digits, a small network",
        "metric": "accuracy",
        "steps": [
            ("Problem", "Classify 8 × 8 images of handwritten digits. The goal is accuracy on digits never seen."),
            ("Data", {"examples": 1797, "classes": 10, "train / validation / test": "1078 / 359 / 360"}),
            ("Method", {"sampler": "AutoSampler", "pruner": "MedianPruner", "seed": 0, "budget": "40 trials"}),
        ],
        "baseline": Baseline("default configuration", 0.9551, SPACE.defaults(), seconds=21.4),
        "confirmation": make_confirmation(study.history),
        "check": make_check(360),
        "environment": {"luthier": "0.1", "python": "3.11", "cores": 2, "seed": 0, "command": "luthier run digits"},
    }


@pytest.fixture(scope="session")
def fake_study() -> type[FakeStudy]:
    return FakeStudy


@pytest.fixture(scope="session")
def history_of() -> object:
    return make_history
