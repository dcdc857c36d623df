import json
import math
import sys

import numpy as np
import pytest

from bench.race import peers as registry
from bench.race.check import Comparison
from bench.race.peers import PEERS, PeerCrashed, missing, open_peer
from bench.race.problems import MissingData
from bench.race.problems.analytic import ANALYTIC
from bench.race.run import race, read, run
from bench.race.statistics import bootstrap, mean_curve, ranking, trials_to
from bench.race.table import collect, markdown

LOCAL = [name for name, entry in PEERS.items() if entry.environment is None]


@pytest.mark.parametrize("peer", LOCAL)
@pytest.mark.parametrize("problem", ["tree", "constrained"])
def test_a_run_gives_a_curve_of_the_incumbent(peer, problem):
    trials = 12
    line = race(ANALYTIC[problem], peer, seed=0, trials=trials)
    assert {len(line[k]) for k in ("regret", "loss", "seconds")} == {trials}
    assert all(s >= 0 for s in line["seconds"])
    # without noise the incumbent only gets better, and its regret is that of the least loss
    assert line["regret"] == sorted(line["regret"], reverse=True)
    known = ANALYTIC[problem]
    least = min(x for x in line["loss"] if x is not None)
    assert line["regret"][-1] == pytest.approx((least - known.best) / (known.worst - known.best), abs=1e-8)
    json.dumps(line, allow_nan=False)


@pytest.mark.parametrize("peer", ["luthier", "random", "optuna-tpe"])
def test_a_seed_repeats_itself_and_another_differs(peer):
    problem = ANALYTIC["diverging"]
    first, again, other = (race(problem, peer, seed, 8)["loss"] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_incumbent_is_the_best_observed_and_judged_by_its_true_loss():
    problem = ANALYTIC["branin"]
    noisy = type(problem)(
        problem.name,
        problem.space,
        lambda config, rng: problem.true(config) + 50 * rng.standard_normal(),
        problem.true,
        problem.best,
        problem.worst,
    )
    regret = race(noisy, "random", 0, 30)["regret"]
    assert regret != sorted(regret, reverse=True)  # with such noise a lucky observation replaces a better incumbent


def test_a_peer_in_a_child_process_does_what_it_does_here(monkeypatch, tmp_path):
    entry = PEERS["optuna-tpe"]
    monkeypatch.setattr(registry, "ENVIRONMENTS", tmp_path)
    (tmp_path / "here" / "bin").mkdir(parents=True)
    python = tmp_path / "here" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    here = race(ANALYTIC["tree"], "optuna-tpe", 3, 14)
    assert missing("optuna-tpe") is None
    monkeypatch.setitem(PEERS, "optuna-tpe", type(entry)("optuna", "optuna", "here", entry.make))
    assert missing("optuna-tpe") is None
    there = race(ANALYTIC["tree"], "optuna-tpe", 3, 14)
    assert here["loss"] == there["loss"]
    assert sum(there["seconds"]) > 0


def test_a_child_that_dies_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "ENVIRONMENTS", tmp_path)
    (tmp_path / "hebo" / "bin").mkdir(parents=True)
    python = tmp_path / "hebo" / "bin" / "python"
    python.write_text("#!/bin/sh\necho no such model >&2\nexit 3\n")
    python.chmod(0o755)
    assert "is not in" in missing("hebo")
    with pytest.raises(PeerCrashed, match="hebo ended: no such model"):
        open_peer("hebo", ANALYTIC["branin"].space.to_json(), 0, 5)


def test_a_race_resumes_after_a_torn_line_and_says_who_is_missing(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(registry, "ENVIRONMENTS", tmp_path / "none")
    path, problems, peers = (
        tmp_path / "r.jsonl",
        ["analytic/branin", "analytic/tree"],
        ["random", "optuna-tpe", "smac3"],
    )
    run(path, tmp_path, peers, problems, seeds=2, trials=6)
    assert "MISSING smac3" in capsys.readouterr().out
    whole = [line for line in read(path) if "regret" in line]
    assert {(x["problem"], x["peer"], x["seed"]) for x in whole} == {
        (q, p, s) for q in problems for p in peers[:2] for s in range(2)
    }
    path.write_text(path.read_text()[:-40])  # as a kill leaves it
    run(path, tmp_path, peers, problems, seeds=2, trials=6)
    out = capsys.readouterr().out
    assert "1 runs to do, 7 done before" in out
    assert "cut short" in out

    def key(line):
        return line["problem"], line["peer"], line["seed"]

    def losses(lines):
        return {key(x): x["loss"] for x in lines if "regret" in x}

    assert losses(read(path)) == losses(whole)
    results = collect(read(path), peers, problems, seeds=2, trials=6)
    text = markdown(results, peers, problems, seeds=2)
    assert "**smac3 is missing**" in text
    assert "make bench-peers" in text
    assert "| analytic/tree |" in text


def test_a_peer_that_breaks_loses_its_run_and_is_counted(monkeypatch, tmp_path):
    from bench.race.run import _work

    class Broken:
        def ask(self):
            raise ZeroDivisionError("inside")

    entry = PEERS["random"]
    monkeypatch.setitem(PEERS, "random", type(entry)("luthier", "luthier", None, lambda *_: Broken(), labelled=True))
    line = _work("analytic/branin", tmp_path, "random", 0, 5)
    assert line["error"] == "ZeroDivisionError: inside"
    text = markdown(collect([line], ["random"], ["analytic/branin"], 1, 5), ["random"], ["analytic/branin"], 1)
    assert "**random: 1 runs broke**" in text


def test_a_tuner_is_judged_by_what_it_recommends(monkeypatch):
    class Contrary:
        """Recommends its first trial, whatever it was told."""

        def __init__(self):
            self.first = None

        def ask(self):
            config = ANALYTIC["branin"].space.decode(ANALYTIC["branin"].space.sample(rng, 1))[0]
            self.first = self.first or config
            return config

        def tell(self, loss):
            pass

        def recommend(self):
            return self.first

    rng = np.random.default_rng(0)
    made = registry.Entry("luthier", "luthier", None, lambda *_: Contrary(), labelled=True)
    monkeypatch.setitem(registry.PEERS, "contrary", made)
    line = race(ANALYTIC["branin"], "contrary", 0, 12)
    assert len(set(line["regret"])) == 1 and line["observed"][-1] < line["regret"][-1]
    line |= {"problem": "analytic/branin", "peer": "contrary", "seed": 0, "trials": 12}
    for observed, key in ((False, "regret"), (True, "observed")):
        found = collect([line], ["contrary"], ["analytic/branin"], 1, 12, observed)
        np.testing.assert_allclose(found.regrets["contrary"]["analytic/branin"][0], np.clip(line[key], 0, 1))


def test_missing_data_stops_the_race_before_it_starts(tmp_path):
    with pytest.raises(MissingData, match="taskset4.npz"):
        run(tmp_path / "r.jsonl", tmp_path, ["random"], ["analytic/branin", "taskset/lstm128"], 1, 3)
    assert not (tmp_path / "r.jsonl").exists()


# -- the arithmetic


def test_trials_to_counts_from_one():
    curve = np.array([0.5, 0.3, 0.3, 0.1])
    assert trials_to(curve, 0.3) == 2
    assert trials_to(curve, 0.5) == 1
    assert trials_to(curve, 0.05) is None


def test_the_bootstrap_interval_has_the_width_of_theory():
    rng = np.random.default_rng(0)
    regrets = [rng.random((40, 3)) for _ in range(4)]
    low, high = bootstrap(regrets, rng)
    # a uniform variable's mean over 40 seeds and 4 problems: 2 · 1.96 · sqrt(1/12 / 160)
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(1 / 12 / 160), rel=0.25)
    assert np.all((low < mean_curve(regrets)) & (mean_curve(regrets) < high))


def test_the_ranking_gives_the_critical_difference_of_the_paper():
    # Demšar 2006: 14 data sets, 4 classifiers: q = 2.569, CD = 1.25
    scores = np.random.default_rng(0).random((14, 4)) + np.arange(4)
    found = ranking(scores)
    assert found.ranks == pytest.approx([1, 2, 3, 4], abs=0.6)
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert found.p < 1e-4
    assert math.isnan(ranking(scores[:, :2]).p)


def test_the_table_ranks_the_peers_at_every_mark():
    def line(peer, problem, seed, early, late):
        regret = [early] * 30 + [late] * 20
        return {"peer": peer, "problem": problem, "seed": seed, "trials": 50, "regret": regret, "seconds": [0.0] * 50}

    problems = ["hpolib/a", "hpolib/b", "hpolib/c"]
    curves = {"quick": (0.25, 0.25), "slow": (0.5, 0.125), "lazy": (0.9, 0.9)}
    lines = [line(p, q, s, *c) for p, c in curves.items() for q in problems for s in range(2)]
    lines.append(line("slow", "hpolib/c", 2, 0.0, 0.5))  # three seeds there, whose mean after 50 trials is 0.25
    table = markdown(collect(lines, list(curves), problems, 3, 50), list(curves), problems, 3)
    start = table.index("| peer | after")
    rows = {cells[1].strip(): cells for cells in (x.split("|") for x in table[start:].split("\n\n")[0].splitlines())}
    assert [x.strip() for x in rows["peer"][2:-1]] == ["after 25", "after 50", "mean rank at 25", "mean rank at 50"]
    ranks = {p: [float(x) for x in rows[p][-3:-1]] for p in curves}
    # after 25 trials quick is first everywhere; after 50 slow is on two problems, and level with it on the third
    assert ranks == {"quick": [1.0, 1.83], "slow": [2.0, 1.17], "lazy": [3.0, 3.0]}


def test_the_check_holds_within_its_tolerance_alone():
    assert Comparison("1", 31, 0.10, 0.11, 0.01001).holds
    assert not Comparison("1", 31, 0.10, 0.12, 0.01).holds
