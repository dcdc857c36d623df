"""parallel_map: results as they come, and what is said of calls that do not come to one."""

import os

import pytest

from luthier.errors import LuthierError
from luthier.executors.parallel import parallel_map


class Unloadable:
    def __reduce__(self):
        return _fail, ("no module named torchh",)


class Unsendable:
    def __reduce__(self):
        raise TypeError("it holds a lock")


def _fail(text):
    raise ImportError(text)


def twice(x):
    return 2 * x


def test_every_call_once_and_more_where_there_are():
    more = [[(3,)], []]
    found = list(parallel_map(twice, [(1,), (2,)], 2, lambda: more.pop(0)))
    assert sorted(found) == [(0, 2), (1, 4), (2, 6)]
    assert list(parallel_map(twice, [(1,), (2,)], 1)) == [(0, 2), (1, 4)]
    assert list(parallel_map(twice, [], 2)) == []


@pytest.mark.parametrize(
    ("function", "argument", "message"),
    [
        (os._exit, 3, r"a worker process died, exit codes \{EXIT\(3\)(, EXIT\(3\))?\}: it crashed, or was killed"),
        (twice, Unloadable(), "cannot load what it was sent: ImportError: no module named torchh"),
        (lambda _: Unloadable(), 1, "returned what cannot be loaded here: ImportError: no module named torchh"),
        (twice, Unsendable(), "cannot be sent to a worker process, or its result back: TypeError: it holds a lock"),
    ],
    ids=["died", "argument", "result", "sending"],
)
def test_what_went_wrong_is_said_as_it_was(function, argument, message):
    with pytest.raises(LuthierError, match=message) as caught:
        list(parallel_map(function, [(argument,), (argument,)], 2))
    assert ("memory" in str(caught.value)) == (function is os._exit)


def test_what_a_call_raises_is_raised_here():
    with pytest.raises(ImportError, match="torchh"):
        list(parallel_map(_fail, [("torchh",)] * 2, 2))


def grows(_):
    """A process identifier; from now on loky takes any use of memory for a leak, if it looks."""
    from loky import process_executor

    process_executor._MEMORY_LEAK_CHECK_DELAY = process_executor._MAX_MEMORY_LEAK_SIZE = -(2**40)
    return os.getpid()


def test_a_worker_whose_memory_grows_goes_on():
    found = {pid for _, pid in parallel_map(grows, [(i,) for i in range(12)], 2)}
    assert len(found) <= 2
