"""The summary of a run: what was found, what it is worth, what it cost, where it is."""

from __future__ import annotations

from rich.markup import escape

from ..confirm import Check
from ..tasks import Task
from ..text import duration, short
from ..workflow import Outcome
from .console import Speaker, plain_table
from .narrator import same, with_interval


def summarize(say: Speaker, task: Task, found: Outcome, use: str = "") -> None:
    """Print the result of a run.

    Args:
        say: prints.
        task: that was tuned.
        found: what came out.
        use: a command that uses the model, if there is one.
    """
    table = plain_table("parameter", "best", "default")
    for name in dict.fromkeys([*found.baseline_params, *found.params]):
        values = (escape(short(params.get(name, "–"))) for params in (found.params, found.baseline_params))
        table.add_row(escape(name), *values)
    say.line(f"Best parameters ({found.name})", style="bold")
    say.table(table)
    say.line("")
    best, base = (with_interval(score, task.bounds) for score in (found.check.best, found.check.baseline))
    say.line(f"Test {task.metric} {best}; baseline {base}", style="bold")
    say.line(meaning(found.check, found.is_default, found.compared > 1, task.sealed.what))
    if not found.confirmed:
        say.line(
            "The choice is the best value of the search, which no re-run confirms: the time was over. --resume with a "
            "--timeout confirms it."
        )
    cost = found.cost
    say.line(
        f"It took {duration(cost.seconds)}: {cost.trials} trials ({duration(cost.search_seconds)} of training), "
        f"{cost.reruns} re-runs ({duration(cost.rerun_seconds)})"
    )
    say.place("study", found.study)
    say.place("report", found.report)
    say.place("model", found.model)
    if use:
        say.place("use it", use)


def meaning(check: Check, is_default: bool, compared: bool, what: str = "examples") -> str:
    """Return the verdict in words.

    Args:
        check: the judgement on the sealed test set.
        is_default: whether the default configuration was chosen.
        compared: whether several configurations ran again.
        what: what the examples are called.
    """
    maximize = check.direction == "maximize"
    if check.is_better:
        side = "above" if maximize else "below"
        return f"The chosen configuration beats the baseline: the whole interval of the difference is {side} zero."
    if is_default:
        where = "on fresh seeds" if compared else "in the search"
        return f"Nothing that was tried beat the defaults {where}, so the defaults are the answer."
    if check.difference.low == check.difference.high == 0:
        return f"Both{same(check, what).removeprefix('both models')}: the test cannot tell them apart."
    if check.difference.high < 0 if maximize else check.difference.low > 0:
        return "On the sealed test set the baseline is better: use the defaults, or search with more data."
    return f"Chance alone could explain the difference on {check.n} {what}: the baseline may be as good."
