from __future__ import annotations

import builtins
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.analysis import AnalysisError, changed, effect, fit_forest, importance, interaction
from luthier.errors import MissingDependency
from luthier.history import History
from luthier.space import Choice, Float, Int, Ordinal, Space
from luthier.surrogates.forest import Forest
from luthier.trial import TrialRecord, TrialState

SPACE = Space(
    {
        "lr": Float(1e-4, 1.0, log=True),
        "layers": Int(1, 8),
        "opt": Choice(["adam", "sgd", "adagrad"]),
        "momentum": Float(0.0, 1.0, when={"opt": "sgd"}),
        "width": Int(1, 1000, log=True),
        "heads": Int(1, 6, log=True),
        "batch": Ordinal([16, 32, 64]),
        "idle": Float(3, 3),
    }
)


def history(space, value, n=400, direction="minimize", seed=0):
    h = History(space, (direction,))
    X = space.sample(np.random.default_rng(seed), n)
    records = [TrialRecord(i, TrialState.COMPLETE, c, (float(value(c)),)) for i, c in enumerate(space.decode(X))]
    h.put(records)
    return h


def additive(c):
    return 2 * (math.log10(c["lr"]) + 4) / 4 + c["layers"] / 8 + {"adam": 0.0, "sgd": 0.5, "adagrad": 0.0}[c["opt"]]


@pytest.fixture(scope="module")
def forest() -> Forest:
    return fit_forest(history(SPACE, additive))


def test_shares_of_an_additive_function_are_those_known_in_closed_form(forest):
    variances = {"lr": 4 / 12, "layers": (8**2 - 1) / 12 / 8**2, "opt": 0.25 * 2 / 9}
    total = sum(variances.values())
    result = importance(forest)
    shares = {s.names[0]: s.share for s in result.single}
    for name in SPACE.names:
        assert shares[name] == pytest.approx(variances.get(name, 0.0) / total, abs=0.04)
    assert [s.names[0] for s in result.single[:3]] == ["lr", "layers", "opt"]
    assert sum(p.share for p in result.pairs) < 0.05
    assert result.n == 400


def test_a_pure_interaction_is_found_between_its_two_parameters():
    space = Space({name: Float(-1, 1) for name in ("a", "b", "c")})
    result = importance(history(space, lambda c: c["a"] * c["b"], n=600))
    assert result.pairs[0].names == ("a", "b") and result.pairs[0].share > 0.5
    assert all(s.share < 0.15 for s in result.single)


def test_marginals_are_the_means_of_the_trees_over_the_other_parameters():
    """The closed form against plain averaging of scikit-learn's predictions."""
    from sklearn.ensemble import RandomForestRegressor

    space = Space({"a": Float(0, 1), "b": Int(1, 5), "c": Choice(["x", "y"])})
    h = history(space, lambda c: c["a"] ** 2 * c["b"] + (c["c"] == "y"), n=60)
    forest = fit_forest(h)
    codes = [np.asarray(a.codes) for a in forest.axes]
    weights = [a.weights for a in forest.axes]
    X = np.stack(np.meshgrid(*codes, indexing="ij"), axis=-1).reshape(-1, 3)
    W = np.einsum("i,j,k->ijk", *weights)
    y = h.values[:, 0]
    ranks = np.argsort(np.argsort([y[h.X[:, 2] == i].mean() for i in (0, 1)]))
    train = h.X.copy()
    train[:, 2] = ranks[train[:, 2].astype(int)]
    plain = RandomForestRegressor(64, min_samples_leaf=1, random_state=0).fit(train, (y - y.mean()) / y.std())
    grid = y.mean() + y.std() * plain.predict(X).reshape(W.shape)
    for j in range(3):
        others = tuple(k for k in range(3) if k != j)
        expected = (grid * W).sum(axis=others) / W.sum(axis=others)
        assert forest.marginals(j).mean(axis=0) == pytest.approx(expected)
    tree = forest.trees[0]
    first = y.mean() + y.std() * plain.estimators_[0].predict(X).reshape(W.shape)
    assert tree.mean == pytest.approx((first * W).sum())
    assert tree.variance == pytest.approx((first**2 * W).sum() - tree.mean**2)
    pair = (grid * W).sum(axis=2) / W.sum(axis=2)
    assert forest.marginal_pairs(0, 1).mean(axis=0) == pytest.approx(pair)


def test_boxes_of_a_tree_part_the_space(forest):
    for tree in forest.trees[:5]:
        assert tree.volumes.sum() == pytest.approx(1.0)
        assert np.all(tree.volumes >= 0)


def test_axes_weigh_cells_by_their_share_of_the_range(forest):
    for axis in forest.axes:
        assert axis.weights.sum() == pytest.approx(1.0)
        assert len(axis.labels) == len(axis.codes) == len(axis.weights)
    heads = forest.axes[SPACE.index["heads"]]
    assert heads.labels == (1, 2, 3, 4, 5, 6)
    widths = np.log([1.5 / 0.5, 2.5 / 1.5, 3.5 / 2.5, 4.5 / 3.5, 5.5 / 4.5, 6.5 / 5.5]) / np.log(6.5 / 0.5)
    assert heads.weights == pytest.approx(widths, abs=2e-3)
    assert len(forest.axes[SPACE.index["idle"]].labels) == 1
    lr = forest.axes[SPACE.index["lr"]]
    assert (lr.labels[0], lr.labels[-1]) == (1e-4, 1.0)
    given = forest.axes[SPACE.index["momentum"]].given
    assert {k: w.tolist() for k, w in given.items()} == {SPACE.index["opt"]: [0.0, 1.0, 0.0]}


def test_the_effect_follows_the_function_over_real_values(forest):
    lr = effect(forest, "lr")
    slope = np.polyfit(np.log10(lr.labels), lr.mean, 1)[0]
    assert slope == pytest.approx(0.5, abs=0.06)
    opt = dict(zip(effect(forest, "opt").labels, effect(forest, "opt").mean, strict=True))
    assert opt["sgd"] - opt["adam"] == pytest.approx(0.5, abs=0.06)
    assert all(s >= 0 for s in lr.spread)


def test_a_conditional_parameter_counts_only_where_it_is_active():
    space = Space({"opt": Choice(["adam", "sgd"]), "m": Float(0, 1, when={"opt": "sgd"})})
    h = history(space, lambda c: 4 * c["m"] if "m" in c else 2.0, n=300)
    m = effect(h, "m")
    assert m.mean[-1] - m.mean[0] == pytest.approx(4, abs=0.8)
    # over the whole space: 2m + 1 by itself, and as much again together with the condition
    result = importance(h)
    assert result.single[0].names == ("m",) and result.single[0].share == pytest.approx(0.5, abs=0.1)
    assert result.pairs[0].share == pytest.approx(0.5, abs=0.12)
    assert result.single[1].share < 0.05


def test_conditions_reach_through_generations():
    space = Space(
        {
            "a": Choice([0, 1]),
            "b": Int(1, 4, when={"a": 1}),
            "c": Float(0, 1, when="b >= 3"),
        }
    )
    forest = fit_forest(history(space, lambda c: c.get("c", 0.0) + c["a"], n=200))
    given = forest.axes[2].given
    assert given[0].tolist() == [0.0, 1.0]
    assert given[1][:2].tolist() == [0.0, 0.0] and given[1].sum() == pytest.approx(1.0)
    curve = effect(forest, "c")
    assert curve.mean[-1] - curve.mean[0] == pytest.approx(1.0, abs=0.2)


def test_an_interaction_is_a_grid_of_real_values(forest):
    grid = interaction(forest, "layers", "opt")
    assert grid.rows == tuple(range(1, 9)) and grid.columns == ("adam", "sgd", "adagrad")
    mean = np.array(grid.mean)
    assert mean.shape == (8, 3)
    assert mean[-1, 1] - mean[0, 0] == pytest.approx(7 / 8 + 0.5, abs=0.3)  # a forest rounds corners off


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_changes_say_what_each_is_worth_in_the_goals_direction(direction):
    sign = 1 if direction == "minimize" else -1
    h = history(SPACE, lambda c: sign * additive(c), direction=direction)
    default = {"lr": 0.1, "layers": 8, "opt": "adam", "width": 5, "heads": 2, "batch": 16, "idle": 3.0}
    best = default | {"lr": 0.001, "layers": 1, "opt": "sgd", "momentum": 0.5}
    result = {c.name: c for c in changed(h, default, best)}
    assert set(result) == {"lr", "layers", "opt", "momentum"}
    assert result["lr"].gain == pytest.approx(1.0, abs=0.12)
    assert result["layers"].gain == pytest.approx(7 / 8, abs=0.25)  # a forest rounds the ends off
    assert result["opt"].gain == pytest.approx(-0.5, abs=0.08)
    assert (result["momentum"].before, result["momentum"].after) == (None, 0.5)
    gains = [c.gain for c in changed(h, default, best)]
    assert gains == sorted(gains, reverse=True)
    assert changed(h, default, default) == ()


def test_one_diverged_training_does_not_drown_the_rest():
    h = history(SPACE, additive, n=200)
    h.put([TrialRecord(200, TrialState.COMPLETE, h.records[0].params, (1e9,))])
    assert [s.names[0] for s in importance(h).single[:2]] == ["lr", "layers"]


def test_pruned_failed_and_running_trials_are_left_out():
    h = history(SPACE, additive, n=60)
    reference = importance(h)
    params = h.records[0].params
    h.put(
        [
            TrialRecord(60, TrialState.PRUNED, params, (-99.0,), reports=((1, -99.0),)),
            TrialRecord(61, TrialState.FAIL, params),
            TrialRecord(62, TrialState.RUNNING, params),
        ]
    )
    assert importance(h) == reference


def test_one_parameter_explains_everything_and_a_constant_one_nothing():
    h = history(Space({"x": Float(0, 1), "k": Int(3, 3)}), lambda c: c["x"], n=50)
    result = importance(h)
    assert result.single[0].names == ("x",) and result.single[0].share == pytest.approx(1.0)
    assert result.single[1].share == pytest.approx(0.0)
    assert importance(history(Space({"x": Float(0, 1)}), lambda c: c["x"], n=5)).pairs == ()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4])
def test_too_few_trials_are_explained(n):
    with pytest.raises(AnalysisError, match=f"{n} complete trials, an explanation needs at least 5"):
        importance(history(SPACE, additive, n=n))


def test_what_cannot_be_explained_is_said(forest):
    with pytest.raises(AnalysisError, match="value 2"):
        fit_forest(history(SPACE, lambda c: 2.0, n=10))
    with pytest.raises(AnalysisError, match="no parameters"):
        h = History(Space({}))
        h.put([TrialRecord(i, TrialState.COMPLETE, {}, (float(i),)) for i in range(9)])
        fit_forest(h)
    with pytest.raises(AnalysisError, match="do not depend"):
        same = History(Space({"x": Float(0, 1)}))
        same.put([TrialRecord(i, TrialState.COMPLETE, {"x": 0.5}, (float(i),)) for i in range(9)])
        importance(same)
    with pytest.raises(AnalysisError, match="no parameter 'depth'"):
        effect(forest, "depth")
    with pytest.raises(AnalysisError, match="twice"):
        interaction(forest, "lr", "lr")
    assert issubclass(AnalysisError, ValueError)


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10_000), st.integers(5, 40), st.sampled_from([1e-9, 1.0, 1e9]))
def test_shares_are_shares_whatever_the_values(seed, n, scale):
    rng = np.random.default_rng(seed)
    result = importance(history(SPACE, lambda c: scale * rng.standard_t(2), n=n, seed=seed))
    shares = np.array([s.share for s in (*result.single, *result.pairs)])
    assert np.all(np.isfinite(shares)) and np.all(shares >= 0) and np.all(shares <= 1)
    assert sum(s.share for s in result.single) <= 1 + 1e-9


def test_a_second_objective_and_a_range_that_changed():
    h = History(SPACE, ("minimize", "maximize"))
    X = SPACE.sample(np.random.default_rng(0), 80)
    configurations = SPACE.decode(X)
    h.put([TrialRecord(i, TrialState.COMPLETE, c, (0.0, float(c["layers"]))) for i, c in enumerate(configurations)])
    forest = fit_forest(h, objective=1)
    assert importance(forest).single[0].names == ("layers",) and forest.direction == "maximize"
    narrower = h.under(SPACE.with_(lr=Float(1e-2, 0.1, log=True)))
    assert importance(fit_forest(narrower, objective=1)).single[0].names == ("layers",)


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    h = history(SPACE, additive, n=10)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependency, match=r"scikit-learn: pip install .*\[report\]"):
        fit_forest(h)
