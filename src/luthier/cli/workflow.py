"""The nine steps of `luthier tune image`; each leaves its result in the run's folder, so that a killed run goes on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..analysis import AnalysisError, importance
from ..confirm import (
    Candidate,
    Check,
    Confirmation,
    Run,
    check,
    choose,
    plan_reruns,
    timed_run,
    validation_optimism,
)
from ..errors import DataError, LuthierError
from ..executors import Executor
from ..executors.mapping import parallel_map
from ..executors.processes import usable_cores
from ..study import Study, create_study
from ..tasks.image import ImageTask, count_parameters, load_model, save_model
from ..trial import TrialRecord, TrialState
from ..types import Configuration
from .console import Speaker, describe, duration, plain_table, short
from .folder import RunFolder
from .reporting import write_run_report
from .settings import ImageSettings

METRIC = "validation accuracy"
_AUGMENT: Mapping[str, Any] = {"auto": "auto", "all": True, "none": False}


def tune_image(
    folder: RunFolder,
    settings: ImageSettings,
    jobs: int,
    executor: Executor | None = None,
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
        LuthierError: data that cannot be used, a storage that cannot be written, no trial that worked.
    """
    jobs = usable_cores() if jobs == -1 else jobs
    started = time.time()
    say = Speaker(9)
    task = ImageTask(
        settings.data if not Path(settings.data).exists() else Path(settings.data),
        epochs=settings.epochs,
        patience=settings.patience,
        seed=settings.seed,
        augment=_AUGMENT[settings.augment],
        limit=settings.limit,
        size=settings.size,
        checkpoints=folder.checkpoints,
        marker=folder.seal,
    )
    try:
        _say_problem(say, settings)
        _say_data(say, task)
    except DataError:
        if not folder.study.exists():
            folder.remove()  # nothing was learned: leave nothing behind
        raise
    study = create_study(
        study_name="image",
        storage=folder.study,
        direction="maximize",
        space=task.space,
        seed=settings.seed,
        sampler=settings.make_sampler(),
        pruner=settings.make_pruner(),
        load_if_exists=True,
    )
    baseline = _baseline(say, study, task)
    _say_ranges(say, study)
    _say_method(say, settings, jobs)
    _search(say, study, task, settings, {"n_jobs": jobs} if executor is None else {"executor": executor})
    _say_analysis(say, study)
    confirmation, winner = _choice(say, study, task, settings, jobs, folder)
    verdict = _check(say, task, folder, winner)
    seconds = folder.load("cost")["seconds"] if folder.has("cost") else 0.0
    folder.save("cost", {"seconds": seconds + time.time() - started})
    folder.save("steps", say.said)
    write_run_report(folder, study)
    return _finish(say, folder, study, baseline, confirmation, winner, verdict)


def _say_problem(say: Speaker, settings: ImageSettings) -> None:
    say.step("Problem and goal")
    say.fact("problem", f"classify the images of {settings.data}")
    say.fact("goal", f"the highest {METRIC}, confirmed on fresh seeds and judged once on a sealed test set", keep=False)
    say.fact("budget", f"{settings.trials} trials of at most {settings.epochs} epochs")


def _say_data(say: Speaker, task: ImageTask) -> None:
    say.step("Data preparation")
    prepared = task.prepared
    channels, height, width = prepared.shape
    say.fact("images", f"{height}×{width}, {channels} channel{'s' if channels > 1 else ''}")
    say.fact("classes", f"{len(prepared.classes)}: {_listed(prepared.classes)}")
    say.fact(
        "split",
        f"{len(prepared.train)} to train, {len(prepared.validation)} to validate, {len(prepared.sealed)} sealed for "
        f"the final check; stratified by class, seed {task.seed}",
    )
    say.fact("normalisation", "each channel to mean 0 and deviation 1, measured on the training part alone")


def _baseline(say: Speaker, study: Study, task: ImageTask) -> TrialRecord:
    """Train the defaults, as trial 0."""
    say.step("Baseline")
    if not study.trials:
        study.enqueue_trial(task.space.defaults(), user_attrs={"baseline": True})
    study.optimize(task.objective, total_trials=1)
    record = study.trials[0]
    if record.state is not TrialState.COMPLETE:
        raise LuthierError(f"the baseline failed, so nothing can be tuned: {record.error}")
    say.fact("configuration", "the defaults: " + _params(record.params), keep=False)
    say.fact(METRIC, f"{record.value:.4f}", keep=False)
    say.fact("cost", f"{record.attrs.get('epochs')} epochs, {duration(record.seconds or 0)}", keep=False)
    for warning in record.attrs.get("warnings", ()):
        say.line(warning, style="yellow")
    return record


def _say_ranges(say: Speaker, study: Study) -> None:
    say.step("Ranges")
    table = plain_table("parameter", "range", "default")
    defaults = study.space.defaults()
    for name, domain in study.space.parameters.items():
        table.add_row(name, describe(domain), short(defaults.get(name, "")))
    say.table(table)


def _say_method(say: Speaker, settings: ImageSettings, jobs: int) -> None:
    say.step("Method")
    names = {
        "auto": "automatic: quasi-random start, then a model of what was seen (Gaussian process or TPE)",
        "tpe": "tree-structured Parzen estimator",
        "gp": "Gaussian process with expected improvement",
        "random": "random search",
        "qmc": "quasi-random (Sobol) search",
        "grid": "grid search in a low-discrepancy order",
    }
    pruners = {
        "median": "stop a trial that is worse than the median of complete trials at the same epoch",
        "halving": "asynchronous successive halving: a third goes on at each rung",
        "none": "every trial runs to its end",
    }
    say.fact("sampler", names[settings.sampler])
    say.fact("pruner", pruners[settings.pruner])
    say.fact("in a training", f"early stopping after {settings.patience} epochs without gain, best weights restored")
    say.fact("processes", jobs)


def _search(say: Speaker, study: Study, task: ImageTask, settings: ImageSettings, where: Mapping[str, Any]) -> None:
    say.step("Search")
    study.optimize(task.objective, total_trials=settings.trials, show_progress_bar=True, catch=Exception, **where)
    history = study.history
    counts = {state: int((history.states == state).sum()) for state in TrialState}
    parts = [f"{counts[s]} {s.name.lower()}" for s in TrialState if s.is_finished and counts[s]]
    say.fact("trials", ", ".join(parts), keep=False)
    say.fact("best", f"{study.best_value:.4f} {METRIC}, trial {study.best_trial.number}", keep=False)
    failed = [t for t in study.trials if t.state is TrialState.FAIL]
    if failed:
        say.line(f"trial {failed[0].number} failed: {(failed[0].error or '').strip().splitlines()[-1]}", style="yellow")


def _say_analysis(say: Speaker, study: Study) -> None:
    say.step("Analysis")
    try:
        shares = importance(study.history)
    except AnalysisError as error:
        say.line(f"not yet: {error}")
        return
    leading = [s for s in shares.single[:5] if s.share >= 0.01]
    named = ", ".join(f"{s.names[0]} {s.share:.0%}" for s in leading)
    say.fact("what matters", named or "no single parameter", keep=False)
    together = [s for s in shares.pairs[:2] if s.share >= 0.02]
    if together:
        say.fact("acting together", ", ".join(f"{' × '.join(s.names)} {s.share:.0%}" for s in together), keep=False)


def _choice(
    say: Speaker, study: Study, task: ImageTask, settings: ImageSettings, jobs: int, folder: RunFolder
) -> tuple[Confirmation, Candidate]:
    """Run the best again on fresh seeds, and choose."""
    say.step("Choice")
    plan = plan_reruns(study.history, settings.top, settings.seeds, include_default=True)
    runs = [Run.from_json(line) for line in folder.lines("reruns")]
    pending = plan.pending(runs)
    trials = min(settings.top, len(plan.entries))
    again = f"the {trials} most promising trials and the baseline on {settings.seeds} fresh seeds"
    say.fact("re-run", again, keep=False)
    lean = replace(task, checkpoints=None)
    calls = [
        (number, seed, study.space.restore(params), _model_folder(folder, number) if seed == plan.seeds[0] else None)
        for number, seed, params in pending
    ]
    from ..progress import progress_bar

    with progress_bar(len(plan.entries) * len(plan.seeds), "re-runs") as bar:
        bar.advance(len(plan.entries) * len(plan.seeds) - len(calls))
        for _, run in parallel_map(partial(_run_again, lean), calls, jobs):
            folder.append("reruns", run.to_json())
            runs.append(run)
            bar.advance(1)
    confirmation = plan.confirmation(runs)
    decision = choose(confirmation)
    table = plain_table("configuration", "search", "mean", "95 % interval", "seconds", "", numbers=("search", "mean"))
    for candidate in confirmation.candidates:
        interval = candidate.interval
        mark = "chosen" if candidate is decision.best else "cheapest as good" if candidate is decision.cheapest else ""
        table.add_row(
            "baseline" if _is_baseline(candidate, study) else candidate.name,
            f"{candidate.search_value:.4f}",
            f"{candidate.mean:.4f}",
            f"{interval.low:.4f} to {interval.high:.4f}" if interval.is_known else "",
            f"{candidate.seconds:.1f}",
            mark,
        )
    say.table(table)
    say.fact("chosen", f"{decision.best.name}: mean {decision.best.mean:.4f} on fresh seeds", keep=False)
    say.line(validation_optimism(confirmation).text)
    folder.save("confirmation", confirmation.to_json())
    return confirmation, decision.best


def _run_again(task: ImageTask, number: int | None, seed: int, params: dict[str, Any], keep: Path | None) -> Run:
    """One re-run, in whatever process; its model is kept where asked."""

    def evaluate(params: dict[str, Any], seed: int) -> float:
        trained = task.train(params, seed)
        if keep is not None:
            details = {METRIC: trained.accuracy, "seed": seed, "parameters": count_parameters(trained.model)}
            save_model(keep, trained.model, params, task.prepared, details)
        return trained.accuracy

    return timed_run(number, seed, params, evaluate)


def _model_folder(folder: RunFolder, number: int | None) -> Path:
    return folder.candidates / ("default" if number is None else f"trial-{number}")


def _is_baseline(candidate: Candidate, study: Study) -> bool:
    return candidate.number in (None, 0) and dict(candidate.params) == dict(study.trials[0].params)


def _check(say: Speaker, task: ImageTask, folder: RunFolder, winner: Candidate) -> Check:
    """Judge winner and baseline on the sealed test set, once; a result that is there is not made again."""
    say.step("Check on the sealed test set")
    if folder.has("check"):
        record = folder.load("check")
        if record["winner"] == winner.number:
            verdict = Check.from_json(record["check"])
            _say_verdict(say, verdict)
            return verdict
        say.line(
            f"The test set was opened before, for trial {record['winner']}; another look is less than unseen.",
            style="yellow",
        )
    baseline_model = folder.candidates / "default"
    if not baseline_model.exists():
        baseline_model = _model_folder(folder, 0)
    models = [load_model(path).model for path in (_model_folder(folder, winner.number), baseline_model)]
    # a kill between opening and writing decided nothing: the winner is fixed before
    right = task.check(*models, reason=f"{winner.name} against the baseline", again=folder.seal.exists())
    verdict = check("accuracy", right[0], right[1], direction="maximize", seed=task.seed)
    folder.save("check", {"winner": winner.number, "check": verdict.to_json()})
    _say_verdict(say, verdict)
    return verdict


def _say_verdict(say: Speaker, verdict: Check) -> None:
    for name, interval in (("baseline", verdict.baseline), ("best", verdict.best)):
        say.fact(name, f"{interval.estimate:.4f}  ({interval.low:.4f} to {interval.high:.4f})", keep=False)
    difference = verdict.difference
    say.fact(
        "difference",
        f"{difference.estimate:+.4f}  ({difference.low:+.4f} to {difference.high:+.4f}, paired bootstrap), "
        f"p = {verdict.p_value:.3g} ({verdict.test}), {verdict.n} images",
        keep=False,
    )


def _finish(
    say: Speaker,
    folder: RunFolder,
    study: Study,
    baseline: TrialRecord,
    confirmation: Confirmation,
    winner: Candidate,
    verdict: Check,
) -> dict[str, Any]:
    if folder.model.exists():
        shutil.rmtree(folder.model)
    shutil.copytree(_model_folder(folder, winner.number), folder.model)
    search = sum(t.seconds or 0 for t in study.trials)
    reruns = sum(run.seconds for c in confirmation.candidates for run in c.runs)
    wall = folder.load("cost")["seconds"]
    table = plain_table("parameter", "best", "default")
    defaults = study.space.defaults()
    for name in study.space.names:
        if name in winner.params or name in defaults:
            table.add_row(name, short(winner.params.get(name, "–")), short(defaults.get(name, "–")))
    say.line("")
    say.line(f"Best parameters ({winner.name})", style="bold")
    say.table(table)
    say.line("")
    best, base = verdict.best, verdict.baseline
    say.line(
        f"Test accuracy {best.estimate:.4f} ({best.low:.4f} to {best.high:.4f}); baseline {base.estimate:.4f} "
        f"({base.low:.4f} to {base.high:.4f})",
        style="bold",
    )
    say.line(_meaning(verdict, winner))
    say.line(
        f"It took {duration(wall)}: {len(study.trials)} trials ({duration(search)} of training), "
        f"{sum(len(c.runs) for c in confirmation.candidates)} re-runs ({duration(reruns)})"
    )
    say.line(f"study   {folder.study}")
    say.line(f"report  {folder.report}")
    say.line(f"model   {folder.model}   (luthier predict {folder.path} --input images.npz)")
    return {
        "best": {"trial": winner.number, "params": dict(winner.params), "mean": winner.mean},
        "baseline": {"value": baseline.value, "params": dict(baseline.params)},
        "check": verdict.to_json(),
        "cost": {"seconds": wall, "trials": len(study.trials), "training_seconds": search + reruns},
        "study": str(folder.study),
        "report": str(folder.report),
        "model": str(folder.model),
    }


def _meaning(verdict: Check, winner: Candidate) -> str:
    """The verdict in words."""
    if verdict.is_better:
        return "The chosen configuration beats the baseline: the whole interval of the difference is above zero."
    if winner.number in (None, 0):
        return "Nothing that was tried beat the defaults on fresh seeds, so the defaults are the answer."
    if verdict.difference.high < 0:
        return "On the sealed test set the baseline is better: use the defaults, or search with more data."
    return f"Chance alone could explain the difference on {verdict.n} images: the baseline may be as good."


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 12 else ", ".join(names[:10]) + ", ..."


def _params(params: Mapping[str, Any] | Configuration) -> str:
    return ", ".join(f"{name} {short(value)}" for name, value in params.items())
