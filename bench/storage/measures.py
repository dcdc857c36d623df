"""What is measured; every figure of Luthier has one of Optuna from the same minute."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .crew import Burst, Crew
from .peers import objective, optimize, peer

sys.path.append(str(Path(__file__).parents[2] / "tests" / "crash"))
import servers

_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    processes: tuple[int, ...] = (1, 6)
    seconds: float = 3.0  # of work in one burst
    bursts: int = 3  # of which the best counts: others use this machine too
    load_trials: int = 100_000
    luthier_trials: int = 1_000_000  # in memory
    optuna_trials: int = 20_000
    block: int = 10_000


QUICK = Size(processes=(2,), seconds=0.2, bursts=1, load_trials=500, luthier_trials=2_000, optuna_trials=500, block=200)


@dataclass(frozen=True)
class Row:
    """One figure of each.

    Attributes:
        what: is measured.
        unit: of the figures.
        luthier, optuna: None where it was not measured.
        more_is_better: or else less is.
        goal: the least ratio by which Luthier is to be better; None for none.
        remark: what else there is to say.
    """

    what: str
    unit: str
    luthier: float | None
    optuna: float | None
    more_is_better: bool
    goal: float | None = None
    remark: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better Luthier is."""
        if self.luthier is None or self.optuna is None:
            return None
        return self.luthier / self.optuna if self.more_is_better else self.optuna / self.luthier


# -- trials per second


def sqlite(size: Size) -> Iterator[Row]:
    """A SQLite file; and what leases cost there."""
    with _folder() as folder:
        yield from _rates("SQLite", lambda name: f"sqlite:///{folder / name}.db", size, goal=10.0)
        yield _own_processes(f"sqlite:///{folder}/own.db", size)
        yield from _leases(folder, size)


def journal(size: Size) -> Iterator[Row]:
    """A journal in a file."""
    with _folder() as folder:
        yield from _rates("journal file", lambda name: f"journal:///{folder / name}.journal", size)


def postgres(size: Size) -> Iterator[Row]:
    """A PostgreSQL with the settings it has by default."""
    yield from _on_server("PostgreSQL", servers.postgres, size)


def mariadb(size: Size) -> Iterator[Row]:
    """A MariaDB with the settings it has by default."""
    yield from _on_server("MariaDB", servers.mariadb, size)


def _on_server(name: str, server: Callable[[Path], AbstractContextManager[servers.Place]], size: Size) -> Iterator[Row]:
    import sqlalchemy as sa

    with server(Path()) as place:
        url = sa.make_url(place.url)
        drivers = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}
        engine = sa.create_engine(url.set(drivername=drivers[url.drivername]), isolation_level="AUTOCOMMIT")

        def new_database(label: str) -> str:
            database = f"bench_{label}"
            with engine.connect() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE {database}")
            return url.set(database=database).render_as_string(hide_password=False)

        yield from _rates(name, new_database, size, goal=10.0)
        engine.dispose()


def _rates(store: str, new_url: Callable[[str], str], size: Size, goal: float | None = None) -> Iterator[Row]:
    for processes in size.processes:
        with ExitStack() as stack:
            crews = {
                name: stack.enter_context(Crew(name, new_url(f"{name}{processes}"), processes))
                for name in ("luthier", "optuna")
            }
            best = _best(crews, size)
            trials = " and ".join(f"{len(crew.numbers):,}" for crew in crews.values())
        plural = "es" if processes > 1 else ""
        remark = f"{trials} trials, each run once, none lost"
        yield Row(
            f"{store}, {processes} process{plural}", "trials/s", best["luthier"], best["optuna"], True, goal, remark
        )


def _best(crews: dict[str, Crew], size: Size) -> dict[str, float]:
    """The best rate of each, of bursts that alternate; and no trial lost, or run twice."""
    bursts: dict[str, list[Burst]] = {name: [] for name in crews}
    for _ in range(size.bursts):
        for name, crew in crews.items():
            bursts[name].append(crew.run(size.seconds))
    for crew in crews.values():
        crew.check()
    return {name: max(burst.rate for burst in found) for name, found in bursts.items()}


def _own_processes(url: str, size: Size) -> Row:
    """`n_jobs`: one process asks and tells for all workers. Optuna's n_jobs are threads, so there is no peer."""
    study, n_jobs = peer("luthier").open(url), max(size.processes)
    rates = []
    for _ in range(size.bursts):
        times: list[float] = []

        def count(study: Any, _: Any, times: list[float] = times) -> None:
            times.append(time.perf_counter())
            if times[-1] - times[0] >= size.seconds:
                study.stop()

        study.optimize(objective, n_jobs=n_jobs, callbacks=[count])
        rates.append((len(times) - 1) / (times[-1] - times[0]))  # from the first result on: workers are there
    study.close()
    return Row(f"SQLite, n_jobs={n_jobs}", "trials/s", max(rates), None, True)


def _leases(folder: Path, size: Size) -> Iterator[Row]:
    leases = {"luthier": "120 s, the default", "luthier 1": "1 s", "luthier 1e9": "30 years"}
    with ExitStack() as stack:
        crews = {
            name: stack.enter_context(Crew(name, f"sqlite:///{folder}/lease{i}.db", 1)) for i, name in enumerate(leases)
        }
        for name, rate in _best(crews, size).items():
            yield Row(f"SQLite, 1 process, leases of {leases[name]}", "trials/s", rate, None, True)


# -- large studies


def load(size: Size) -> Iterator[Row]:
    """A study of many trials, opened from a SQLite file by a process that then knows all trials and the best value."""
    with _folder() as folder:
        found = {}
        for name in ("luthier", "optuna"):
            peer(name).fill(f"sqlite:///{folder / name}.db", size.load_trials)
            peer(name).fill(f"sqlite:///{folder / name}-small.db", 10)
            found[name] = _alone(_load, name, f"sqlite:///{folder / name}", size.load_trials)
        mib = {name: (folder / f"{name}.db").stat().st_size / 2**20 for name in found}
        what = f"loading {size.load_trials:,} trials from SQLite"
        remark = f"files of {mib['luthier']:.0f} and {mib['optuna']:.0f} MiB"
        (mine, grown), (theirs, other_grown) = found.values()
        yield Row(what, "s of CPU", mine, theirs, False, 20.0, remark)
        yield Row(f"{what}: memory", "MiB", grown, other_grown, False)


def _load(name: str, stem: str, trials: int) -> tuple[float, float]:
    """Seconds of CPU, which a busy machine does not change as it does those of the clock, and MiB of growth."""
    _known(name, f"{stem}-small.db")  # imports
    before, start = _resident(), time.process_time()
    _study, known = _known(name, f"{stem}.db")
    seconds = time.process_time() - start
    assert len(known) == trials, f"{name} loaded {len(known)} trials"
    return seconds, _resident() - before


def _known(name: str, url: str) -> tuple[Any, list[Any]]:
    library = peer(name)
    study = library.open(url)
    trials = library.trials(study)
    assert study.best_value >= 0
    return study, trials


def memory(size: Size) -> Iterator[Row]:
    """Random trials in memory, one after another."""
    sizes = {"luthier": size.luthier_trials, "optuna": size.optuna_trials}
    found = {name: _alone(_in_memory, name, trials, size.block) for name, trials in sizes.items()}
    (mine, mib), (theirs, other_mib) = found["luthier"], found["optuna"]
    n, m = sizes.values()
    remark = f"{n:,} trials in {sum(mine):.0f} s of CPU; Optuna {m:,} in {sum(theirs):.0f} s"
    per_trial = [1e6 * sum(blocks) / trials for blocks, trials in ((mine, n), (theirs, m))]
    yield Row("in memory, a trial", "µs of CPU", *per_trial, False, remark=remark)
    for name, i in (("first", 0), ("last", -1)):
        figures = (1e6 * blocks[i] / size.block for blocks in (mine, theirs))
        yield Row(f"in memory, a trial of the {name} {size.block:,}", "µs of CPU", *figures, False)
    bytes_each = (2**20 * grown / trials for grown, trials in ((mib, n), (other_mib, m)))
    yield Row("in memory, a trial's memory", "bytes", *bytes_each, False, remark=f"{mib:,.0f} MiB in all")


def _in_memory(name: str, trials: int, block: int) -> tuple[list[float], float]:
    """Seconds of CPU of each block of trials, and MiB by which the process grew."""
    optimize(peer(name).open(None), 0.2)  # imports, caches
    gc.collect()
    study = peer(name).open(None)
    stamps: list[float] = []

    def timed(trial: Any) -> float:
        if trial.number % block == 0:
            stamps.append(time.process_time())
        return objective(trial)

    before = _resident()
    study.optimize(timed, n_trials=trials)
    stamps.append(time.process_time())
    return [b - a for a, b in pairwise(stamps)], _resident() - before


# -- the machine


def disk_sync() -> float:
    """Milliseconds in which this machine's disk has 4 KiB: the median of a hundred."""
    with _folder() as folder, (folder / "sync").open("wb", buffering=0) as file:
        times = []
        for _ in range(100):
            file.seek(0)
            file.write(os.urandom(4096))
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return sorted(times)[50] * 1e3


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="luthier-bench-") as name:
        yield Path(name)


def _alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=_SPAWN) as pool:
        return pool.submit(function, *arguments).result()


def _resident() -> float:
    """MiB of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


MEASURES: dict[str, Callable[[Size], Iterator[Row]]] = {
    "sqlite": sqlite,
    "postgres": postgres,
    "mariadb": mariadb,
    "journal": journal,
    "load": load,
    "memory": memory,
}
