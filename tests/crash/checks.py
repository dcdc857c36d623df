"""What a store must show after a campaign, looked at from outside by a fresh process.

python checks.py URL FOLDER_OF_LEDGERS LEASE WHEN_THE_LAST_WORKER_DIED
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger import facts, value_of
from worker import STUDY, load_study

from luthier.stores import Store, open_store
from luthier.trial import TrialRecord, TrialState

SLACK = 20.0
"""Seconds that a busy machine may take beyond the lease."""


def records_of(store: Store) -> list[TrialRecord]:
    """All trials."""
    return store.changes(STUDY, 0)[1]


def recover(store: Store, lease: float) -> None:
    """Ask and tell as any worker that comes later, until nothing runs or waits, or that took too long."""
    deadline = time.monotonic() + lease + SLACK
    study = load_study(store, lease)
    while any(not record.state.is_finished for record in records_of(store)) and time.monotonic() < deadline:
        trial = study.ask()
        study.tell(trial, value_of(trial.token))
        time.sleep(0.02)


def check(store: Store, said: Sequence[dict[str, Any]], lease: float, died: float) -> dict[str, Any]:
    """The figures of a campaign, its `violations` in words; none is how it should be."""
    assert STUDY in [study.name for study in store.studies()]
    before = {record.number: record for record in records_of(store)}
    told = [fact for fact in said if fact["fact"] == "told"]
    enqueued = [fact for fact in said if fact["fact"] == "enqueued"]
    lost = [_said(fact, before) for fact in told if not _is_there(fact, before)]
    lost += [
        _said(fact, before)
        for fact in enqueued
        if fact["number"] not in before or before[fact["number"]].attrs.get("client") != fact["client"]
    ]
    lost += [_said(fact, before) for fact in said if fact["fact"] == "wrote" and not _is_kept(fact, before)]
    lost += [_said(fact, before) for fact in said if fact["fact"] == "requeued" and not _was_requeued(fact, before)]
    twice = _taken_twice(said) + _told_twice(told) + _queued_twice(before.values()) + _requeued_twice(said)
    begun = time.monotonic()
    slow = _next_trial(store, lease)
    next_s = time.monotonic() - begun
    recover(store, lease)
    recovered = time.time() - died
    after = records_of(store)
    running = [f"trial {record.number} is RUNNING" for record in after if record.state is TrialState.RUNNING]
    wrong = [f"trial {r.number} shows {r}, which nobody told" for r in after if not _is_true(r)]
    if [record.number for record in after] != list(range(len(after))):
        wrong.append("the numbers of the trials have gaps")
    counts = Counter(fact["fact"] for fact in said)
    return {
        "trials": len(after),
        "acknowledged": len(told) + len(enqueued),
        "lost": len(lost),
        "twice": len(twice),
        "running": len(running),
        "late": counts["late"],
        "requeued": sum(record.retries for record in after),
        "refused": counts["refused"],
        "next_s": round(next_s, 2),
        "recovered_s": round(recovered, 2),
        "violations": lost + twice + slow + running + wrong,
    }


def _next_trial(store: Store, lease: float) -> list[str]:
    """Start and finish a trial as any worker; what is wrong if that takes longer than the lease of the dead."""
    begun = time.monotonic()
    study = load_study(store, lease)
    trial = study.ask()
    took = time.monotonic() - begun
    study.tell(trial, value_of(trial.token))
    return [f"the next trial started after {took:.1f} s only"] if took > lease + SLACK else []


def _said(fact: dict[str, Any], records: dict[int, TrialRecord]) -> str:
    return f"{fact} was acknowledged, and the store has {records.get(fact['number'])}"


def _is_there(fact: dict[str, Any], records: dict[int, TrialRecord]) -> bool:
    record = records.get(fact["number"])
    if record is None or record.state is not TrialState.COMPLETE:
        return False
    return bool(record.token == fact["token"] and record.value == fact["value"])


def _is_kept(fact: dict[str, Any], records: dict[int, TrialRecord]) -> bool:
    """Whether a report is there for as long as its writer has the trial."""
    record = records.get(fact["number"])
    return record is not None and (record.token != fact["token"] or fact["step"] in dict(record.reports))


def _was_requeued(fact: dict[str, Any], records: dict[int, TrialRecord]) -> bool:
    """Whether a trial was taken from the owner that somebody took it from."""
    record = records.get(fact["number"])
    return record is not None and record.token != fact["token"] and record.retries > 0


def _is_true(record: TrialRecord) -> bool:
    """Whether a record holds what the owner of its token said, and nothing of another's."""
    if record.state is TrialState.WAITING:
        return not record.reports and record.values is None
    if record.state is TrialState.FAIL:  # given up after too many dead owners
        return record.values is None and not record.token
    value = value_of(record.token) if record.token else None
    if record.state is TrialState.COMPLETE and record.value != value:
        return False
    return all(reported == value for _, reported in record.reports)


def _taken_twice(said: Sequence[dict[str, Any]]) -> list[str]:
    """Attempts with two owners: each time that a trial is queued again its `retries` grows, in one transaction."""
    owners: dict[tuple[int, int], set[str]] = defaultdict(set)
    for fact in said:
        if fact["fact"] == "asked":
            owners[fact["number"], fact["retries"]].add(fact["token"])
    return [
        f"attempt {attempt} at trial {number} went to {tokens}"
        for (number, attempt), tokens in owners.items()
        if len(tokens) > 1
    ]


def _told_twice(told: Sequence[dict[str, Any]]) -> list[str]:
    results: dict[int, set[tuple[str, float]]] = defaultdict(set)
    for fact in told:
        results[fact["number"]].add((fact["token"], fact["value"]))
    return [f"trial {number} was acknowledged with {both}" for number, both in results.items() if len(both) > 1]


def _requeued_twice(said: Sequence[dict[str, Any]]) -> list[str]:
    taken = Counter((fact["number"], fact["token"]) for fact in said if fact["fact"] == "requeued")
    return [f"trial {number} was taken from one owner {n} times" for (number, _), n in taken.items() if n > 1]


def _queued_twice(records: Any) -> list[str]:
    clients = Counter(record.attrs["client"] for record in records if "client" in record.attrs)
    return [f"the call {client} queued {n} trials" for client, n in clients.items() if n > 1]


if __name__ == "__main__":
    url, folder, lease, died = sys.argv[1:]
    store = open_store(url, must_exist=True)
    sys.stdout.write(json.dumps(check(store, list(facts(Path(folder))), float(lease), float(died))))
    store.close()
