"""Runs the race: every (problem, peer, seed) once, over processes, one line of JSON each; resumes where it stopped."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from .peers import missing, open_peer, version
from .problems import Problem, load

Line: TypeAlias = dict[str, Any]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def race(problem: Problem, peer_name: str, seed: int, trials: int) -> Line:
    """One run. The incumbent is the one that the tuner recommends, or else the best observed; its true regret counts.

    Returns:
        regret: of the incumbent after each trial (1 before the first success); observed: of the best observed;
        loss: as observed, null for a failure;
        seconds: processor time the peer took to suggest and be told, per trial; wall: of the whole run.
    """
    began = time.perf_counter()
    regrets: list[float] = []
    observed: list[float] = []
    losses: list[float | None] = []
    seconds: list[float] = []
    best, regret = np.inf, 1.0
    peer = open_peer(peer_name, problem.space.to_json(), seed, trials)
    try:
        for number in range(trials):
            before = peer.seconds
            config = problem.space.check(peer.ask())
            # the noise of trial n of seed s is the same stream for every peer
            loss = problem.observe(config, np.random.default_rng([seed, number]))
            peer.tell(config, loss)
            if loss < best:
                best, regret = loss, problem.regret(config)
            recommended = peer.recommend() if best < np.inf else None
            observed.append(round(regret, 9))
            regrets.append(round(regret if recommended is None else problem.regret(recommended), 9))
            losses.append(None if loss != loss else loss)
            seconds.append(round(peer.seconds - before, 6))
    finally:
        peer.close()
    wall = round(time.perf_counter() - began, 3)
    return {"regret": regrets, "observed": observed, "loss": losses, "seconds": seconds, "wall": wall}


def _work(problem: str, data: Path, peer: str, seed: int, trials: int) -> Line:
    key = {"problem": problem, "peer": peer, "seed": seed, "trials": trials}
    try:
        return {**key, **race(load(problem, data), peer, seed, trials)}
    except Exception as error:  # a tuner that breaks loses its run, not the race; the table counts these
        return {**key, "error": f"{type(error).__name__}: {error}"}


def read(path: Path) -> list[Line]:
    """Return the lines of a results file, the later of two for the same run; a line cut short by a kill is left out."""
    found: dict[tuple[Any, ...], Line] = {}
    if not path.exists():
        return []
    for number, text in enumerate(path.read_text().splitlines(), 1):
        try:
            line = json.loads(text)
        except ValueError:
            print(f"{path}:{number} is cut short: that run is done again")
            continue
        found[tuple(line.get(k) for k in ("problem", "peer", "seed", "trials"))] = line
    return list(found.values())


def _append(path: Path, lines: Iterable[Line]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    with path.open("a") as file:
        file.write("\n" * torn + "".join(json.dumps(line) + "\n" for line in lines))


def run(
    path: Path,
    data: Path,
    peers: Sequence[str],
    problems: Sequence[str],
    seeds: int,
    trials: int,
    jobs: int = 1,
    again: bool = False,
) -> None:
    """Run what is not in the results file yet, and append it.

    A peer that is not installed is said, and recorded, and its runs are left out.

    Raises:
        MissingData: a problem's data is not there; nothing was run.
    """
    for problem in problems:
        load(problem, data)
    reasons = {peer: missing(peer) for peer in peers}
    for peer, reason in reasons.items():
        if reason:
            print(f"MISSING {peer}: {reason}")
        _append(path, [{"peer": peer, "missing": reason} if reason else {"peer": peer, "version": version(peer)}])
    present = [peer for peer, reason in reasons.items() if not reason]
    done = {(x["problem"], x["peer"], x["seed"], x["trials"]) for x in read(path) if "regret" in x}
    wanted = [(q, p, s, trials) for s in range(seeds) for q in problems for p in present]
    todo = [key for key in wanted if again or key not in done]
    print(f"{len(todo)} runs to do, {len(wanted) - len(todo)} done before; results in {path}")
    os.environ |= ONE_THREAD
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(_work, q, data, p, s, n) for q, p, s, n in todo]
        for count, future in enumerate(as_completed(futures), 1):
            line = future.result()
            _append(path, [line])
            outcome = f"regret {line['regret'][-1]:.4f} in {line['wall']:.1f} s" if "regret" in line else line["error"]
            print(f"[{count}/{len(todo)}] {line['problem']} {line['peer']} seed {line['seed']}: {outcome}", flush=True)
