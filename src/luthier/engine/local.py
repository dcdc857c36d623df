"""Local: a study in this process: what the parts of its engine share."""

from __future__ import annotations

import os
import threading
import weakref
from itertools import count

from ..samplers import Sampler
from ..space import Space
from ..stores import Store, StudyRecord
from .mirror import Mirror
from .owner import owner_id
from .running import RunningTrials
from .suggestions import Suggestions


class Local:
    """What this process has of a study. Whoever uses more than one field, or changes one, holds `lock`.

    Args:
        store: where the study lives.
        study: its record there.
        sampler: proposes.
        declared: the declared space with its objects; None where the objective defines it.
        lease: seconds for which a trial is held; None for ever.
        owner: who runs its trials; None for this process.

    Attributes:
        mirror: what this process knows of the study.
        running: the trials that it runs.
        suggestions: the sampler at work.
    """

    def __init__(
        self,
        store: Store,
        study: StudyRecord,
        sampler: Sampler,
        declared: Space | None,
        lease: float | None,
        owner: str | None,
    ) -> None:
        self.store = store
        self.name = study.name
        self.lease = lease
        self.running = RunningTrials(store, study.name, lease)
        self.mirror = Mirror(store, study, declared, self.running.runs)
        self.suggestions = Suggestions(sampler, study.seed)
        self._given_owner = owner
        self.become_this_process()
        _all.add(self)

    def become_this_process(self) -> None:
        """Take what is a process's own; in a forked child, the parent goes on holding what was running."""
        self.lock = threading.RLock()
        self.owner = self._given_owner or owner_id()
        self._client = os.urandom(16).hex()
        self._calls = count()
        self.running.become_this_process()

    def fresh_id(self) -> str:
        """Return the id of a call of the store, which no other call has."""
        return f"{self._client}-{next(self._calls)}"


_all: weakref.WeakSet[Local] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for local in list(_all):
        local.become_this_process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
