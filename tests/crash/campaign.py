"""The crash campaign: workers on one shared store are hurt at random for some time, then the store is checked.

    python tests/crash/campaign.py --minutes 3 --stores sqlite

Exit status 1 and the violations in words if the store broke a promise; else a table.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import worker
from faults import DIED, VARIABLE
from ledger import facts
from places import Place
from targets import TARGETS, Target

from luthier.stores import open_store

LEASE = 1.0  # seconds
PAUSE = 0.3  # mean seconds between faults
LOOPS = ("store", "store", "study", "optimize")
HANGS = 150.0  # seconds; a program that checks has ended before, or hangs
HOURS = 3 * 3600.0
FORK = multiprocessing.get_context("fork")  # of a process that has no threads: a worker starts in milliseconds


@dataclass
class Campaign:
    """One store, its workers, and what was done to them."""

    name: str
    folder: Path
    place: Place
    rng: random.Random
    done: Counter[str] = field(default_factory=Counter)
    workers: list[BaseProcess] = field(default_factory=list)
    stopped: dict[int, float] = field(default_factory=dict)
    started: int = 0
    died: float = 0.0

    @property
    def target(self) -> Target:
        """The kind of store."""
        return TARGETS[self.name]

    def run(self, seconds: float) -> None:
        """Hurt the workers for that long, then kill all of them at one moment."""
        worker.make_study(self.place.url)
        try:
            self.workers = [self._start(i) for i in range(len(LOOPS))]
            self._wait_for_a_result()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(min(self.rng.expovariate(1 / PAUSE), 2.0))
                self._replace_dead()
                self._wake()
                getattr(self, f"_{self.rng.choice(sorted(self.target.faults))}")(self.rng.randrange(len(LOOPS)))
            self._replace_dead()
        finally:
            for process in self.workers:
                process.kill()
            for process in self.workers:
                process.join()
            self.died = time.time()
        self.done["kill"] += len(self.workers)

    def check(self) -> dict[str, Any]:
        """What a fresh process finds."""
        found = program("checks.py", self.place.url, str(self.folder), str(LEASE), repr(self.died))
        if found.returncode != 0:
            return {"violations": [f"the checks ended with {found.returncode}: {found.stderr}"]}
        figures: dict[str, Any] = json.loads(found.stdout)
        if not figures["acknowledged"]:
            figures["violations"].append("nothing was acknowledged, so nothing was tested: give it more time")
        return {"faults": dict(sorted(self.done.items())), "kills": self.done["kill"] + self.done["died"], **figures}

    def _start(self, i: int, *, failpoint: str = "", clock: float = 0.0) -> BaseProcess:
        self.started += 1
        log = self.folder / f"{self.started:05d}-{LOOPS[i]}.log"
        job = worker.Job(self.name, self.place.url, log, LOOPS[i], self.started, LEASE, clock)
        process = FORK.Process(target=_run, args=(job, failpoint))
        process.start()
        return process

    def _wait_for_a_result(self) -> None:
        """So that something is there to be lost, however slow the machine is."""
        deadline = time.monotonic() + HANGS
        while not any(fact["fact"] == "told" for fact in facts(self.folder)):
            self._replace_dead()
            if time.monotonic() > deadline:
                raise RuntimeError(f"no worker finished a trial in {HANGS:g} s")
            time.sleep(0.1)

    def _replace_dead(self) -> None:
        for i, process in enumerate(self.workers):
            if process.is_alive():
                continue
            if process.exitcode != DIED:
                raise RuntimeError(f"{LOOPS[i]} worker {process.pid} ended by itself, status {process.exitcode}")
            self.done["died"] += 1
            self.workers[i] = self._start(i)

    def _wake(self) -> None:
        for i, since in list(self.stopped.items()):
            if time.monotonic() - since > 1.5 * LEASE:
                del self.stopped[i]
                os.kill(self.workers[i].pid or 0, signal.SIGCONT)

    # -- the faults, by their names in the table

    def _kill(self, i: int, **how: Any) -> None:
        os.kill(self.workers[i].pid or 0, signal.SIGKILL)
        self.workers[i].join()
        self.stopped.pop(i, None)
        self.done["kill"] += 1
        self.workers[i] = self._start(i, **how)

    def _stop(self, i: int) -> None:
        if i in self.stopped or len(self.stopped) == len(LOOPS) - 1:
            return
        os.kill(self.workers[i].pid or 0, signal.SIGSTOP)
        self.stopped[i] = time.monotonic()
        self.done["stop"] += 1

    def _failpoint(self, i: int) -> None:
        self._kill(i, failpoint=f"{self.rng.choice(self.target.failpoints)}:{self.rng.randint(1, 40)}")

    def _clock_back(self, i: int) -> None:
        self._kill(i, clock=-HOURS)
        self.done["clock_back"] += 1

    def _clock_ahead(self, i: int) -> None:
        self._kill(i, clock=HOURS)
        self.done["clock_ahead"] += 1

    def _compact(self, _: int) -> None:
        """The file is written anew while others use it, by a process that may die of it."""
        process = FORK.Process(target=_compact, args=(self.place.url,))
        process.start()
        process.join(self.rng.uniform(0, 0.5))
        process.kill()
        process.join()
        self.done["compact" if process.exitcode == 0 else "compact_killed"] += 1

    def _full(self, i: int) -> None:
        """The file may not grow, for this worker and half a second."""
        assert self.place.file is not None
        pid, free = self.workers[i].pid or 0, resource.RLIM_INFINITY
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (self.place.file.stat().st_size, free))
        time.sleep(0.5)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (free, free))
        self.done["full"] += 1

    def _server(self, _: int) -> None:
        assert self.place.server is not None
        self.place.server.kill()
        time.sleep(self.rng.uniform(0, 0.5))
        self.place.server.start()
        self.done["server"] += 1


def _run(job: worker.Job, failpoint: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if failpoint:
        os.environ[VARIABLE] = failpoint
    worker.work(job)


def _compact(url: str) -> None:
    store: Any = open_store(url)
    store.compact()


def program(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a program of this folder says in a fresh process."""
    command = [sys.executable, "-W", "error", str(Path(__file__).with_name(name)), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=HANGS)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"{name} had not ended after {HANGS:g} s")


def run(name: str, seconds: float, seed: int) -> dict[str, Any]:
    """One campaign: its figures, `violations` among them."""
    with tempfile.TemporaryDirectory(prefix="luthier-crash-") as text:
        folder = Path(text)
        with TARGETS[name].place(folder) as place:
            commits = program("boundaries.py", name, place.url)
            if commits.returncode != 0:
                return {"violations": [f"a call that died at its commit: {commits.stderr}"]}
            campaign = Campaign(name, folder, place, random.Random(seed))
            try:
                campaign.run(seconds)
            except RuntimeError as error:  # a worker met with what no worker should
                return {"violations": [str(error)]}
            return campaign.check()


COLUMNS = (
    "kills",
    "trials",
    "acknowledged",
    "lost",
    "twice",
    "running",
    "late",
    "requeued",
    "refused",
    "next_s",
    "recovered_s",
)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=3.0, help="for each store")
    parser.add_argument("--stores", nargs="+", choices=sorted(TARGETS), default=sorted(TARGETS))
    parser.add_argument("--seed", type=int, default=0, help="of the faults; their moments are never quite the same")
    parser.add_argument("--json", action="store_true", help="the figures alone, one JSON line a store")
    options = parser.parse_args()
    bad = False
    write = sys.stdout.write
    if not options.json:
        write(f"| store | {' | '.join(COLUMNS)} | faults |\n|---|{'---|' * (len(COLUMNS) + 1)}\n")
    for name in options.stores:
        figures = run(name, 60 * options.minutes, options.seed)
        bad = bad or bool(figures["violations"])
        if options.json:
            write(json.dumps({"store": name, **figures}) + "\n")
        else:
            faults = ", ".join(f"{fault} {n}" for fault, n in figures.get("faults", {}).items())
            write(f"| {name} | {' | '.join(str(figures.get(column)) for column in COLUMNS)} | {faults} |\n")
            for violation in figures["violations"][:20]:
                write(f"\n{name}: {violation}\n")
        sys.stdout.flush()
    sys.exit(int(bad))


if __name__ == "__main__":
    main()
