"""Randomness that comes from a seed and leaves the caller's generators alone; and the number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Let PyTorch's global generators (of the CPU, and of `device`) run from `seed` inside, and as before outside.

    >>> import torch
    >>> from luthier.train import seeded
    >>> with seeded(0):
    ...     first = torch.nn.Linear(2, 1)
    >>> with seeded(0):
    ...     second = torch.nn.Linear(2, 1)
    >>> torch.equal(first.weight, second.weight)
    True

    Build a model inside, and its weights depend on the seed alone. Not safe for threads: the generators are
    the process's.
    """
    device = torch.device(device)
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        # not torch.manual_seed: it would also seed devices whose state is not put back
        torch.default_generator.manual_seed(seed)
        for d in cuda:
            with torch.cuda.device(d):
                torch.cuda.manual_seed(seed)
        yield


def derived_seed(seed: int, *path: int) -> int:
    """A seed of its own for each path below one seed, such as (epoch, purpose)."""
    return int(np.random.SeedSequence((seed, *path)).generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Let PyTorch compute with n threads inside.

    >>> import torch
    >>> from luthier.train import threads
    >>> with threads(1):
    ...     print(torch.get_num_threads())
    1

    Small networks train fastest on one thread, and several trainings beside each other should share the cores.
    Sums are split by thread, so results are equal bit for bit only under an equal number of threads. The number
    is the process's: nothing else in Luthier changes it.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
