"""Processes that work on one study together, each as a user's own script would."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType

from .peers import optimize, peer

_SPAWN = multiprocessing.get_context("spawn")
_LEAD = 0.05  # seconds from an order to the moment at which all begin


@dataclass(frozen=True)
class Burst:
    """What a crew did in one go."""

    trials: int
    seconds: float

    @property
    def rate(self) -> float:
        """Trials per second."""
        return self.trials / self.seconds


class Crew:
    """This many processes at one URL; they live until the context ends.

    Attributes:
        numbers: of all trials that they ran.
    """

    def __init__(self, name: str, url: str, processes: int) -> None:
        self._peer, self._url = peer(name), url
        self._study = self._peer.open(url)  # tables are made by one, once
        self._pipes: list[Connection] = []
        self._processes = []
        self.numbers: list[int] = []
        for _ in range(processes):
            ours, theirs = _SPAWN.Pipe()
            process = _SPAWN.Process(target=_work, args=(name, url, theirs), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        for pipe in self._pipes:
            self.numbers += pipe.recv()

    def run(self, seconds: float) -> Burst:
        """Have all work for so long at once."""
        start = time.monotonic() + _LEAD
        for pipe in self._pipes:
            pipe.send((start, seconds))
        answers = [pipe.recv() for pipe in self._pipes]  # EOFError: it died, and its traceback stands above
        numbers = [number for found, _ in answers for number in found]
        self.numbers += numbers
        return Burst(len(numbers), max(end for _, end in answers) - start)

    def check(self) -> None:
        """Raise unless each trial was run once, and the study has all results."""
        trials = self._peer.trials(self._study)
        if sorted(self.numbers) != sorted(t.number for t in trials if t.state.name == "COMPLETE"):
            raise AssertionError(f"{self._url}: trials were lost, or run twice")

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(10)
            process.kill()
            process.join()
        self._peer.close(self._study)


def _work(name: str, url: str, pipe: Connection) -> None:
    study = peer(name).open(url)
    pipe.send(optimize(study, 0.05))  # connections, caches
    while True:
        try:
            start, seconds = pipe.recv()
        except EOFError:
            break
        time.sleep(max(0.0, start - time.monotonic()))
        numbers = optimize(study, seconds)
        pipe.send((numbers, time.monotonic()))
    peer(name).close(study)
