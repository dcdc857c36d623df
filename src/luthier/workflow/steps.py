"""`tune`: the nine steps; each leaves its result in the run's folder, so that a killed run goes on."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from inspect import getattr_static
from os import PathLike
from pathlib import Path
from typing import Any

from ..analysis import AnalysisError, importance
from ..errors import LuthierError, UsageError
from ..executors import Executor
from ..executors.processes import usable_cores
from ..samplers.catalogue import SAMPLERS
from ..schedulers.catalogue import NO_PRUNER, PRUNERS
from ..space import Space
from ..study import Study, create_study
from ..tasks import Task
from ..text import duration
from ..trial import TrialRecord, TrialState
from .baseline import BASELINE, baseline_of
from .budget import Clock, estimate, search_seconds
from .choice import choose_winner
from .folder import RunFolder
from .keep import keep_best
from .narrator import Narrator, SearchProgress
from .outcome import Outcome, outcome_of
from .report import write_run_report
from .settings import Settings
from .verdict import judge
from .walk import TITLES, Account, TimeIsUp, UntilDeadline, Walk

_NEEDED = ("name", "problem", "metric", "direction", "space", "sealed", "train", "score", "save", "load")


def tune(
    task: Task,
    folder: str | PathLike[str],
    *,
    trials: int | None = None,
    sampler: str | None = None,
    pruner: str | None = None,
    timeout: float | None = None,
    top: int | None = None,
    seeds: int | None = None,
    jobs: int = 1,
    executor: Executor | None = None,
    resume: bool = False,
    fresh: bool = False,
    narrator: Narrator | None = None,
    options: Mapping[str, Any] | None = None,
) -> Outcome:
    """Tune a task in nine steps, from the baseline to a model that was judged once on a sealed test set.

    >>> from luthier.tasks.image import ImageTask
    >>> from luthier.workflow import tune
    >>> task = ImageTask("digits", epochs=1, limit=200)
    >>> outcome = tune(task, "digits", trials=3, top=1, seeds=1)
    >>> outcome.cost.trials, outcome.check.n, outcome.report.name
    (3, 360, 'report.html')
    >>> tune(task, "digits", resume=True, trials=4).cost.trials
    4

    The steps: problem and goal, data preparation, baseline, ranges, method, search, analysis, choice, check. Each
    writes its result into the folder, completely or not at all, so that a run that was killed anywhere goes on with
    resume=True. From the baseline on, the best model so far is in the folder `model`. One program at a time may work on
    a folder: for more trainings at once, use `jobs` or `executor`.

    Args:
        task: data, space, training and score of the problem: `ImageTask`, or one of your own.
        folder: for the study, the models and the report; created.
        trials: how many configurations to try; 40 by default.
        sampler: what proposes them, by name; "auto" by default.
        pruner: what stops poor trainings early: "median" (the default), "halving" or "none".
        timeout: seconds for everything, the re-runs and the final test included, over all starts of the run; None for
            no limit. A run that is resumed has what is left of it, or a new one from then on.
        top: how many of the best trials to run again, at most; 5 by default.
        seeds: on how many fresh seeds, at most; 3 by default.
        jobs: trainings at a time, each in a process; -1 for one for each core.
        executor: where the search runs, in place of processes.
        resume: go on with the run in the folder; `trials`, `timeout`, `top` and `seeds` may then differ, and what is
            None is as it was.
        fresh: delete a run in the folder, and start over.
        narrator: is told what happens; None keeps it silent.
        options: what else to keep in the run's `run.json`, such as what the task was made from; JSON.

    Raises:
        UsageError: an argument cannot be what it is, or the task lacks something; nothing is changed then.
        LuthierError: the folder holds a run, and neither `resume` nor `fresh` is given; a run that goes on was made
            with another task or other arguments; no trial worked; or the time was over before the baseline was trained.
        DataError: the task's data cannot be used, and a new run then leaves nothing behind; or its scores cannot be.
        MissingDependency: a library for the report is not installed.
    """

    narrator = narrator or Narrator()
    if resume and fresh:
        both = f"{narrator.option('resume', True)} continues a run, {narrator.option('fresh', True)} deletes it"
        raise UsageError(f"{both}: give one of them")
    _check_arguments(task, jobs, options, narrator)
    given = {"trials": trials, "sampler": sampler, "pruner": pruner, "timeout": timeout, "top": top, "seeds": seeds}
    if resume:
        run = RunFolder.open(Path(folder))
        recorded = run.load("run")
        known = _known(task, recorded, run)
        settings = Settings.resumed(recorded, given, run.seconds, narrator)
        run.save_run({**recorded, **known, **settings.to_json()})
    else:
        settings = Settings.of(given, narrator)
        everything = {**(options or {}), **_known(task), **settings.to_json()}
        run = RunFolder.create(Path(folder), everything, fresh, narrator)
    clock = Clock(settings.timeout, run.seconds)
    account = Account(narrator)
    run.candidates.mkdir(exist_ok=True)
    try:
        _state_problem(account, task, settings)
        training = _state_data(account, task)
        space = task.space
        if not isinstance(space, Space):
            raise UsageError(f"the task's space is {space!r}: make it a luthier.Space")
    except Exception:  # whatever a task raises: the next call, with what was wrong mended, begins anew
        if not resume and not run.study.exists():
            run.remove()
        raise
    scheduler = UntilDeadline(settings.make_pruner(task.max_steps))
    study = create_study(
        study_name=task.name,
        storage=run.study,
        direction=task.direction,
        space=space,
        seed=task.seed,
        sampler=settings.make_sampler(),
        pruner=scheduler,
        load_if_exists=True,
    )
    jobs = usable_cores() if jobs == -1 else jobs
    walk = Walk(account, run, settings, task, study, scheduler, clock, jobs, executor)
    with walk.noting():
        _train_baseline(walk)
        account.begin("Ranges")
        narrator.ranges(study.space)
        _state_method(walk, training)
        _search(walk)
        _analyse(walk)
        winner = choose_winner(walk)
        verdict = judge(walk, winner)
    run.save("steps", account.kept)
    write_run_report(run, study)
    return outcome_of(walk, winner, verdict)


def _check_arguments(task: Task, jobs: int, options: Mapping[str, Any] | None, narrator: Narrator) -> None:
    """Raise UsageError for what would end the run later on, when its folder is there or trainings were paid for."""
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs == 0 or jobs < -1:
        raise UsageError(
            f"{narrator.option('jobs', jobs)}: give the number of trainings at a time, or -1 for one per core"
        )
    # what a task has is not read yet, which may load its data
    lacking = [name for name in _NEEDED if getattr_static(task, name, None) in (None, getattr_static(Task, name, None))]
    if isinstance(task, type) or lacking:
        why = "it is a class" if isinstance(task, type) else f"it lacks {', '.join(lacking)}"
        raise UsageError(f"task={task!r} is not a task ({why}): give an object that has what luthier.tasks.Task names")
    if task.direction not in ("minimize", "maximize"):
        raise UsageError(f"the task's direction is {task.direction!r}: make it 'minimize' or 'maximize'")
    try:
        json.dumps(options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"options={options!r} cannot be kept in run.json: {error}") from error


def _known(task: Task, recorded: Mapping[str, Any] | None = None, run: RunFolder | None = None) -> dict[str, Any]:
    """By what a task is known again; raises an error where a run was made with another one."""
    known = {"task": task.name, "problem": task.problem, "metric": task.metric, "seed": int(task.seed)}
    for name, value in known.items():
        if recorded is not None and recorded.get(name, value) != value:
            raise LuthierError(
                f"{run.path if run else ''} was made with a task whose {name} is {recorded[name]!r}, not {value!r}: "
                "continue with that task, or give another folder"
            )
    return known


def _state_problem(account: Account, task: Task, settings: Settings) -> None:
    account.begin("Problem and goal")
    account.state("problem", task.problem)
    most = "highest" if task.direction == "maximize" else "lowest"
    account.state(
        "goal",
        f"the {most} validation {task.metric}, confirmed on fresh seeds and judged once on a sealed test set",
        keep=False,
    )
    each = f" of at most {task.max_steps} {task.step}s" if task.max_steps > 1 else ""
    time = "" if settings.timeout is None else f", and at most {duration(settings.timeout)} for everything"
    account.state("budget", f"{settings.trials} trials{each}{time}")


def _state_data(account: Account, task: Task) -> str:
    """Tell of the data, and return how one training goes."""
    account.begin("Data preparation")
    found = task.describe()
    for name, text in found.data.items():
        account.state(name, text)
    for i, note in enumerate(found.notes, 1):
        account.state("note" if len(found.notes) == 1 else f"note {i}", note)
    return found.training


def _train_baseline(walk: Walk) -> None:
    """Train the defaults; their trial is known by its attribute."""
    study, clock, task, narrator = walk.study, walk.clock, walk.task, walk.narrator
    walk.account.begin("Baseline")
    record = baseline_of(study.trials)
    if record is None:
        study.enqueue_trial(task.space.defaults(), user_attrs={BASELINE: True})
    if not walk.baseline.state.is_finished:
        walk.scheduler.deadline = None if math.isinf(clock.left) else time.monotonic() + clock.for_training
        walk.scheduler.gives_up = True
        try:
            with narrator.watching(task, lambda: SearchProgress(BASELINE, study.trials, 1, 1)):
                study.optimize(walk.objective, total_trials=1)
        except TimeIsUp:
            fewer = f", or start over with fewer {task.step}s" if task.max_steps > 1 else ""
            raise LuthierError(
                f"the time, {duration(clock.total or 0)}, was over before the baseline was trained, so there is no "
                f"model yet: continue with {narrator.option('resume', True)} and a longer "
                f"{narrator.option('timeout')}{fewer}"
            ) from None
        walk.scheduler.gives_up = False
    record = walk.baseline
    if record.state is not TrialState.COMPLETE:
        raise LuthierError(f"the baseline failed, so nothing can be tuned: {record.error}")
    keep_best(walk.folder, study, record.number)
    walk.note_cost()
    narrator.baseline(task, record)
    if walk.executor is None:  # how much a cluster runs at a time is not known here
        search, reruns = _expected(walk, record)
        late = search + reruns > clock.for_training
        narrator.forecast(search, reruns, clock.left if late else None)
    for warning in record.attrs.get("warnings", ()):
        narrator.line(warning, warning=True)


def _expected(walk: Walk, baseline: TrialRecord) -> tuple[float, float]:
    """Seconds of search and re-runs, as far as the baseline tells."""
    settings = walk.settings
    trials = max(0, settings.trials - sum(t.state.is_finished for t in walk.study.trials))
    steps = walk.task.max_steps
    cost = (baseline.seconds or 0.0) * steps / max(1, len(baseline.reports) if steps > 1 else 1)
    pruner = settings.pruner if steps > 1 else NO_PRUNER
    found = estimate(cost, trials, walk.jobs, pruner, settings.top, settings.seeds)
    return found.search, found.reruns


def _state_method(walk: Walk, training: str) -> None:
    settings, account = walk.settings, walk.account
    account.begin("Method")
    account.state("sampler", SAMPLERS[settings.sampler].summary)
    to_the_end = settings.pruner == NO_PRUNER or walk.task.max_steps == 1
    account.state("pruner", "every trial runs to its end" if to_the_end else PRUNERS[settings.pruner].summary)
    if training:
        account.state("in a training", training)
    account.state("processes", walk.jobs)


def _search(walk: Walk) -> None:
    account, study, settings, clock = walk.account, walk.study, walk.settings, walk.clock
    account.begin("Search")
    baseline = walk.baseline
    share = None
    if not math.isinf(clock.left):
        share = search_seconds(clock.for_training, _expected(walk, baseline)[1])
        walk.scheduler.deadline = time.monotonic() + share
        account.state("time", f"{duration(share)} of the {duration(clock.left)} that are left", keep=False)

    def after_trial(study: Study, _: TrialRecord) -> None:
        keep_best(walk.folder, study, baseline.number)
        walk.note_cost()

    def look() -> SearchProgress:
        until = walk.scheduler.deadline
        most = None if until is None else until - time.monotonic()
        return SearchProgress("trials", study.trials, settings.trials, walk.jobs, most)

    with walk.narrator.watching(walk.task, look):
        study.optimize(
            walk.objective,
            total_trials=settings.trials,
            timeout=share,
            catch=Exception,
            callbacks=[after_trial],
            **({"n_jobs": walk.jobs} if walk.executor is None else {"executor": walk.executor}),
        )
    keep_best(walk.folder, study, baseline.number)
    records = study.trials
    done = sum(r.state.is_finished for r in records)
    late = settings.trials if share is not None and done < settings.trials else None
    walk.narrator.searched(walk.task, records, study.best_trial, late)


def _analyse(walk: Walk) -> None:
    walk.account.begin(TITLES[6])
    try:
        found = importance(walk.study.history)
    except AnalysisError as error:
        walk.narrator.line(f"not yet: {error}")
    else:
        walk.narrator.importance(found)
