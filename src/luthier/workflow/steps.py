"""The nine steps of `luthier tune image`; each leaves its result in the run's folder, so that a killed run goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..analysis import AnalysisError, importance
from ..cli.bar import Shown, live_bar, search_shown, within_time
from ..cli.console import Speaker, describe, duration, plain_table, short
from ..errors import DataError, LuthierError
from ..executors import Executor
from ..executors.processes import usable_cores
from ..samplers.catalogue import SAMPLERS
from ..schedulers.catalogue import NO_PRUNER, PRUNERS
from ..study import Study, create_study
from ..trial import TrialRecord, TrialState
from ..types import Configuration
from .budget import Clock, estimate, search_seconds
from .choice import choose_winner
from .folder import RunFolder
from .keep import KeepingTask, keep_best
from .report import write_run_report
from .settings import ImageSettings
from .verdict import judge, outcome
from .walk import METRIC, TimeIsUp, UntilDeadline, Walk

_AUGMENT: Mapping[str, Any] = {"auto": "auto", "all": True, "none": False}


def tune_image(
    folder: RunFolder, settings: ImageSettings, jobs: int, executor: Executor | None = None
) -> dict[str, Any]:
    """Walk the nine steps, leaving out what an earlier run of the same folder has done.

    Args:
        folder: of the run.
        settings: what to do.
        jobs: trainings at a time, each in a process; -1 for one per core.
        executor: where the search runs, in place of processes.

    Returns:
        the result as JSON: parameters, accuracies, cost, where things are.

    Raises:
        LuthierError: data that cannot be used, a storage that cannot be written, no trial that worked, or a time that
            was over before the baseline was trained.
    """
    spent = folder.load("cost")["seconds"] if folder.has("cost") else 0.0
    clock = Clock(settings.timeout, spent)
    say = Speaker(9)
    folder.candidates.mkdir(exist_ok=True)
    task = KeepingTask(
        settings.data if not Path(settings.data).exists() else Path(settings.data),
        epochs=settings.epochs,
        patience=settings.patience,
        seed=settings.seed,
        augment=_AUGMENT[settings.augment],
        limit=settings.limit,
        size=settings.size,
        skip_broken=settings.skip_broken,
        checkpoints=folder.checkpoints,
        marker=folder.seal,
        models=folder.candidates.resolve(),  # a worker may run in another folder
    )
    try:
        _say_problem(say, settings)
        _say_data(say, task)
    except DataError:
        if not folder.study.exists():
            folder.remove()  # nothing was learned: leave nothing behind
        raise
    scheduler = UntilDeadline(settings.make_pruner())
    study = create_study(
        study_name="image",
        storage=folder.study,
        direction="maximize",
        space=task.space,
        seed=settings.seed,
        sampler=settings.make_sampler(),
        pruner=scheduler,
        load_if_exists=True,
    )
    jobs = usable_cores() if jobs == -1 else jobs
    walk = Walk(say, folder, settings, task, study, scheduler, clock, jobs, executor)
    try:
        baseline = _baseline(walk)
        _say_ranges(walk)
        _say_method(walk)
        _search(walk)
        _say_analysis(walk)
        winner = choose_winner(walk)
        verdict = judge(walk, winner)
    finally:
        walk.note_cost()
    folder.save("steps", say.said)
    write_run_report(folder, study)
    return outcome(walk, baseline, winner, verdict)


def _say_problem(say: Speaker, settings: ImageSettings) -> None:
    say.step("Problem and goal")
    say.fact("problem", f"classify the images of {settings.data}")
    say.fact("goal", f"the highest {METRIC}, confirmed on fresh seeds and judged once on a sealed test set", keep=False)
    most = "" if settings.timeout is None else f", and at most {duration(settings.timeout)} for everything"
    say.fact("budget", f"{settings.trials} trials of at most {settings.epochs} epochs{most}")


def _say_data(say: Speaker, task: KeepingTask) -> None:
    say.step("Data preparation")
    notes, prepared = task.notes(), task.prepared
    channels, height, width = prepared.shape
    say.fact("images", f"{height}×{width}, {channels} channel{'s' if channels > 1 else ''}")
    say.fact("classes", f"{len(prepared.classes)}: {_listed(prepared.classes)}")
    say.fact(
        "split",
        f"{len(prepared.train)} to train, {len(prepared.validation)} to validate, {len(prepared.sealed)} sealed for "
        f"the final check; stratified by class, seed {task.seed}",
    )
    say.fact("normalisation", "each channel to mean 0 and deviation 1, measured on the training part alone")
    for i, note in enumerate(notes, 1):
        say.fact("note" if len(notes) == 1 else f"note {i}", note)


def _baseline(walk: Walk) -> TrialRecord:
    """Train the defaults, as trial 0."""
    say, study, clock = walk.say, walk.study, walk.clock
    say.step("Baseline")
    what = "baseline"
    if not study.trials:
        study.enqueue_trial(walk.task.space.defaults(), user_attrs={"baseline": True})
    if not study.trials[0].state.is_finished:
        walk.scheduler.deadline = None if math.isinf(clock.left) else time.monotonic() + clock.for_training
        walk.scheduler.gives_up = True

        def seen() -> Shown:
            walk.note_cost_rarely()
            return search_shown(study.trials, time.time(), 1, walk.settings.epochs, 1, what)

        try:
            with live_bar(seen):
                study.optimize(walk.task.objective, total_trials=1)
        except TimeIsUp:
            raise LuthierError(
                f"the time, {duration(clock.total or 0)}, was over before the baseline was trained, so there is no "
                "model yet: continue with --resume and a longer --timeout, or start over with fewer --epochs"
            ) from None
        walk.scheduler.gives_up = False
    record = study.trials[0]
    if record.state is not TrialState.COMPLETE:
        raise LuthierError(f"the baseline failed, so nothing can be tuned: {record.error}")
    keep_best(walk.folder, study)
    walk.note_cost()
    say.fact("configuration", "the defaults: " + _params(record.params), keep=False)
    say.fact(METRIC, f"{record.value:.4f}", keep=False)
    say.fact("cost", f"{record.attrs.get('epochs')} epochs, {duration(record.seconds or 0)}", keep=False)
    _say_estimate(walk, record)
    for warning in record.attrs.get("warnings", ()):
        say.line(warning, style="yellow")
    return record


def _expected(walk: Walk, baseline: TrialRecord) -> tuple[float, float]:
    """Seconds of search and re-runs, as far as the baseline tells."""
    settings = walk.settings
    trials = max(0, settings.trials - sum(t.state.is_finished for t in walk.study.trials))
    cost = (baseline.seconds or 0.0) * settings.epochs / max(1, len(baseline.reports))
    found = estimate(cost, trials, walk.jobs, settings.pruner, settings.top, settings.seeds)
    return found.search, found.reruns


def _say_estimate(walk: Walk, baseline: TrialRecord) -> None:
    if walk.executor is not None:
        return  # how much a cluster runs at a time is not known here
    search, reruns = _expected(walk, baseline)
    total, search, reruns = round(search + reruns), round(search), round(reruns)
    text = f"about {duration(total)}: search {duration(search)}, re-runs at most {duration(reruns)}"
    if search + reruns > walk.clock.for_training:
        text += f"; it will end after {duration(walk.clock.left)} with what it has found by then"
    walk.say.fact("estimate", f"{text}. Larger networks take longer, smaller ones less", keep=False)


def _say_ranges(walk: Walk) -> None:
    walk.say.step("Ranges")
    table = plain_table("parameter", "range", "default")
    defaults = walk.study.space.defaults()
    for name, domain in walk.study.space.parameters.items():
        table.add_row(name, describe(domain), short(defaults.get(name, "")))
    walk.say.table(table)


def _say_method(walk: Walk) -> None:
    settings, say = walk.settings, walk.say
    say.step("Method")
    say.fact("sampler", SAMPLERS[settings.sampler].summary)
    no_pruner = settings.pruner == NO_PRUNER
    say.fact("pruner", "every trial runs to its end" if no_pruner else PRUNERS[settings.pruner].summary)
    say.fact("in a training", f"early stopping after {settings.patience} epochs without gain, best weights restored")
    say.fact("processes", walk.jobs)


def _search(walk: Walk) -> None:
    say, study, settings, clock = walk.say, walk.study, walk.settings, walk.clock
    say.step("Search")
    share = None
    if not math.isinf(clock.left):
        share = search_seconds(clock.for_training, _expected(walk, study.trials[0])[1])
        walk.scheduler.deadline = time.monotonic() + share
        say.fact("time", f"{duration(share)} of the {duration(clock.left)} that are left", keep=False)

    def after_trial(study: Study, _: TrialRecord) -> None:
        keep_best(walk.folder, study)
        walk.note_cost()

    def look() -> Shown:
        walk.note_cost_rarely()
        shown = search_shown(study.trials, time.time(), settings.trials, settings.epochs, walk.jobs)
        until = walk.scheduler.deadline
        return shown if until is None else within_time(shown, until - time.monotonic())

    with live_bar(look):
        study.optimize(
            walk.task.objective,
            total_trials=settings.trials,
            timeout=share,
            catch=Exception,
            callbacks=[after_trial],
            **({"n_jobs": walk.jobs} if walk.executor is None else {"executor": walk.executor}),
        )
    keep_best(walk.folder, study)
    records = study.trials
    counts = {state: sum(r.state is state for r in records) for state in TrialState}
    parts = [f"{counts[s]} {s.name.lower()}" for s in TrialState if s.is_finished and counts[s]]
    say.fact("trials", ", ".join(parts), keep=False)
    done = sum(r.state.is_finished for r in records)
    if done < settings.trials and share is not None:
        say.line(f"The search's part of the time is used up: {done} of {settings.trials} trials.", style="yellow")
    say.fact("best", f"{study.best_value:.4f} {METRIC}, trial {study.best_trial.number}", keep=False)
    failed = [t for t in records if t.state is TrialState.FAIL]
    if failed:
        say.line(f"trial {failed[0].number} failed: {(failed[0].error or '').strip().splitlines()[-1]}", style="yellow")


def _say_analysis(walk: Walk) -> None:
    say = walk.say
    say.step("Analysis")
    try:
        shares = importance(walk.study.history)
    except AnalysisError as error:
        say.line(f"not yet: {error}")
        return
    leading = [s for s in shares.single[:5] if s.share >= 0.01]
    named = ", ".join(f"{s.names[0]} {s.share:.0%}" for s in leading)
    say.fact("what matters", named or "no single parameter", keep=False)
    together = [s for s in shares.pairs[:2] if s.share >= 0.02]
    if together:
        say.fact("acting together", ", ".join(f"{' × '.join(s.names)} {s.share:.0%}" for s in together), keep=False)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 12 else ", ".join(names[:10]) + ", ..."


def _params(params: Mapping[str, Any] | Configuration) -> str:
    return ", ".join(f"{name} {short(value)}" for name, value in params.items())
