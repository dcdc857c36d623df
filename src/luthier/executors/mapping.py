"""parallel_map: a function over a list of arguments, in worker processes, results as they come."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..errors import LuthierError
from .guard import Guard
from .pool import WorkerPool
from .processes import thread_environment


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
        LuthierError: a worker process died.
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

    from loky.process_executor import BrokenProcessPool

    workers = n_jobs if more is not tuple else min(n_jobs, len(arguments))
    with Guard() as guard:
        pool = WorkerPool(workers, guard, thread_environment(workers, os.environ))
        finished = False
        try:
            done = 0
            while arguments:
                index = {pool.submit(function, *args): i for i, args in enumerate(arguments, done)}
                for future in as_completed(index):
                    yield index[future], future.result()
                done += len(arguments)
                arguments = more()
            finished = True
        except BrokenProcessPool as error:
            raise LuthierError(f"a worker process died (out of memory?): {error}; try fewer processes") from error
        finally:
            pool.close(kill=not finished)
