"""WorkerPool: worker processes in which an objective finds what it would find in its own script.

The processes are loky's. Loky leaves its own start method behind in them, with which `multiprocessing.Process` cannot
work, and a `__main__` that lacks what the script defines; here both are as they are in the process of the study.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from typing import Any

from .ctrl_c import ignore_ctrl_c
from .guard import Guard, end_trees, processes


class WorkerPool:
    """A loky pool under a guard.

    Args:
        workers: how many processes.
        guard: ends them when this process is killed.
        environment: variables for them.
        start: called first in each worker, with `args`.
    """

    def __init__(
        self,
        workers: int,
        guard: Guard,
        environment: Mapping[str, str],
        start: Callable[..., None] | None = None,
        args: tuple[Any, ...] = (),
    ) -> None:
        from loky import ProcessPoolExecutor, process_executor

        process_executor.kill_process_tree = _kill_tree  # loky's needs psutil or pgrep, which slim images lack
        self._guard = guard
        self._watched: set[tuple[int, str]] = set()  # loky forgets its workers when one of them dies
        self._pool = ProcessPoolExecutor(
            workers,
            initializer=_begin,
            initargs=(_start_method(), start, args),
            env=environment,
            timeout=None,
        )

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call a function in a worker; see `concurrent.futures.Executor.submit`."""
        future: Future[Any] = self._pool.submit(function, *args)
        fresh = set(self._pool._processes) - {pid for pid, _ in self._watched}  # those that `submit` started
        self._watched |= self._guard.watch(fresh)
        return future

    def close(self, *, kill: bool) -> None:
        """End the workers: with all that they started, or after what they do."""
        self._pool.shutdown(wait=True, kill_workers=kill)
        self._guard.forget(self._watched)


def _kill_tree(process: Any) -> None:
    """Kill a worker, with all that it started."""
    if process.is_alive():
        end_trees([(process.pid, processes([process.pid]).get(process.pid, (0, "gone"))[1])])
    process.join()


def hold_back_ctrl_c() -> None:
    """Keep Ctrl-C from the workers that this thread starts, until `_begin` ignores it there: a traceback each."""
    if hasattr(signal, "pthread_sigmask"):
        from multiprocessing.resource_tracker import ensure_running

        ensure_running()  # before, as it lets Ctrl-C through again when it has started
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


@contextmanager
def ctrl_c_held_back() -> Iterator[None]:
    """As `hold_back_ctrl_c`, for a while; a Ctrl-C of that time comes at its end."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        hold_back_ctrl_c()
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_method() -> str | None:
    """The start method that this program has chosen; None for the platform's."""
    method = multiprocessing.get_start_method(allow_none=True)
    return None if method is None or method.startswith("loky") else method  # in a worker of joblib it is loky's


def _begin(method: str | None, start: Callable[..., None] | None, args: tuple[Any, ...]) -> None:
    from loky import process_executor

    ignore_ctrl_c()
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # With psutil, loky takes a worker that grew by 300 MB for a leak, as any that loads PyTorch does. It ends it
    # after its call and starts another, which no guard watches, with a warning on the terminal.
    process_executor._USE_PSUTIL = False
    multiprocessing.set_start_method(method, force=True)
    # A script ends its pools of processes before it waits for its children; a child of multiprocessing does not, and
    # would wait for pools that the objective left open (joblib's: five minutes) for as long as these live.
    multiprocessing.util.Finalize(None, threading._shutdown, exitpriority=1000)  # type: ignore[attr-defined]
    if start is not None:
        start(*args)


# -- the script of the study, as workers see it


def script() -> tuple[str | None, str | None, Callable[[], None]]:
    """Return what `become_script` needs: the module's name, its path, and a function of it.

    Sent by cloudpickle together with an objective, the function has the globals of the script that the objective uses.
    """
    main = sys.modules["__main__"]
    name = getattr(getattr(main, "__spec__", None), "name", None)
    return name, getattr(main, "__file__", None), types.FunctionType(_nothing.__code__, vars(main))


def become_script(name: str | None, path: str | None, function: Callable[[], None]) -> None:
    """Let `__main__` be the script of the study, as far as its objective uses it, without running it.

    What is pickled by its name then finds itself (`pickle`, `torch.save`, pools of processes), and processes that the
    objective spawns import the script as those of the script itself do.
    """
    main = types.ModuleType("__main__")
    vars(main).update({k: v for k, v in function.__globals__.items() if not k.startswith("__")})
    main.__spec__ = None if name is None else ModuleSpec(name, None)
    if path is not None:
        main.__file__ = path
    _kept.append(sys.modules["__main__"])
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main


_kept: list[types.ModuleType] = []  # it still runs: a module without references loses its globals


def _nothing() -> None:
    pass
