"""Step 9, the check on the sealed test set, and the summary of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..cli.console import Speaker, duration, plain_table, short
from ..confirm import Check, check
from ..tasks.image import load_model
from ..trial import TrialRecord
from .choice import Winner
from .walk import Walk


def judge(walk: Walk, winner: Winner) -> Check:
    """Judge winner and baseline on the sealed test set, once; an existing result of the same winner is kept."""
    say, folder, task = walk.say, walk.folder, walk.task
    say.step("Check on the sealed test set")
    confirmed = winner.confirmation is not None
    if folder.has("check"):
        record = folder.load("check")
        if (record["winner"] or None) == (winner.number or None) and record.get("confirmed", True) == confirmed:
            verdict = Check.from_json(record["check"])
            _say_verdict(say, verdict)
            return verdict
        say.line(
            f"The test set was opened before, for {_named(record['winner'])}; a second look is no longer an unbiased "
            "test.",
            style="yellow",
        )
    models = [load_model(path).model for path in (winner.model, winner.baseline)]
    # a kill between opening and writing decided nothing: the winner is fixed before
    right = task.check(*models, reason=f"{winner.name} against the baseline", again=folder.seal.exists())
    verdict = check("accuracy", right[0], right[1], direction="maximize", seed=task.seed)
    folder.save("check", {"winner": winner.number, "confirmed": confirmed, "check": verdict.to_json()})
    _say_verdict(say, verdict)
    return verdict


def _named(number: int | None) -> str:
    return "the default configuration" if number is None else f"trial {number}"


def _say_verdict(say: Speaker, verdict: Check) -> None:
    for name, interval in (("baseline", verdict.baseline), ("best", verdict.best)):
        say.fact(name, f"{interval.estimate:.4f}  ({interval.low:.4f} to {interval.high:.4f})", keep=False)
    difference = verdict.difference
    if difference.low == difference.high == 0:
        say.fact("difference", f"none: both models are right on the same of the {verdict.n} images", keep=False)
        return
    say.fact(
        "difference",
        f"{difference.estimate:+.4f}  ({difference.low:+.4f} to {difference.high:+.4f}, paired bootstrap), "
        f"p = {verdict.p_value:.3g} ({verdict.test}), {verdict.n} images",
        keep=False,
    )


def outcome(walk: Walk, baseline: TrialRecord, winner: Winner, verdict: Check) -> dict[str, Any]:
    """Make the winner's model the run's, and return the result as JSON."""
    folder, study = walk.folder, walk.study
    folder.put_model(winner.model)
    runs = [] if winner.confirmation is None else [run for c in winner.confirmation.candidates for run in c.runs]
    search = sum(t.seconds or 0.0 for t in study.trials)
    reruns = sum(run.seconds for run in runs)
    return {
        "best": {
            "trial": winner.number,
            "params": dict(winner.params),
            "mean": winner.mean,
            "confirmed": winner.confirmation is not None,
            "compared": 0 if winner.confirmation is None else sum(bool(c.runs) for c in winner.confirmation.candidates),
        },
        "baseline": {"value": baseline.value, "params": dict(baseline.params)},
        "check": verdict.to_json(),
        "cost": {
            "seconds": folder.load("cost")["seconds"],
            "trials": len(study.trials),
            "search_seconds": search,
            "reruns": len(runs),
            "rerun_seconds": reruns,
            "training_seconds": search + reruns,
        },
        "run": str(folder.path),
        "study": str(folder.study),
        "report": str(folder.report),
        "model": str(folder.model),
    }


def summarize(say: Speaker, result: Mapping[str, Any]) -> None:
    """Print the result of a run, as `outcome` returned it."""
    best, cost, verdict = result["best"], result["cost"], Check.from_json(result["check"])
    defaults = result["baseline"]["params"]
    table = plain_table("parameter", "best", "default")
    for name in dict.fromkeys([*defaults, *best["params"]]):
        table.add_row(name, short(best["params"].get(name, "–")), short(defaults.get(name, "–")))
    say.line(f"Best parameters ({_named(best['trial'])})", style="bold")
    say.table(table)
    say.line("")
    high, base = verdict.best, verdict.baseline
    say.line(
        f"Test accuracy {high.estimate:.4f} ({high.low:.4f} to {high.high:.4f}); baseline {base.estimate:.4f} "
        f"({base.low:.4f} to {base.high:.4f})",
        style="bold",
    )
    say.line(_meaning(verdict, best["trial"], best["compared"] > 1))
    if not best["confirmed"]:
        say.line(
            "The choice is the best value of the search, which no re-run confirms: the time was over. --resume with a "
            "--timeout confirms it."
        )
    say.line(
        f"It took {duration(cost['seconds'])}: {cost['trials']} trials ({duration(cost['search_seconds'])} of "
        f"training), {cost['reruns']} re-runs ({duration(cost['rerun_seconds'])})"
    )
    say.place("study", result["study"])
    say.place("report", result["report"])
    say.place("model", result["model"])
    say.place("use it", f"luthier predict {result['run']} --input images.npz")


def _meaning(verdict: Check, winner: int | None, compared: bool) -> str:
    """The verdict in words."""
    if verdict.is_better:
        return "The chosen configuration beats the baseline: the whole interval of the difference is above zero."
    if winner not in (None, 0) and verdict.difference.low == verdict.difference.high == 0:
        return f"Both are right on the same of the {verdict.n} images: the test cannot tell them apart."
    if winner in (None, 0):
        where = "on fresh seeds" if compared else "in the search"
        return f"Nothing that was tried beat the defaults {where}, so the defaults are the answer."
    if verdict.difference.high < 0:
        return "On the sealed test set the baseline is better: use the defaults, or search with more data."
    return f"Chance alone could explain the difference on {verdict.n} images: the baseline may be as good."
