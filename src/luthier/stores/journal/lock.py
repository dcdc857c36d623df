"""Locks on a whole file: between processes by the kernel, which frees them upon death, and between threads.

Locks of an open file description (OFD, Linux) are used where the system has them; elsewhere those of POSIX, which
belong to a process. Both stop other processes alone, so there is a lock between the threads of a process as well.
A fork waits until no thread holds one, and the child gives up the descriptors that it shares with its parent.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import struct
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from ...errors import StorageBusy, StorageError

_LONGEST_NAP = 0.01  # seconds; a lock is held for about as long as the disk takes to sync


class HasDescriptor(Protocol):
    """What keeps a descriptor that a forked child must not share."""

    def drop_descriptor(self) -> None:
        """Close the descriptor; it is opened again on use."""
        ...


class _ThreadLock:
    """A lock that a weak reference can be held to."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


_registry = threading.Lock()
_by_path: weakref.WeakValueDictionary[str, _ThreadLock] = weakref.WeakValueDictionary()
_descriptors: weakref.WeakSet[HasDescriptor] = weakref.WeakSet()
_held: list[_ThreadLock] = []  # while a fork runs


class Patience:
    """How long to wait for others: made when the waiting begins."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self._end - time.monotonic())

    def ended(self) -> StorageBusy:
        """Return what to raise when it ended."""
        return StorageBusy(
            f"{self._path} stayed locked by other programs for {self._seconds:g} s: "
            "try again, or give a longer timeout="
        )


class ThreadsLock:
    """The lock that all handles of this process on one file share."""

    def __init__(self, path: Path) -> None:
        key = os.path.realpath(path)
        with _registry:
            self._shared = _by_path.setdefault(key, _ThreadLock())

    @contextmanager
    def held(self, patience: Patience) -> Iterator[None]:
        """Hold the lock. Raises `StorageBusy`."""
        if not self._shared.lock.acquire(timeout=patience.left):
            raise patience.ended()
        try:
            yield
        finally:
            self._shared.lock.release()


def watch(owner: HasDescriptor) -> None:
    """Have a forked child give up a descriptor."""
    _descriptors.add(owner)


def lock_descriptor(fd: int, patience: Patience, path: Path, *, exclusive: bool) -> None:
    """Lock a whole file against other processes.

    Raises:
        StorageBusy: others held it until the deadline.
        StorageError: the file system has no locks.
        OSError: ESTALE, where another machine has put another file in its place.
    """
    nap = 0.0002
    while True:
        try:
            _set_lock(fd, fcntl.F_WRLCK if exclusive else fcntl.F_RDLCK)
            return
        except OSError as error:
            if error.errno == errno.ESTALE:
                raise
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise StorageError(
                    f"{path} cannot be locked: {error.strerror}. A journal needs a file system with fcntl locks"
                ) from error
            if (left := patience.left) == 0:
                raise patience.ended() from error
        time.sleep(min(left, nap * random.uniform(0.5, 1.0)))
        nap = min(2 * nap, _LONGEST_NAP)


def unlock_descriptor(fd: int) -> None:
    """Release the lock."""
    _set_lock(fd, fcntl.F_UNLCK)


def _set_lock(fd: int, kind: int) -> None:
    if hasattr(fcntl, "F_OFD_SETLK"):
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi0q", kind, os.SEEK_SET, 0, 0, 0))
    else:
        flags = {fcntl.F_WRLCK: fcntl.LOCK_EX, fcntl.F_RDLCK: fcntl.LOCK_SH, fcntl.F_UNLCK: fcntl.LOCK_UN}
        fcntl.lockf(fd, flags[kind] if kind == fcntl.F_UNLCK else flags[kind] | fcntl.LOCK_NB)


def _before_fork() -> None:
    _registry.acquire()
    for lock in list(_by_path.values()):
        lock.lock.acquire()
        _held.append(lock)


def _after_fork() -> None:
    while _held:
        _held.pop().lock.release()
    _registry.release()


def _after_fork_in_child() -> None:
    for owner in list(_descriptors):
        owner.drop_descriptor()
    _after_fork()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
