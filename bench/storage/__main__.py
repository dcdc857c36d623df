"""`make bench-stores ARGS="--only sqlite load"`, or python -m bench.storage."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from .measures import MEASURES, QUICK, Row, Size, disk_sync, servers

_LIBRARIES = ("luthier", "optuna", "sqlalchemy", "psycopg", "pymysql")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.storage", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES), help="what to measure")
    parser.add_argument("--quick", action="store_true", help="seconds, to see that it works; the figures mean nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    options = parser.parse_args(arguments)
    for name in _THREADS:
        os.environ[name] = "1"  # for the processes that are started
    setting = {
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: metadata.version(name) for name in _LIBRARIES},
        "cores": os.cpu_count(),
        "disk_sync_ms": round(disk_sync(), 2),
    }
    print(", ".join(f"{key} {value}" for key, value in setting.items()) + "\n")
    print("| what | Luthier | Optuna | ratio | goal | |\n|---|---|---|---|---|---|", flush=True)
    rows = []
    for name in options.only:
        if missing := servers.missing(name):
            print(f"{name}: not measured, there is no {' and '.join(missing)} (make servers)")
            continue
        for row in MEASURES[name](QUICK if options.quick else Size()):
            print(line(row), flush=True)
            rows.append(row)
    if options.json:
        data = {"setting": setting, "rows": [asdict(row) | {"ratio": row.ratio} for row in rows]}
        options.json.write_text(json.dumps(data, indent=2), encoding="utf-8")


def line(row: Row) -> str:
    """Return a row of the table."""
    figures = (f"{_number(x)} {row.unit}" if x is not None else "–" for x in (row.luthier, row.optuna))
    ratio = "–" if row.ratio is None else f"{row.ratio:.1f}×"
    goal = "" if row.goal is None else f"≥ {row.goal:g}"
    return f"| {' | '.join((row.what, *figures, ratio, goal, row.remark))} |"


def _number(x: float) -> str:
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


if __name__ == "__main__":
    main()
