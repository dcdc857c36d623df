"""Ctrl-C where it does no harm: held back while a trial starts or ends, ignored where another process decides, and
explained where it ends a run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from .protocol import evaluate


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


def explain_ctrl_c(
    error: KeyboardInterrupt, finished: int | None, queued: Sequence[int], stored: bool
) -> KeyboardInterrupt:
    """Return the error with a note on the state of the study, and of its traceback only what the user wrote.

    Args:
        error: what Ctrl-C raised.
        finished: how many trials of the study are finished; None where that is not known.
        queued: numbers of those that were running.
        stored: whether the study outlives this process.
    """
    note = "1 finished trial is kept" if finished == 1 else f"{finished} finished trials are kept"
    if finished is None:
        note = "Finished trials are kept"
    if len(queued) == 1:
        note += f"; trial {queued[0]}, which was running, is queued again"
    elif queued:
        *most, last = map(str, sorted(queued))
        named = f"trials {', '.join(most)} and {last}" if len(queued) <= 8 else f"{len(queued)} trials"
        note += f"; {named}, which were running, are queued again"
    note += ". Call optimize again to go on."
    if not stored:
        note += "\nThis study is in memory and ends with this process: create_study(storage=...) keeps one."
    error.add_note(note)
    return error.with_traceback(_of_the_user(error.__traceback__))


def _of_the_user(trace: TracebackType | None) -> TracebackType | None:
    """The frames of a traceback from the objective on, without those of libraries; None if there are none."""
    import sysconfig
    from pathlib import Path

    libraries = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
    here = str(Path(__file__).parent.parent)
    kept: list[TracebackType] | None = None
    while trace is not None:
        code = trace.tb_frame.f_code
        if kept is not None and not code.co_filename.startswith((here, "<frozen", *libraries)):
            kept.append(trace)
        if code is evaluate.__code__:
            kept = []
        trace = trace.tb_next
    for frame in reversed(kept or ()):
        trace = TracebackType(trace, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return trace
