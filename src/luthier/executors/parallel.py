"""parallel_map: a function over a list of arguments, in worker processes, results as they come."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import LuthierError
from .guard import Guard
from .pool import WorkerPool, ctrl_c_held_back
from .processes import thread_environment

if TYPE_CHECKING:
    from concurrent.futures import Future


def parallel_map(
    function: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
    n_jobs: int,
    more: Callable[[], Sequence[tuple[Any, ...]]] = tuple,
) -> Iterator[tuple[int, Any]]:
    """Call `function(*arguments[i])` for all i.

    Args:
        function: anything that cloudpickle can send; what it raises is raised here.
        arguments: one tuple for each call.
        n_jobs: worker processes; 1 calls it in this process.
        more: asked for further arguments, of the next i, when all calls so far have ended, until it has none.

    Yields:
        i and the result, in the order in which calls end.

    Raises:
        LuthierError: a worker process died, or something cannot be sent to it, or back.
    """
    if n_jobs == 1 or not arguments:
        done = 0
        while arguments:
            for i, args in enumerate(arguments, done):
                yield i, function(*args)
            done += len(arguments)
            arguments = more()
        return
    from concurrent.futures import as_completed

    workers = n_jobs if more is not tuple else min(n_jobs, len(arguments))
    with Guard() as guard:
        pool = WorkerPool(workers, guard, thread_environment(workers, os.environ))
        finished = False
        try:
            done = 0
            while arguments:
                with ctrl_c_held_back():  # from workers that start
                    index = {pool.submit(function, *args): i for i, args in enumerate(arguments, done)}
                for future in as_completed(index):
                    yield index[future], _result(future)
                done += len(arguments)
                arguments = more()
            finished = True
        finally:
            pool.close(kill=not finished)


def _result(future: Future[Any]) -> Any:
    """What a call returned; raise what it raised, and what kept it from being called in other words."""
    from pickle import PicklingError

    from loky.process_executor import BrokenProcessPool, TerminatedWorkerError

    try:
        return future.result()
    except TerminatedWorkerError as error:
        codes = re.search(r"exit codes of the workers are (\{.*\})", str(error))
        how = f", exit codes {codes[1]}" if codes else ""
        raise LuthierError(
            f"a worker process died{how}: it crashed, or was killed, perhaps for want of memory; try fewer processes"
        ) from error
    except BrokenProcessPool as error:  # with the traceback of the other side as its cause
        reason = str(error.__cause__ or error).strip('"\n ').splitlines()[-1]
        what = "returned what cannot be loaded here" if "result" in str(error) else "cannot load what it was sent"
        raise LuthierError(f"a worker process {what}: {reason}") from error
    except PicklingError as error:
        reason = str(error.__cause__ or error).strip('"\n ').splitlines()[-1]
        raise LuthierError(f"a call cannot be sent to a worker process, or its result back: {reason}") from error
