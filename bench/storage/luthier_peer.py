"""Luthier as a user would have it, except for the sampler: the store is measured."""

from __future__ import annotations

import time

import luthier as lt
from luthier.engine.engine import LEASE_SECONDS
from luthier.samplers import RandomSampler
from luthier.space import domain_to_json
from luthier.stores import StudyRecord, open_store

from .peers import NAMES, STUDY, Peer, finished_trials


def peer(lease: float = LEASE_SECONDS) -> Peer:
    """with leases of this many seconds."""
    lt.set_verbosity("error")

    def study(url: str | None) -> lt.Study:
        return lt.create_study(
            study_name=STUDY, storage=url, sampler=RandomSampler(), seed=0, load_if_exists=True, lease_seconds=lease
        )

    return Peer(study, _fill, lambda study: study.trials, lt.Study.close)


def _fill(url: str, trials: int) -> None:
    """By the store's own `load`: one transaction."""
    now = time.time()
    times = {"created": now, "started": now, "finished": now}
    records = [
        lt.TrialRecord(
            i, lt.TrialState.COMPLETE, params, (value,), **times, owner="host:1234:0123456789abcdef", token=f"{i:016x}"
        )
        for i, (params, value) in enumerate(finished_trials(trials))
    ]
    domains = {name: domain_to_json(lt.Float(0.0, 1.0)) for name in NAMES}
    store = open_store(url)
    store.load(StudyRecord(STUDY, ("minimize",), 0, parameters=domains, created=now), records)
    store.close()
