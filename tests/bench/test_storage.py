import json
import math

import pytest

from bench.storage.__main__ import line, main
from bench.storage.crew import Crew
from bench.storage.measures import Row, servers


def measured(tmp_path, *names):
    main(["--quick", "--only", *names, "--json", str(tmp_path / "figures.json")])
    found = json.loads((tmp_path / "figures.json").read_text())
    assert found["setting"]["disk_sync_ms"] > 0
    for row in found["rows"]:
        figures = [row["luthier"], row["optuna"]]
        assert all(math.isfinite(x) and x > 0 for x in figures if x is not None), row
        assert row["ratio"] == (None if None in figures else pytest.approx(better(row)))
    return [row["what"] for row in found["rows"]]


def better(row):
    return row["luthier"] / row["optuna"] if row["more_is_better"] else row["optuna"] / row["luthier"]


def test_the_short_form_measures_files_and_large_studies(tmp_path, capsys):
    what = measured(tmp_path, "journal", "load", "memory")
    assert what[:2] == ["journal file, 2 processes", "loading 500 trials from SQLite"]
    assert what[-1] == "in memory, a trial's memory"
    printed = capsys.readouterr().out
    assert all(f"| {name} |" in printed for name in what)


def test_the_short_form_measures_a_server(tmp_path, lacks):
    if missing := servers.missing("postgres"):
        lacks(f"no {missing}: PostgreSQL is not installed (make servers)")
    assert measured(tmp_path, "postgres") == ["PostgreSQL, 2 processes"]


def test_a_lost_trial_and_one_that_was_run_twice_are_seen(tmp_path):
    with Crew("luthier", f"sqlite:///{tmp_path}/study.db", 1) as crew:
        assert crew.run(0.1).rate > 0
        crew.check()
        lost = crew.numbers.pop()
        with pytest.raises(AssertionError, match="lost, or run twice"):
            crew.check()
        crew.numbers += [lost, lost]
        with pytest.raises(AssertionError, match="lost, or run twice"):
            crew.check()


def test_a_ratio_says_how_many_times_better_luthier_is():
    assert Row("x", "trials/s", 30.0, 2.0, True, 10.0).ratio == 15.0
    assert Row("x", "s", 2.0, 30.0, False).ratio == 15.0
    assert line(Row("x", "s", 2.0, None, False)) == "| x | 2 s | – | – |  |  |"
    assert line(Row("x", "s", 0.5, 1234.5, False, 20.0, "y")) == "| x | 0.5 s | 1,234 s | 2469.0× | ≥ 20 | y |"
