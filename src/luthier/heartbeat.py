"""Heartbeat: one thread that renews the leases of all trials that a process runs in a study."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

_log = logging.getLogger("luthier")


class Heartbeat:
    """A daemon thread that runs from `start` on for as long as there is something to renew. Safe for threads.

    It holds its owner weakly, so that a study that nobody holds any more is collected and its thread ends.

    Args:
        held: a method that says what is to be renewed: (number, token) of each trial. Called often; must not wait.
        renew: a method that renews one. What it raises is logged, and tried again ten times as soon.
        seconds: from beat to beat.
    """

    def __init__(
        self, held: Callable[[], Sequence[tuple[int, str]]], renew: Callable[[int, str], None], seconds: float
    ) -> None:
        self._wake: SimpleQueue[None] = SimpleQueue()  # its put is safe in a weakref's callback; an Event's set is not
        self._held = weakref.WeakMethod(held, lambda _: self._wake.put(None))
        self._renew = weakref.WeakMethod(renew)
        self._seconds = seconds
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Beat from now on; nothing happens if it does."""
        with self._lock:
            if self._thread is None:
                self._wake = SimpleQueue()
                self._thread = threading.Thread(target=self._run, name="luthier-heartbeat", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Beat no more; returns when the thread has ended."""
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
        seconds = self._seconds
        while self._sleep(seconds) and (held := self._due()):
            seconds = self._seconds
            for number, token in held:
                renew = self._renew()
                if renew is None:
                    return
                try:
                    renew(number, token)
                except Exception as error:  # whatever a storage raises, the next beat may succeed
                    _log.warning("the lease of trial %d could not be renewed, trying again: %s", number, error)
                    seconds = self._seconds / 10
                del renew  # while this thread sleeps, it holds nothing

    def _sleep(self, seconds: float) -> bool:
        """Whether the time passed and nobody said to stop."""
        try:
            self._wake.get(timeout=seconds)
        except Empty:
            return True
        with self._lock:
            self._thread = None
        return False

    def _due(self) -> Sequence[tuple[int, str]]:
        """What is to be renewed. Under the lock: `start` sees either a thread that goes on or none."""
        with self._lock:
            method = self._held()
            held = () if method is None else method()
            if not held:
                self._thread = None
            return held
