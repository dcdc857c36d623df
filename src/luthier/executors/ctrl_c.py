"""Ctrl-C where it does no harm: held back while a trial starts or ends, ignored where another process decides."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class CtrlC:
    """The handler of Ctrl-C for the time of a run; a context manager, which begins and ends holding Ctrl-C back.

    In the main thread, a Ctrl-C that comes while it is held back comes when it is let go; a second one comes at once.
    In other threads, which no Ctrl-C reaches, and where the program has no handler of its own in Python, nothing
    changes.
    """

    def __init__(self) -> None:
        self._main = threading.main_thread().ident
        self._before: Any = None
        self._holding = False
        self._pressed: tuple[int, FrameType | None] | None = None

    def __enter__(self) -> CtrlC:
        if threading.get_ident() == self._main and callable(before := signal.getsignal(signal.SIGINT)):
            self._before, self._holding = before, True
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            if signal.getsignal(signal.SIGINT) == self._handle:
                signal.signal(signal.SIGINT, self._before)
            self.let_go()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._holding and self._pressed is None:
            self._pressed = number, frame
        else:
            self._before(number, frame)

    def hold(self) -> None:
        """Hold Ctrl-C back from now on."""
        if self._before is not None and threading.get_ident() == self._main:
            self._holding = True

    def let_go(self) -> None:
        """Let Ctrl-C come from now on; one that was held back comes now."""
        if self._before is not None and threading.get_ident() == self._main:
            self._holding = False
            pressed, self._pressed = self._pressed, None
            if pressed is not None:
                self._before(*pressed)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it back for a while, if it is not held back already."""
        if self._holding:
            yield
            return
        self.hold()
        try:
            yield
        finally:
            self.let_go()


def ignore_ctrl_c() -> None:
    """Ctrl-C goes to all processes of a terminal; which end is decided by the one that started them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
