"""Step 8: the most promising trials run again on fresh seeds, one seed at a time, and one of them is chosen."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..confirm import Confirmation, Plan, Run, choose, plan_reruns, timed_run, validation_optimism, within
from ..errors import DataError
from ..executors.parallel import parallel_map
from ..samplers.tried import marks_of_trials
from ..tasks import Task
from ..trial import TrialRecord, TrialState
from ..types import Configuration
from .budget import rerun_seconds
from .folder import RunFolder
from .keep import save_trained, trained_again
from .narrator import RerunProgress
from .walk import TITLES, Walk

# Of the search's arithmetic, what re-runs may take: arithmetic predicts seconds only roughly, and in seconds too they
# are not to cost more than the search.
_MOST_WORK = 0.8
_PACKED = 0.8  # of the time of all processes, what trainings of unequal length fill


@dataclass(frozen=True)
class Winner:
    """What is chosen.

    Attributes:
        name, number, params: the configuration; number None is the baseline's.
        mean: over the re-runs; None where it was not run again.
        model, baseline: folders of its model and the baseline's.
        confirmation: the re-runs, if any.
    """

    name: str
    number: int | None
    params: Mapping[str, Any]
    mean: float | None
    model: Path
    baseline: Path
    confirmation: Confirmation | None


def choose_winner(walk: Walk) -> Winner:
    """Run the best again on fresh seeds, as far as the time allows, and choose."""
    study, folder, narrator = walk.study, walk.folder, walk.narrator
    walk.account.begin(TITLES[7])
    best = _searched(walk, study.best_trial)
    if not folder.model.exists():
        folder.put_model(best)
    runs = [_named_once(walk, Run.from_json(line)) for line in folder.lines("reruns")]
    wanted = _wanted(walk)
    work, most = _work(walk, wanted)
    most -= sum(work[run.number] for run in runs if run.number in work and run.seed in wanted.seeds)
    plan = cheap = within(wanted, work, most, runs)
    costs = _seconds(walk, plan, runs)
    fits = True
    if plan.pending(runs) and not math.isinf(walk.clock.left):
        room = _PACKED * walk.jobs * walk.clock.for_training
        plan = within(plan, costs, room, runs)
        fits = sum(costs[number] for number, _, _ in plan.pending(runs)) <= room * (1 + 1e-9)
    if fits:
        left = plan.remaining(runs)
        narrator.reruns(plan, len(left), rerun_seconds([costs[number] for number, _ in left], walk.jobs))
        limit = "the time that is left" if plan != cheap else "what the search cost" if plan != wanted else None
        if limit is not None:
            asked = f"{len(wanted.entries)} configurations on {len(wanted.seeds)} seeds"
            walk.account.state("limited", f"to fit into {limit}, where {asked} might not", keep=False)
        _run(walk, plan, costs, runs)
    confirmation = _comparable(plan, runs)
    if confirmation is None:
        narrator.line(
            "The time is over before the best trial and the baseline have both run again: nothing is confirmed.",
            warning=True,
        )
        record = study.best_trial
        baseline = _searched(walk, walk.baseline)
        return Winner(f"trial {record.number}", record.number, record.params, None, best, baseline, None)
    if not fits:
        narrator.line("The time that is left is too short for further re-runs: the earlier ones decide.", warning=True)
    chosen = choose(confirmation)
    narrator.choice(walk.task, confirmation, chosen.best, chosen.cheapest)
    try:
        narrator.line(validation_optimism(confirmation).text)
    except DataError as error:
        narrator.line(f"{error}.")
    folder.save("confirmation", confirmation.to_json())
    return Winner(
        chosen.best.name,
        chosen.best.number,
        chosen.best.params,
        chosen.best.mean,
        _model(walk, chosen.best.number),
        _model(walk, None),
        confirmation,
    )


def _named_once(walk: Walk, run: Run) -> Run:
    """The baseline's runs count as the default's, whether it was among the best trials or not when they were made."""
    return replace(run, number=walk.number(run.number))


def _wanted(walk: Walk) -> Plan:
    """What to run again if there is time: the most promising trials, what was confirmed before, and the baseline.

    The baseline has one number, None: it enters and leaves the most promising trials as a search goes on.
    """
    study, settings, folder = walk.study, walk.settings, walk.folder
    plan = plan_reruns(study.history, settings.top, settings.seeds, include_default=True, bounds=walk.task.bounds)
    numbers = [n for n in plan.numbers if n is not None]
    mark = dict(zip(numbers, marks_of_trials(study.history, numbers), strict=True))
    (default,) = marks_of_trials(study.history, [walk.baseline.number])
    baseline = {None, *(n for n in numbers if mark[n] == default)}
    own = dict(walk.baseline.params)
    entries = [(None, own, value) if n in baseline else (n, params, value) for n, params, value in plan.entries]
    reference = dict.fromkeys(None if n in baseline else n for n in plan.reference)
    if folder.has("confirmation"):
        before = choose(Confirmation.from_json(folder.load("confirmation"))).best
        number = walk.number(before.number)
        if number is not None and marks_of_trials(study.history, [number])[0] not in {default, *mark.values()}:
            entries.append((number, dict(before.params), before.search_value))
    return replace(plan, entries=tuple(entries), reference=tuple(reference))


def _comparable(plan: Plan, runs: Sequence[Run]) -> Confirmation | None:
    """The re-runs that a choice may rest on; None where the time was over before there were any.

    A race that ended early says something about the seeds alone on which both the baseline and another configuration
    ran: whichever of them happened to end before the time did has not won.
    """
    found = plan.confirmation(runs)
    if not plan.pending(runs):
        return found
    default = found.default
    if default is not None and not default.failed and any(number is None for number, _ in plan.remaining(runs)):
        own = {run.seed for run in default.runs}
        others = {run.seed for c in found.candidates if c is not default for run in c.runs}
        shared = tuple(seed for seed in plan.seeds if seed in own & others)
        if len(plan.entries) > 1 and not shared:
            return None
        if shared:
            found = replace(plan, seeds=shared).confirmation(runs)
    return found if any(c.runs and not c.failed for c in found.candidates) else None


def _work(walk: Walk, plan: Plan) -> tuple[dict[int | None, float], float]:
    """The arithmetic of one run of each entry, and how much all may take."""

    def per_step(params: Mapping[str, Any]) -> float:
        return walk.task.work(walk.restored(params))

    done = {t.number: (t, _steps(t)) for t in walk.study.trials if t.state.is_finished}
    work = {number: steps * per_step(t.params) for number, (t, steps) in done.items() if steps}
    each = {
        number: work.get(walk.record(number).number) or walk.task.max_steps * per_step(params)
        for number, params, _ in plan.entries
    }
    return each, _MOST_WORK * sum(work.values())


def _steps(record: TrialRecord) -> int:
    """How many steps a finished trial ran; one that reported nothing is one step."""
    return len(record.reports) or int(record.state is TrialState.COMPLETE)


def _seconds(walk: Walk, plan: Plan, runs: Sequence[Run]) -> dict[int | None, float]:
    """What one run of each entry takes: as its re-runs did, else as its trial did."""
    own = {n: [run.seconds for run in runs if run.number == n] for n in plan.numbers}
    return {n: sum(own[n]) / len(own[n]) if own[n] else walk.record(n).seconds or 0.0 for n in plan.numbers}


def _run(walk: Walk, plan: Plan, costs: Mapping[int | None, float], runs: list[Run]) -> None:
    """Run round after round, until the race or the time is over; `runs` grows."""
    clock, folder = walk.clock, walk.folder
    ended = False
    last = time.monotonic()

    def round_() -> list[tuple[Any, ...]]:
        todo = [] if ended else plan.pending(runs)
        if rerun_seconds([costs[number] for number, _, _ in todo], walk.jobs) > clock.for_training:
            return []
        until = math.inf if math.isinf(clock.left) else time.time() + clock.for_training
        first = plan.seeds[0]
        return [
            (n, seed, walk.restored(params), _model_folder(folder, n) if seed == first else None, until)
            for n, seed, params in todo
        ]

    def look() -> RerunProgress:
        left = plan.remaining(runs)
        seconds = rerun_seconds([costs[number] for number, _ in left], walk.jobs)
        done = sum(run.number in costs and run.seed in plan.seeds for run in runs)
        eta = max(0.0, seconds - (time.monotonic() - last)) if left and not ended else None
        racing = len(plan.entries) - len(_gone(plan, runs))
        return RerunProgress(done, done + len(left), racing, len(plan.entries), eta)

    calls = round_()
    if not calls:
        return
    again = partial(_run_again, uuid.uuid4().hex, walk.task)
    with walk.narrator.watching(walk.task, look):
        for _, run in parallel_map(again, calls, walk.jobs, round_):
            if run is None:
                ended = True
                continue
            folder.append("reruns", run.to_json())
            runs.append(run)
            last = time.monotonic()
            walk.note_cost()


def _gone(plan: Plan, runs: Sequence[Run]) -> list[int | None]:
    left = {number for number, _ in plan.remaining(runs)}
    done = {n for n in plan.numbers if sum(r.number == n and r.seed in plan.seeds for r in runs) >= len(plan.seeds)}
    return [n for n in plan.numbers if n not in left and n not in done]


def _run_again(
    key: str, task: Task, number: int | None, seed: int, params: Configuration, keep: Path | None, until: float
) -> Run | None:
    """One re-run, in whatever process; its model is kept where asked. None where the time was over before its end."""
    late = False

    def on_report(value: float, step: int) -> bool:  # noqa: ARG001
        nonlocal late
        late = time.time() >= until
        return late

    def evaluate(params: dict[str, Any], seed: int) -> float:
        trained = task.train(params, seed, on_report)
        if keep is not None and not late:
            save_trained(task, keep, trained, number, confirmed=True)
        return trained.value

    task = _loaded(key, task)
    run = timed_run(number, seed, params, evaluate)
    return None if late else run


_LOADED: dict[str, Task] = {}


def _loaded(key: str, task: Task) -> Task:
    """The task that this process has the data of, if it is of the same re-runs: each call brings one without data."""
    if key not in _LOADED:
        _LOADED.clear()
        _LOADED[key] = task
    return _LOADED[key]


def _model_folder(folder: RunFolder, number: int | None) -> Path:
    return folder.candidates / ("default" if number is None else f"trial-{number}")


def _model(walk: Walk, number: int | None) -> Path:
    """The folder of a candidate's model: of its re-run on the first seed, or of the search where that was late."""
    record = walk.record(number)
    for path in (_model_folder(walk.folder, number), _model_folder(walk.folder, record.number)):
        if path.is_dir():
            return path
    return _searched(walk, record)


def _searched(walk: Walk, record: TrialRecord) -> Path:
    return trained_again(walk.folder, walk.task, walk.study, record)
