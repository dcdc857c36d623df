"""The workers of the campaign: real study loops on a shared store that write down what was acknowledged."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from faults import install_failpoint, move_clock
from ledger import Ledger, value_of
from targets import TARGETS

import luthier as lt
from luthier.engine.owner import owner_id
from luthier.errors import ConflictingTell, LeaseLost, StorageError
from luthier.samplers import RandomSampler
from luthier.stores import Proposal, Result, Store, open_store
from luthier.trial import TrialState

T = TypeVar("T")

STUDY = "crash"
SPACE = {"x": lt.Float(0.0, 1.0)}
STEPS = 2


@dataclass(frozen=True)
class Job:
    """What a worker is to do."""

    target: str
    url: str
    log: Path
    loop: str
    seed: int
    lease: float
    clock: float = 0.0


def make_study(url: str) -> None:
    """The study that all workers share."""
    lt.create_study(storage=url, study_name=STUDY, space=SPACE, sampler=RandomSampler(), seed=1).close()


def load_study(store: Store, lease: float) -> lt.Study:
    """The study at work in this process."""
    return lt.load_study(STUDY, storage=store, sampler=RandomSampler(), lease_seconds=lease)


class LateResults(logging.Handler):
    """Writes down what `optimize` says of a result that came too late."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and isinstance(record.args[0], LeaseLost):
            self._ledger.say("late")


def work(job: Job) -> None:
    """Run trials until killed."""
    install_failpoint(TARGETS[job.target].write)
    if job.clock:
        move_clock(job.clock)
    ledger = Ledger(job.log)
    logging.getLogger("luthier").addHandler(LateResults(ledger))
    patiently(ledger, run_loop, job, ledger)


def run_loop(job: Job, ledger: Ledger) -> None:
    """One of the loops, on the store as it is opened now."""
    LOOPS[job.loop](open_store(job.url), job, ledger, random.Random(job.seed))


def patiently(ledger: Ledger, call: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """Repeat a call until the store can be used again: a full disk and a dead server are no end."""
    while True:
        try:
            return call(*arguments, **options)
        except StorageError as error:
            ledger.say("refused", error=f"{type(error).__name__}: {error}"[:300])
            time.sleep(0.05)


def store_loop(store: Store, job: Job, ledger: Ledger, rng: random.Random) -> None:
    """The store's own calls, each repeated with the same ids where its reply did not come."""
    owner, number = owner_id(), 0
    trial: lt.TrialRecord | None = None
    while True:
        for late in patiently(ledger, store.expired, STUDY):
            if patiently(ledger, store.requeue, STUDY, late.number, late.token):
                ledger.say("requeued", number=late.number, token=late.token)
        if rng.random() < 0.3:
            client, x = uuid4().hex, rng.random()
            queued = patiently(ledger, store.enqueue, STUDY, {"x": x}, {"client": client}, client)
            ledger.say("enqueued", number=queued.number, client=client)
        if trial is None:
            asking = owner, uuid4().hex, job.lease, Proposal(number + 1, {"x": rng.random()})
            trial = patiently(ledger, store.ask, STUDY, *asking)
            ledger.say("asked", number=trial.number, token=trial.token, retries=trial.retries)
        number, token = trial.number, trial.token
        try:
            trial = finish(store, trial, job.lease, ledger, rng)
        except LeaseLost:
            ledger.say("late", number=number, token=token)
            trial = None


def finish(
    store: Store, trial: lt.TrialRecord, lease: float, ledger: Ledger, rng: random.Random
) -> lt.TrialRecord | None:
    """Report and tell a trial, and ask for another with it or not; raises LeaseLost."""
    number, token, value = trial.number, trial.token, value_of(trial.token)
    if not trial.params:
        patiently(ledger, store.write, STUDY, number, token, params={"x": rng.random()})
    for step in range(rng.randint(0, STEPS)):
        patiently(ledger, store.write, STUDY, number, token, reports=[(step, value)], lease=lease)
        ledger.say("wrote", number=number, token=token, step=step)
    time.sleep(rng.uniform(0, 0.02))
    result = Result(TrialState.COMPLETE, (value,))
    following = None
    if rng.random() < 0.5:
        asking = owner_id(), uuid4().hex, lease, Proposal(number + 1, {"x": rng.random()})
        _, following = patiently(ledger, store.tell_and_ask, STUDY, number, token, result, *asking)
        ledger.say("asked", number=following.number, token=following.token, retries=following.retries)
    else:
        patiently(ledger, store.tell, STUDY, number, token, result)
    ledger.say("told", number=number, token=token, value=value)
    if rng.random() < 0.1:  # a reply that was lost is asked for again
        patiently(ledger, store.tell, STUDY, number, token, result)
    if rng.random() < 0.05:
        try:
            patiently(ledger, store.tell, STUDY, number, token, Result(TrialState.COMPLETE, (value + 1,)))
        except ConflictingTell:
            return following
        ledger.say("told", number=number, token=token, value=value + 1)
    return following


def study_loop(store: Store, job: Job, ledger: Ledger, rng: random.Random) -> None:
    """Ask and tell of a Study."""
    study = load_study(store, job.lease)
    while True:
        if rng.random() < 0.2:
            study.enqueue_trial({"x": rng.random()})
        trial = study.ask()
        say_asked(study, trial, ledger)
        value = value_of(trial.token)
        try:
            for step in range(rng.randint(0, STEPS)):
                trial.report(value, step)
            time.sleep(rng.uniform(0, 0.02))
            patiently(ledger, study.tell, trial, value)
        except LeaseLost:
            ledger.say("late", number=trial.number, token=trial.token)
        else:
            ledger.say("told", number=trial.number, token=trial.token, value=value)


def optimize_loop(store: Store, job: Job, ledger: Ledger, rng: random.Random) -> None:
    """Study.optimize; what it acknowledges, it says to a callback."""
    study = load_study(store, job.lease)

    def objective(trial: lt.Trial) -> float:
        say_asked(study, trial, ledger)
        value = value_of(trial.token)
        for step in range(rng.randint(0, STEPS)):
            trial.report(value, step)
        time.sleep(rng.uniform(0, 0.02))
        return value

    def acknowledged(_: lt.Study, record: lt.TrialRecord) -> None:
        if record.state is TrialState.COMPLETE:
            ledger.say("told", number=record.number, token=record.token, value=record.value)

    study.optimize(objective, callbacks=[acknowledged])


def say_asked(study: lt.Study, trial: lt.Trial, ledger: Ledger) -> None:
    """Write down which attempt at a trial this is, if it is not taken away already."""
    record = study.history.records[trial.number]
    if record.token == trial.token:
        ledger.say("asked", number=trial.number, token=trial.token, retries=record.retries)


LOOPS = {"store": store_loop, "study": study_loop, "optimize": optimize_loop}
