"""A process forks between transactions only, and with no connection open.

SQLite keeps in memory which locks its process holds. A child that was forked in the middle of another thread's
transaction believes that it holds them, and waits for itself for ever; one that inherits an open connection
must not even close it (https://www.sqlite.org/howtocorrupt.html, 2.6). So a fork waits for the transactions
that run, which take milliseconds, and closes all connections first; they are opened again on use.
"""

from __future__ import annotations

import os
import threading
import weakref

import sqlalchemy as sa

_changed = threading.Condition(threading.Lock())
_engines: weakref.WeakSet[sa.Engine] = weakref.WeakSet()
_running = 0
_forking = False


def watch(engine: sa.Engine) -> None:
    """Have an engine's connections closed before every fork."""
    _engines.add(engine)


class Running:
    """A context in which no other thread forks: around each transaction."""

    def __enter__(self) -> None:
        global _running
        with _changed:
            while _forking:
                _changed.wait()
            _running += 1

    def __exit__(self, *_: object) -> None:
        global _running
        with _changed:
            _running -= 1
            _changed.notify_all()


def _before() -> None:
    global _forking
    _changed.acquire()
    while _forking:
        _changed.wait()
    _forking = True
    while _running:
        _changed.wait()
    for engine in list(_engines):
        engine.dispose()


def _after() -> None:
    global _forking
    _forking = False
    _changed.notify_all()
    _changed.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
