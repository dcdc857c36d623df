"""Who runs a trial: a process, named so that another machine, or a later process of the same id, differs."""

from __future__ import annotations

import os

_HOST = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


def owner_id() -> str:
    """This process: host, process id, and when it started."""
    return f"{_HOST}/{os.getpid()}/{_started(os.getpid())}"


def owner_is_dead(owner: str) -> bool:
    """Return whether the owner was a process of this machine that is gone; False where that cannot be known."""
    parts = owner.rsplit("/", 2)
    if len(parts) != 3 or parts[0] != _HOST or not parts[1].isdigit():
        return False
    pid = int(parts[1])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _started(pid) != parts[2]


def _started(pid: int) -> str:
    """Start time of a process in clock ticks since boot, where the system tells it; else nothing."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - pathlib is slow to import
            stat = file.read()
        return stat.rpartition(b")")[2].split()[19].decode()  # field 22 of proc(5), counted after the name
    except (OSError, IndexError):
        return ""
