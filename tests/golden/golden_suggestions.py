"""The suggestions of every sampler on every kind of space and store, as text: what must not change by accident.

    python tests/golden/golden_suggestions.py    # after a change on purpose: writes suggestions.json anew

Numbers keep six significant digits, so that another processor's last digits make no difference. The samplers of a
Gaussian process amplify those, so their first twelve trials alone are kept.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import luthier as lt

FILE = Path(__file__).with_name("suggestions.json")

FLOATS = lt.Space({f"x{i}": lt.Float(0, 1) for i in range(3)} | {"lr": lt.Float(1e-5, 1, log=True)})
MIXED = lt.Space(
    {
        "lr": lt.Float(1e-5, 1, log=True),
        "width": lt.Int(8, 256, log=True),
        "drop": lt.Float(0, 0.5, step=0.1),
        "kind": lt.Choice(["a", "b", "c"]),
        "size": lt.Ordinal([16, 32, 64, 128]),
    }
)
CONDITIONAL = lt.Space(
    {
        "kind": lt.Choice(["sgd", "adam"]),
        "momentum": lt.Float(0, 1, when="kind == 'sgd'"),
        "beta": lt.Float(0.8, 0.999, when="kind == 'adam'"),
        "layers": lt.Int(1, 3),
        "second": lt.Int(4, 64, when="layers >= 2"),
    }
)
CONSTRAINED = lt.Space({"a": lt.Int(1, 12), "b": lt.Int(1, 12)}, require=["a * b <= 48"])
SPACES: Mapping[str, lt.Space] = {
    "floats": FLOATS, "mixed": MIXED, "conditional": CONDITIONAL, "constrained": CONSTRAINED
}  # fmt: skip
SAMPLERS = ("auto", "gp", "tpe", "random", "qmc", "grid")
STORES = ("memory", "study.db", "study.journal")
TRIALS = 30
MODELLED = 12  # of the samplers below
MODELS = ("auto", "gp")


def value(params: Mapping[str, Any]) -> float:
    """A smooth function of whatever there is; every seventh or so fails."""
    numbers = [float(x) if not isinstance(x, str) else float(len(x)) for x in params.values()]
    total = sum((x / (1 + abs(x)) - 0.3 * i) ** 2 for i, x in enumerate(numbers))
    return float("nan") if int(total * 1000) % 7 == 0 else total


def define(trial: lt.Trial) -> float:
    """The conditional space, defined as it runs."""
    kind = trial.suggest_categorical("kind", ["sgd", "adam"])
    found: dict[str, Any] = {"kind": kind}
    if kind == "sgd":
        found["momentum"] = trial.suggest_float("momentum", 0, 1)
    else:
        found["beta"] = trial.suggest_float("beta", 0.8, 0.999)
    found["layers"] = trial.suggest_int("layers", 1, 3)
    for step in range(3):
        trial.report(value(found) if value(found) == value(found) else 1.0 / (1 + step), step)
        if trial.should_prune():
            raise lt.TrialPruned
    return value(found)


def tell(study: lt.Study, n: int, objectives: int = 1) -> None:
    """Ask and tell, as from outside."""
    for _ in range(n):
        trial = study.ask()
        x = value(trial.params)
        study.tell(trial, x if objectives == 1 else [x, -x if x != x else 1 / (1 + x)])


def shown(study: lt.Study) -> list[str]:
    """One line for each trial."""
    return [" ".join(f"{k}={_text(x)}" for k, x in sorted(t.params.items())) + f" {t.state.name}" for t in study.trials]


def _text(x: Any) -> str:
    return f"{x:.6g}" if isinstance(x, float) else str(x)


def cases(folder: Path, stores: Sequence[str] = STORES) -> dict[str, Callable[[], list[str]]]:
    """Every study of the file by its name and store; the stores are in the folder."""

    def declared(sampler: str, space: str, store: str) -> list[str]:
        where = None if store == "memory" else str(folder / f"{sampler}-{space}-{store}")
        n = MODELLED if sampler in MODELS else TRIALS
        study = lt.create_study(space=SPACES[space], sampler=sampler, seed=7, storage=where)
        tell(study, n // 2)
        if where is not None:
            study = lt.load_study(storage=where, sampler=sampler)
        tell(study, n - n // 2)
        return shown(study)

    def defined(sampler: str, pruner: str | None) -> list[str]:
        study = lt.create_study(sampler=sampler, pruner=pruner, seed=3)
        study.optimize(define, n_trials=MODELLED if sampler in MODELS else TRIALS)
        return shown(study)

    def several(sampler: str) -> list[str]:
        study = lt.create_study(space=MIXED, sampler=sampler, seed=5, directions=["minimize", "maximize"])
        tell(study, MODELLED if sampler in MODELS else TRIALS, objectives=2)
        return shown(study)

    found: dict[str, Callable[[], list[str]]] = {}
    for sampler in SAMPLERS:
        for space in SPACES:
            for store in stores:
                found[f"{sampler} {space} in {store}"] = lambda a=sampler, b=space, c=store: declared(a, b, c)  # type: ignore[misc]
        if sampler != "grid":
            found[f"{sampler} several"] = lambda a=sampler: several(a)  # type: ignore[misc]
            for pruner in (None, "median", "halving"):
                found[f"{sampler} defined {pruner}"] = lambda a=sampler, b=pruner: defined(a, b)  # type: ignore[misc]
    return found


def main() -> None:
    """Write the file."""
    lt.set_verbosity("error")
    with tempfile.TemporaryDirectory() as folder:
        found = {name.partition(" in ")[0]: study() for name, study in cases(Path(folder), ["memory"]).items()}
    FILE.write_text(json.dumps(found, indent=0) + "\n")


if __name__ == "__main__":
    main()
