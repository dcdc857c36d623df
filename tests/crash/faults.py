"""Faults that a worker carries in itself: an end at a commit, and a clock that is hours off."""

from __future__ import annotations

import importlib
import os
import time
from typing import Any

VARIABLE = "LUTHIER_FAILPOINT"
DIED = 77
"""Exit status of a process that ended at its failpoint."""


def install_failpoint(write: str) -> None:
    """End this process as LUTHIER_FAILPOINT says, "before:N", "torn:N" or "after:N": at its N-th change of the store.

    "before" is when all of the change was said and its commit not yet; "torn" is in the middle of a write to the file;
    "after" is when it is committed and the caller does not know. `write` is the "module:Class.method" that commits;
    its argument `work` is what to write, or a function that runs inside the transaction.
    """
    if not (wanted := os.environ.get(VARIABLE)):
        return
    when, _, text = wanted.partition(":")
    left = int(text)
    if when == "torn":
        _tear(left)
        return
    module, _, path = write.partition(":")
    owner, _, name = path.rpartition(".")
    holder = getattr(importlib.import_module(module), owner)
    original = getattr(holder, name)

    def with_failpoint(self: Any, work: Any, *args: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if not callable(work) and when == "before" and left == 0:
            os._exit(DIED)

        def inside(*given: Any) -> Any:
            done = work(*given)
            if when == "before" and left == 0:
                os._exit(DIED)
            return done

        done = original(self, inside if callable(work) else work, *args, **options)
        if when == "after" and left == 0:
            os._exit(DIED)
        return done

    setattr(holder, name, with_failpoint)


def _tear(left: int) -> None:
    original = os.pwrite

    def half(fd: int, data: Any, offset: int) -> int:
        nonlocal left
        left -= 1
        if left == 0:
            original(fd, data[: len(data) // 2], offset)
            os._exit(DIED)
        return original(fd, data, offset)

    os.pwrite = half


def move_clock(seconds: float) -> None:
    """Set this process's clock: leases must not follow it."""
    true = time.time
    time.time = lambda: true() + seconds
