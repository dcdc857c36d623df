"""docs/service.md says what is so: its curl lines are run as they stand."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import luthier as lt

TOKEN = "a-token-for-tests-only"
TEXT = Path(__file__).parents[2].joinpath("docs", "service.md").read_text(encoding="utf-8")


def test_the_curl_lines_run_as_they_stand(
    serve: Callable[..., Any], tmp_path: Path, lacks: Callable[[str], NoReturn]
) -> None:
    if not (shutil.which("bash") and shutil.which("curl")):
        lacks("bash and curl are needed: install them")
    (block,) = (found for found in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL) if "curl" in found)
    server = serve(tmp_path / "s.db")
    script = block.replace("LUTHIER_TOKEN=...", f"LUTHIER_TOKEN={TOKEN}").replace("http://127.0.0.1:8000", server.url)
    assert script.count(TOKEN) == script.count(server.url) == 1
    script = script.replace("curl -s", r"curl -s -w '\n%{http_code}\n'")
    done = subprocess.run(["bash", "-eu", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    answers = done.stdout.splitlines()
    assert answers[1::2] == ["201", *["200"] * 5], done.stdout
    assert json.loads(answers[6]) == {"prune": False}
    assert [trial["values"] for trial in json.loads(answers[10])] == [[0.42]]
    (record,) = lt.load_study("lenet", storage=tmp_path / "s.db").trials
    assert record.reports == ((1, 0.7),) and set(record.params) == {"lr", "act"}


def test_the_python_runs_against_a_service(serve: Callable[..., Any], tmp_path: Path, capsys: Any) -> None:
    (hidden,) = re.findall(r"<!-- python\n(.*?)-->", TEXT, re.DOTALL)
    (block,) = re.findall(r'```python needs="service"\n(.*?)```', TEXT, re.DOTALL)
    server = serve(tmp_path / "s.db")
    script = hidden + block.replace("http://127.0.0.1:8000", server.url).replace("n_trials=50", "n_trials=6")
    assert script.count(server.url) == script.count("n_trials=6") == 1
    namespace: dict[str, Any] = {"__name__": "__main__", "token": TOKEN}
    exec(compile(script, "docs/service.md", "exec"), namespace)
    namespace["study"].close()
    study = lt.load_study("lenet", storage=tmp_path / "s.db")
    assert capsys.readouterr().out == f"{study.best_params} {study.best_value}\n"
    assert [len(trial.reports) for trial in study.trials] == [10] * 6


def test_the_table_names_every_endpoint(http: Any) -> None:
    table = {line.split("|")[1] for line in TEXT.splitlines() if line.startswith("| `")}
    said = " ".join(table)
    for path, methods in http.get("/openapi.json").json()["paths"].items():
        short = path.rpartition("}")[2]
        for method in methods:
            known = f"{method.upper()} {path}" in said or (short and f"`...{short}`" in said)
            assert known, f"{method.upper()} {path}"
