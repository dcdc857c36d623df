"""The peers, each behind `ask() -> configuration` and `tell(loss)`; those with an environment of their own in a child.

What runs in a child is this same file: a child serves JSON lines on its pipes (`python -m bench.race.peers NAME`).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Protocol

from .plain import cleaned, labelled, parse

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".venv-peers"


class Adapter(Protocol):
    """A tuner in its own words, about the trial that it was asked for last."""

    def ask(self) -> dict[str, Any]: ...

    def tell(self, loss: float) -> None:
        """The loss; NaN for a trial that failed."""


class Recommending(Adapter, Protocol):
    """A tuner that has an answer of its own to "which one now?"; of others the best observed is taken."""

    def recommend(self) -> dict[str, Any]: ...


class Peer(Protocol):
    """A tuner as the race sees it; `seconds` is the processor time it has spent so far."""

    seconds: float

    def ask(self) -> dict[str, Any]: ...

    def tell(self, config: Mapping[str, Any], loss: float) -> None: ...

    def recommend(self) -> dict[str, Any] | None:
        """The configuration that the tuner itself holds for the best by now; None where it has no such answer."""

    def close(self) -> None: ...


class PeerCrashed(RuntimeError):
    """A tuner's process ended or answered nonsense; the message holds the end of what it wrote."""


@dataclass(frozen=True)
class Entry:
    """Where a peer comes from: `make(space as JSON, seed, trials)` gives its adapter."""

    package: str  # the import without which it is missing
    distribution: str  # whose version is recorded
    environment: str | None  # a folder in .venv-peers; None for the interpreter of the race
    make: Callable[[Mapping[str, Any], int, int], Adapter]
    labelled: bool = False  # answers in labels already, and in active parameters alone

    @property
    def python(self) -> Path:
        return Path(sys.executable) if self.environment is None else ENVIRONMENTS / self.environment / "bin" / "python"


def _luthier(sampler: str) -> Entry:
    def make(space: Mapping[str, Any], seed: int, trials: int) -> Adapter:  # noqa: ARG001
        from .adapters.luthier import Luthier

        return Luthier(space, seed, sampler)

    return Entry("luthier", "luthier", None, make, labelled=True)


def _ours() -> dict[str, Entry]:
    if find_spec("luthier") is None:  # in the environment of another peer
        return {}
    from luthier.samplers.catalogue import DEFAULT, SAMPLERS

    return {"luthier" if name == DEFAULT else f"luthier-{name}": _luthier(name) for name in SAMPLERS}


def _random(space: Mapping[str, Any], seed: int, trials: int) -> Adapter:  # noqa: ARG001
    from .adapters.luthier import Uniform

    return Uniform(space, seed)


def _optuna(sampler: str, package: str = "optuna") -> Entry:
    def make(space: Mapping[str, Any], seed: int, trials: int) -> Adapter:  # noqa: ARG001
        from .adapters.optuna import Optuna

        return Optuna(parse(space), seed, sampler)

    return Entry(package, "optuna", None, make)


def _smac(space: Mapping[str, Any], seed: int, trials: int) -> Adapter:
    from .adapters.smac import Smac

    return Smac(parse(space), seed, trials)


def _hyperopt(space: Mapping[str, Any], seed: int, trials: int) -> Adapter:  # noqa: ARG001
    from .adapters.hyperopt import Hyperopt

    return Hyperopt(parse(space), seed)


def _ax(space: Mapping[str, Any], seed: int, trials: int) -> Adapter:  # noqa: ARG001
    from .adapters.ax import Ax

    return Ax(parse(space), seed)


def _hebo(space: Mapping[str, Any], seed: int, trials: int) -> Adapter:  # noqa: ARG001
    from .adapters.hebo import Hebo

    return Hebo(parse(space), seed)


PEERS: dict[str, Entry] = {
    **_ours(),
    "random": Entry("luthier", "luthier", None, _random, labelled=True),
    "optuna-tpe": _optuna("tpe"),
    "optuna-gp": _optuna("gp", "torch"),
    "cma-es": _optuna("cma", "cmaes"),
    "smac3": Entry("smac", "smac", "smac", _smac),
    "hyperopt": Entry("hyperopt", "hyperopt", "hyperopt", _hyperopt),
    "ax": Entry("ax", "ax-platform", "ax", _ax),
    "hebo": Entry("hebo", "HEBO", "hebo", _hebo),
}


def missing(name: str) -> str | None:
    """Why a peer cannot run here, or None."""
    entry = PEERS[name]
    if entry.environment is None:
        return (
            None
            if find_spec(entry.package)
            else f"the package {entry.package} is not installed: pip install -e '.[race]'"
        )
    if not entry.python.exists():
        return f"its environment {entry.python.parents[1]} is not there: make bench-peers"
    finder = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({entry.package!r}) is None)"
    found = subprocess.run([entry.python, "-c", finder], check=False).returncode == 0
    return (
        None if found else f"{entry.package} is not in {entry.python.parents[1]}: remove that folder, make bench-peers"
    )


def version(name: str) -> str:
    """Return the package behind a peer, and its version."""
    entry = PEERS[name]
    program = f"from importlib.metadata import version; print(version({entry.distribution!r}))"
    found = subprocess.run([entry.python, "-c", program], check=True, capture_output=True, text=True).stdout
    return f"{entry.distribution} {found.strip()}"


def open_peer(name: str, space: Mapping[str, Any], seed: int, trials: int) -> Peer:
    """Return a fresh tuner for one run over a space (its JSON). Close it afterwards."""
    return (_Local if PEERS[name].environment is None else _Remote)(name, space, seed, trials)


class _Local:
    """A tuner in this process. Its making is not timed, its asking and telling are."""

    def __init__(self, name: str, space: Mapping[str, Any], seed: int, trials: int) -> None:
        entry = PEERS[name]
        self._parameters = None if entry.labelled else parse(space)
        self._adapter = entry.make(space, seed, trials)
        self.seconds = 0.0

    def ask(self) -> dict[str, Any]:
        start = time.process_time()
        raw = self._adapter.ask()
        self.seconds += time.process_time() - start
        return self._labelled(raw)

    def recommend(self) -> dict[str, Any] | None:
        if not hasattr(self._adapter, "recommend"):
            return None
        adapter: Recommending = self._adapter
        return self._labelled(adapter.recommend())

    def _labelled(self, raw: dict[str, Any]) -> dict[str, Any]:
        return raw if self._parameters is None else labelled(self._parameters, cleaned(self._parameters, raw))

    def tell(self, config: Mapping[str, Any], loss: float) -> None:  # noqa: ARG002
        start = time.process_time()
        self._adapter.tell(loss)
        self.seconds += time.process_time() - start

    def close(self) -> None:
        pass


class _Remote:
    """A tuner in a child process with an interpreter of its own."""

    def __init__(self, name: str, space: Mapping[str, Any], seed: int, trials: int) -> None:
        self._name, self.seconds = name, 0.0
        self._log = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._child = subprocess.Popen(
            [PEERS[name].python, "-m", "bench.race.peers", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        )
        self._call({"space": space, "seed": seed, "trials": trials})

    def _call(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._child.stdin is not None and self._child.stdout is not None
        try:
            self._child.stdin.write(json.dumps(request) + "\n")
            self._child.stdin.flush()
            reply: dict[str, Any] = json.loads(self._child.stdout.readline())
        except (OSError, ValueError) as error:
            self._stop()
            self._log.seek(0)
            written = self._log.read()[-2000:].strip()
            self.close()
            raise PeerCrashed(f"{self._name} ended: {written}") from error
        self.seconds = reply["seconds"]
        return reply

    def ask(self) -> dict[str, Any]:
        found: dict[str, Any] = self._call({"ask": True})["config"]
        return found

    def tell(self, config: Mapping[str, Any], loss: float) -> None:  # noqa: ARG002
        self._call({"loss": None if loss != loss else loss})

    def recommend(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._call({"recommend": True})["config"]
        return found

    def _stop(self) -> None:
        """Let the child end; kill it if it does not."""
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended before us: what was left to write is lost with it
            self._child.stdin.close()
        try:
            self._child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def close(self) -> None:
        self._stop()
        assert self._child.stdout is not None
        self._child.stdout.close()
        self._log.close()


def _serve(name: str, requests: IO[str], replies: IO[str]) -> None:
    first = json.loads(requests.readline())
    peer = _Local(name, first["space"], first["seed"], first["trials"])
    reply: dict[str, Any] = {}
    while True:
        replies.write(json.dumps({**reply, "seconds": peer.seconds}) + "\n")
        replies.flush()
        line = requests.readline()
        if not line:
            return
        request = json.loads(line)
        if "ask" in request:
            reply = {"config": peer.ask()}
        elif "recommend" in request:
            reply = {"config": peer.recommend()}
        else:
            peer.tell({}, float("nan") if request["loss"] is None else request["loss"])
            reply = {}


if __name__ == "__main__":
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not get between the replies
    _serve(sys.argv[1], sys.stdin, pipe)
