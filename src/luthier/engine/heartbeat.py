"""Heartbeat: one thread that renews the leases of all trials that a process runs in a study."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

_log = logging.getLogger("luthier")


class Heartbeat:
    """A daemon thread that runs from `start` on for as long as there is something to renew. Safe for threads.

    It holds its owner weakly, so that a study without references is collected and its thread ends.

    Args:
        held: a method that returns what to renew: (number, token) of each trial. Called often; must not wait.
        renew: a method that renews one. What it raises is logged, and tried again ten times as soon.
        seconds: from beat to beat.
    """

    def __init__(
        self, held: Callable[[], Sequence[tuple[int, str]]], renew: Callable[[int, str], None], seconds: float
    ) -> None:
        # each item is the seconds until the next beat, None to stop; put is safe in a weakref's callback
        self._wake: SimpleQueue[float | None] = SimpleQueue()
        self._held = weakref.WeakMethod(held, lambda _: self._wake.put(None))
        self._renew = weakref.WeakMethod(renew)
        self._seconds = seconds
        self._next = 0.0  # when the next beat is due
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, within: float | None = None) -> None:
        """Start beating if it is not beating; the next beat comes within this many seconds."""
        within = self._seconds if within is None else min(within, self._seconds)
        with self._lock:
            latest = time.monotonic() + within
            if self._thread is not None:
                if latest < self._next:
                    self._next = latest
                    self._wake.put(within)
            else:
                self._wake, self._next = SimpleQueue(), latest
                self._thread = threading.Thread(target=self._run, name="luthier-heartbeat", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Stop beating; return when the thread has ended."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            self._wake.put(None)
            thread.join()

    def _run(self) -> None:
        try:
            self._beat()
        finally:  # whatever ended it: `start` must be able to begin again
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _beat(self) -> None:
        while self._sleep() and (held := self._due()):
            for number, token in held:
                renew = self._renew()
                if renew is None:
                    return
                try:
                    renew(number, token)
                except Exception as error:  # whatever a storage raises, the next beat may succeed
                    _log.warning("the lease of trial %d could not be renewed, trying again: %s", number, error)
                    with self._lock:
                        self._next = min(self._next, time.monotonic() + self._seconds / 10)
                del renew  # while this thread sleeps, it holds nothing

    def _sleep(self) -> bool:
        """Return whether the time for a beat came and `stop` was not called."""
        while (left := self._next - time.monotonic()) > 0:
            try:
                if self._wake.get(timeout=left) is None:
                    break
            except Empty:
                pass
        else:
            return True
        with self._lock:
            self._thread = None
        return False

    def _due(self) -> Sequence[tuple[int, str]]:
        """What is to be renewed. Under the lock: `start` sees either a thread that goes on, or no thread."""
        with self._lock:
            method = self._held()
            held = () if method is None else method()
            if not held:
                self._thread = None
            self._next = time.monotonic() + self._seconds
            return held
