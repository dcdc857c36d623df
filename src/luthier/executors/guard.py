"""Guard: a small process that ends the workers of a run, and all that they started, when the run's process is killed.

A worker cannot do this by itself. Native code that holds the interpreter keeps its threads from running, and a signal
of the kernel's at the death of its parent (`PR_SET_PDEATHSIG`) would end a worker before what it started is known.
The guard has a session of its own, so a signal to the run's whole group leaves it alive.

This file is also the program that the guard runs, so it imports nothing of the package.
"""

import os
import select
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

_LOOK_SECONDS = 1.0  # a forked child of the run may keep the pipe open: so the parent is looked at, too
_ROUNDS = 20  # of stopping what a tree started in the meantime


class Guard:
    """Ends the processes that it watches once this process is gone. A context manager; safe for threads.

    When the context is left by an exception, what it still watches is ended, too.
    """

    def __init__(self) -> None:
        import threading

        self._lock = threading.Lock()
        self._watched: set[tuple[int, str]] = set()
        self._left = False
        self._process: Any = None

    def __enter__(self) -> "Guard":
        self._process = _start()
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        with self._lock:
            self._left = True
            with suppress(BrokenPipeError):  # it was killed
                if kind is None:
                    self._process.stdin.write(b"end\n")
                self._process.stdin.close()
            self._process.wait()

    def watch(self, pids: Iterable[int]) -> set[tuple[int, str]]:
        """Watch these children of this process as well.

        Returns:
            What `forget` takes: each with when it started, as another process may have its id some day.
        """
        found = {(pid, _start_of_child(pid)) for pid in pids}
        self._change("+", found)
        return found

    def forget(self, watched: Iterable[tuple[int, str]]) -> None:
        """Stop watching these: they have ended."""
        self._change("-", set(watched))

    def _change(self, sign: str, those: set[tuple[int, str]]) -> None:
        with self._lock:
            those = those - self._watched if sign == "+" else those & self._watched
            if self._left or not those:
                return
            self._watched = self._watched | those if sign == "+" else self._watched - those
            try:
                self._send(sign, those)
            except BrokenPipeError:  # the guard was killed: another takes its place
                self._process.stdin.close()
                self._process.wait()
                self._process = _start()
                self._send("+", self._watched)

    def _send(self, sign: str, those: set[tuple[int, str]]) -> None:
        self._process.stdin.write("".join(f"{sign}{pid} {start}\n" for pid, start in those).encode())


def _start_of_child(pid: int) -> str:
    """When a child of this process started; "" if it has ended, and for another process, which has its id by now."""
    parent, start = processes([pid]).get(pid, (0, ""))
    return start if parent == os.getpid() else ""


def _start() -> Any:
    import subprocess

    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(os.getpid())],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,  # else it would keep `script | tee` waiting
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


# -- the program


def _main() -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    parent, watched, text = int(sys.argv[1]), set[tuple[int, str]](), b""
    while True:
        if os.name != "nt" and not select.select([0], [], [], _LOOK_SECONDS)[0]:
            if os.getppid() != parent:
                break
            continue
        data = os.read(0, 65536)
        if not data:
            break
        *lines, text = (text + data).split(b"\n")
        for line in lines:
            if line == b"end":
                return
            pid, _, start = line[1:].decode().partition(" ")
            (watched.add if line.startswith(b"+") else watched.discard)((int(pid), start))
    end_trees(watched)


def end_trees(roots: Iterable[tuple[int, str]]) -> None:
    """Kill processes and all that descends from them.

    Args:
        roots: each with when it started, as `processes` gives it: another that has its id by now is left alone.
    """
    if os.name == "nt":
        for pid, _ in roots:
            os.system(f"taskkill /F /T /PID {pid}")
        return
    stopped: set[int] = set()
    for _ in range(_ROUNDS):
        table = processes()
        fresh = _tree({pid for pid, start in roots if table.get(pid, (0, "gone"))[1] == start}, table) - stopped
        if not fresh:
            break
        for pid in fresh:  # what is stopped starts nothing more, and is still there to be found
            _send_signal(pid, signal.SIGSTOP)
        stopped |= fresh
    for pid in stopped:
        _send_signal(pid, signal.SIGKILL)


def _tree(roots: set[int], table: dict[int, tuple[int, str]]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found, left = set[int](), list(roots)
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += children.get(pid, [])
    return found


def _send_signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it ended, or is another user's
        os.kill(pid, number)


def processes(pids: Iterable[int] | None = None) -> dict[int, tuple[int, str]]:
    """Return the parent of every process, and when it started, as the system says it.

    Args:
        pids: of these alone, where that is faster; None for all.
    """
    table = {}
    if os.path.isdir("/proc/self"):  # noqa: PTH112 - pathlib is slow to import
        names = filter(str.isdigit, os.listdir("/proc")) if pids is None else map(str, pids)  # noqa: PTH208
        for name in names:
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                fields = file.read().rpartition(b")")[2].split()  # proc(5), from field 3 on
                table[int(name)] = int(fields[1]), fields[19].decode()
    elif os.name != "nt":
        with os.popen("ps -axo pid=,ppid=,lstart=") as lines:
            for line in lines:
                pid, parent, start = line.split(None, 2)
                table[int(pid)] = int(parent), start.strip()
    return table


if __name__ == "__main__":
    _main()
