"""`make bench-race ARGS="..."`, or python -m bench.race run | table | check | list."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import check
from .peers import PEERS, missing
from .picture import draw
from .problems import NAMES, MissingData, data_folder, select
from .run import read, run
from .table import collect, markdown

DEFAULT_PEERS = ["luthier", "random", "optuna-tpe", "optuna-gp", "smac3", "hyperopt", "ax", "hebo", "cma-es"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.race", description=__doc__)
    parser.add_argument("command", choices=("run", "table", "check", "list"))
    parser.add_argument(
        "--peers", nargs="+", default=DEFAULT_PEERS, metavar="PEER", help="see `list`; the first is ours"
    )
    parser.add_argument("--problems", nargs="+", default=["all"], metavar="NAME", help="all, real, a group, a name, a*")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes; one thread each")
    parser.add_argument("--out", type=Path, default=Path("runs/race"), help="folder of results, table and picture")
    parser.add_argument("--data", type=Path, default=None, help="folder of the data; else $LUTHIER_BENCH_DATA")
    parser.add_argument("--again", action="store_true", help="do runs again that are in the results; the later count")
    parser.add_argument(
        "--observed", action="store_true", help="tables by the best observed, also of tuners that recommend another"
    )
    arguments = parser.parse_args()
    for peer in arguments.peers:
        if peer not in PEERS:
            parser.error(f"there is no peer {peer!r}: there are {', '.join(PEERS)}")
    try:
        arguments.problems = select(arguments.problems)
    except ValueError as error:
        parser.error(str(error))
    return arguments


def _list() -> None:
    for name in PEERS:
        print(f"{name:16s} {missing(name) or 'ready'}")
    print("problems:", " ".join(NAMES))


def _check(data: Path) -> int:
    rows = check.compare(data)
    print(
        "| task | trainings | random search here | published | allowed difference | holds |\n|---|---|---|---|---|---|"
    )
    for r in rows:
        verdict = "yes" if r.holds else "NO"
        print(f"| {r.task} | {r.trainings} | {r.ours:.4f} | {r.published:.4f} | {r.tolerance:.4f} | {verdict} |")
    return 0 if all(r.holds for r in rows) else 1


def main() -> int:
    """Return the exit code: 1 where the check fails, 2 where data is missing."""
    a = _arguments()
    data, results = data_folder(a.data), a.out / "results.jsonl"
    try:
        if a.command == "list":
            _list()
            return 0
        if a.command == "check":
            return _check(data)
        if a.command == "run":
            run(results, data, a.peers, a.problems, a.seeds, a.trials, a.jobs, a.again)
    except MissingData as error:
        print(f"race: {error}", file=sys.stderr)
        return 2
    found = collect(read(results), a.peers, a.problems, a.seeds, a.trials, a.observed)
    text = markdown(found, a.peers, a.problems, a.seeds)
    a.out.mkdir(parents=True, exist_ok=True)
    (a.out / "table.md").write_text(text)
    print(text)
    if found.shared():
        print("written:", a.out / "table.md", *draw(found, a.out / "regret"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
