"""A second task, as unlike images as can be: less is better, values have no bounds, folds in place of epochs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from luthier.space import Choice, Float, Space
from luthier.tasks import Description, SealedTest, Task, Trained, read_about, write_about


@dataclass(frozen=True)
class Ridge(Task):
    """Ridge regression on polynomials of scikit-learn's diabetes data, judged by cross-validation.

    Args:
        seed: of the split, and of the folds.
        fragile: values of `degree` with which a training raises, and with which it fails quietly.
    """

    seed: int = 0
    fragile: tuple[int | None, int | None] = (None, None)

    name = "ridge"
    problem = "predict how diabetes goes on"
    metric = "squared error"
    direction = "minimize"
    step = "fold"
    max_steps = 5
    space = Space({"penalty": Float(1e-3, 1e3, log=True, default=1e3), "degree": Choice([1, 2], default=1)})

    @cached_property
    def rows(self):
        """Inputs and targets (n, 11), the sealed ones last."""
        from sklearn.datasets import load_diabetes

        x, y = load_diabetes(return_X_y=True)
        both = np.column_stack([x / x.std(axis=0), y])
        return np.random.default_rng(self.seed).permutation(both)

    def __getstate__(self):
        return {"seed": self.seed, "fragile": self.fragile}

    @property
    def sealed(self):
        return SealedTest(lambda: self.rows[-89:], 89, what="patients")

    def describe(self):
        return Description({"rows": f"{len(self.rows)}: 353 to train, 89 sealed"}, training="5 folds, one by one")

    def train(self, params, seed, on_report=None, checkpoint=None):
        raising, quiet = self.fragile
        if params["degree"] == raising:
            raise RuntimeError("the solver gave up")
        rows = np.random.default_rng(seed).permutation(self.rows[:-89])
        errors = []
        for fold in range(self.max_steps):
            held = np.arange(len(rows)) % self.max_steps == fold
            errors.append(float(self.score([fitted(rows[~held], params)], rows[held]).mean()))
            if on_report is not None and on_report(float(np.mean(errors)), fold + 1):
                break
        value = math.nan if params["degree"] == quiet else float(np.mean(errors))
        return Trained(fitted(rows, params), params, seed, value, {"deviation": float(np.std(errors))})

    def score(self, models, sealed):
        return np.stack([(polynomials(sealed[:, :-1], degree) @ w - sealed[:, -1]) ** 2 for degree, w in models])

    def save(self, folder, trained, details):
        degree, weights = trained.model
        write_about(folder, self.name, details, degree=degree, weights=weights.tolist())

    def load(self, folder):
        about = read_about(folder, self.name)
        return about["degree"], np.array(about["weights"])


def polynomials(x, degree):
    """(n, features) with a column of ones."""
    return np.column_stack([np.ones(len(x)), *(x**power for power in range(1, degree + 1))])


def fitted(rows, params):
    """Degree and weights for rows (n, 11)."""
    x, y = polynomials(rows[:, :-1], params["degree"]), rows[:, -1]
    penalty = params["penalty"] * np.eye(x.shape[1])
    penalty[0, 0] = 0.0
    return params["degree"], np.linalg.solve(x.T @ x + penalty, x.T @ y)
