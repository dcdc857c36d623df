"""The sections of a report, in the order of the workflow; one without content is not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from ..analysis import AnalysisError, changed, effect, fit_forest, importance, interaction
from ..confirm import Baseline, Check, Confirmation, best_trials, choose, validation_optimism
from ..errors import DataError, MissingDependency, SpaceError
from ..history import History
from ..multiobjective.dominance import non_dominated
from ..plots import (
    plot_confirmation,
    plot_effect,
    plot_heatmap,
    plot_history,
    plot_importance,
    plot_learning_curves,
    plot_parallel,
    plot_timeline,
)
from ..plots.theme import shown
from ..space import Float, Int, Space
from ..trial import TrialRecord, TrialState
from .answer import Cost, Winner, interval, limits, p_text, signed, spread
from .blocks import Block, Cell, Picture, Table, Text, cell, duration, facts

Details: TypeAlias = str | Mapping[str, object]
Step: TypeAlias = tuple[str, Details]

_AXIS = 88  # pixels from one parallel axis to the next, at least
_EFFECTS = 4  # pictures of single parameters, and
_AXES = 10  # axes of the parallel coordinates: the most important ones


def step_blocks(details: Iterable[Details]) -> list[Block]:
    """Return what the workflow reported: paragraphs, and names with values."""
    return [
        block
        for detail in details
        for block in (
            [Text(part) for part in detail.split("\n\n") if part.strip()]
            if isinstance(detail, str)
            else [facts(detail)]
            if detail
            else []
        )
    ]


def problem(name: str, history: History, metric: str) -> list[Block]:
    """The goal."""
    goals = ", ".join(f"{d} {metric}" if len(history.directions) == 1 else d for d in history.directions)
    return [facts({"study": name, "goal": goals, "parameters": len(history.space)})]


def baseline_section(baseline: Baseline) -> list[Block]:
    """Describe the baseline."""
    value = interval(baseline.interval) if baseline.interval is not None else shown(baseline.value)
    cost = duration(baseline.seconds) if baseline.seconds is not None else None
    blocks: list[Block] = [facts({"baseline": baseline.name, "value": value, "cost of one run": cost})]
    if baseline.params:
        blocks.append(facts({name: shown(v) for name, v in baseline.params.items()}))
    return blocks


def ranges(space: Space) -> list[Block]:
    """The space as a table."""
    if not len(space):
        return []
    conditional = any(domain.when is not None for domain in space.domains)
    rows = []
    for name, domain in space.parameters.items():
        if isinstance(domain, Float | Int):
            where = f"{shown(domain.low)} to {shown(domain.high)}"
            step = domain.step if domain.step not in (None, 1) else None
            scale = "log" if domain.log else f"steps of {shown(step)}" if step is not None else "linear"
        else:
            where = ", ".join(shown(label) for label in domain.labels)
            scale = "ordered" if type(domain).__name__ == "Ordinal" else "–"
        kind = {"Float": "real", "Int": "whole"}.get(type(domain).__name__, "choice")
        row = [cell(name, "name"), cell(kind), cell(where), cell(scale), cell(domain.default)]
        rows.append(tuple(row + ([cell(_when(domain.when))] if conditional else [])))
    columns = ("parameter", "kind", "range", "scale", "default", *(("only when",) if conditional else ()))
    blocks: list[Block] = [Table(columns, tuple(rows))]
    if space.require:
        blocks.append(Text("Required: " + "; ".join(space.require) + "."))
    return blocks


def search(
    history: History, cost: Cost, metric: str, baseline: Baseline | None, extra: Mapping[str, object] | None
) -> list[Block]:
    """How the search went."""
    known = {
        "trials": f"{cost.trials} ({cost.counts})",
        "training time": duration(cost.seconds) if cost.seconds else None,
        "by the clock": duration(cost.wall) if cost.wall else None,
        "reports (epochs)": cost.steps or None,
    }
    blocks: list[Block] = [facts({**known, **(extra or {})})]
    for k in range(len(history.directions)):
        if not (history.is_complete.any() or history.is_state(TrialState.PRUNED, TrialState.FAIL).any()):
            break
        name = metric if len(history.directions) == 1 else f"objective {k + 1}"
        base = baseline.value if baseline is not None and len(history.directions) == 1 else None
        figure = plot_history(history, metric=name, baseline=base, objective=k)
        blocks.append(Picture(figure, "Every trial's value, and the best so far."))
    if any(record.reports for record in history.records):
        blocks.append(Picture(plot_learning_curves(history, metric=metric), "What the trials reported as they ran."))
    if any(record.seconds for record in history.records):
        blocks.append(Picture(plot_timeline(history), "Which trial ran when, on which worker."))
    return blocks


def analysis(history: History, metric: str, winner: Winner | None) -> list[Block]:
    """Which parameters matter, for the first objective."""
    if not len(history.space) or not len(history):
        return []
    try:
        forest = fit_forest(history)
        shares = importance(forest)
    except (AnalysisError, MissingDependency) as error:
        return [Text(f"No analysis: {error}.")]
    first = shares.single[0]
    which = f" of {metric}" if len(history.directions) > 1 else ""
    lead = f"{first.names[0]} explains {first.share:.0%} of the variance{which} over the whole space"
    if len(shares.single) > 1:
        lead += f", {shares.single[1].names[0]} {shares.single[1].share:.0%}"
    blocks: list[Block] = [
        Text(f"{lead} (functional ANOVA over {shares.n} complete trials).".replace("%", " %"), strong=True),
        Picture(
            plot_importance(shares),
            "How much of the variance each parameter explains; × marks what two parameters explain together.",
        ),
    ]
    names = [share.names[0] for share in shares.single]
    varied = [name for name in names if forest.axes[forest.axis(name)].codes.size > 1]
    blocks += [
        Picture(
            plot_effect(effect(forest, name), history, metric=metric), f"{name}, averaged over all others.", half=True
        )
        for name in varied[:_EFFECTS]
    ]
    if len(varied) > 1:
        pair = shares.pairs[0].names if shares.pairs and shares.pairs[0].share >= 0.01 else tuple(varied[:2])
        picture = plot_heatmap(interaction(forest, pair[0], pair[1]), history, metric=metric)
        blocks.append(
            Picture(picture, f"{pair[0]} and {pair[1]}: the model's prediction; bright is good, dots are trials.")
        )
    caption = "Every complete trial through its parameters; bright is good, the best in orange."
    if len(names) > _AXES:
        caption += f" The {_AXES} most important of {len(names)} parameters."
    order = [name for name in history.space.names if name in names[:_AXES]]
    blocks.append(Picture(plot_parallel(history, order, metric=metric), caption, width=_AXIS * (len(order) + 1)))
    if winner is not None and history.space.has_defaults:
        try:
            changes = changed(forest, history.space.defaults(), winner.params)
        except SpaceError:
            changes = ()  # defaults that `require` forbids: there is nothing to compare with
        rows = tuple(
            (cell(c.name, "name"), cell(c.before), cell(c.after), Cell(signed(c.gain), c.gain, "number"))
            for c in changes
        )
        if rows:
            columns = ("parameter", "default", "best", "expected gain")
            blocks.append(
                Table(columns, rows, "What changed from the default to the best, and what each change is worth")
            )
    return blocks


def choice(history: History, metric: str, winner: Winner | None, confirmation: Confirmation | None) -> list[Block]:
    """What was chosen, and by which rule."""
    if len(history.directions) > 1:
        return _front(history)
    if confirmation is None:
        if winner is None:
            return []
        blocks: list[Block] = [
            Text(
                f"{winner.name[:1].upper()}{winner.name[1:]} has the best value of the search. It has not been re-run."
            )
        ]
        return [*blocks, _leaders(history, metric)]
    blocks = []
    try:
        decision = choose(confirmation)
    except DataError as error:
        return [Text(f"Nothing is chosen: {error}.")]
    seeds = len(decision.best.runs)
    text = f"The candidates were re-run on {seeds} fresh seed{'s' if seeds > 1 else ''}. "
    if any(c.left for c in confirmation.candidates):
        text += "Candidates that could no longer win got no further seeds. "
    text += f"The best mean wins: {decision.best.name}."
    if decision.cheapest is not decision.best:
        text += (
            f" {decision.cheapest.name} is as good within one standard error and takes"
            f" {duration(decision.cheapest.seconds)} instead of {duration(decision.best.seconds)}."
        )
    blocks.append(Text(text, strong=True))
    try:
        blocks.append(Text(validation_optimism(confirmation).text))
    except DataError as error:
        blocks.append(Text(f"{error}."))
    default = confirmation.default
    base = default.mean if default is not None and not default.failed else None
    picture = plot_confirmation(confirmation, metric=metric, baseline=base)
    blocks.append(Picture(picture, "Means over fresh seeds with 95 % intervals, and what the search had seen."))
    rows = tuple(
        (
            cell(c.name, "best" if c is decision.best else "name"),
            cell(c.mean),
            cell(limits(c.interval) or c.scatter or "–"),
            cell(c.search_value),
            Cell(duration(c.seconds), c.seconds, "number") if c.runs else cell(None),
            cell(", ".join(map(shown, c.values)) or None),
        )
        for c in confirmation.candidates
    )
    columns = ("candidate", "mean", "95 % interval", "in the search", "cost of a run", "seeds")
    blocks.append(Table(columns, rows, "The candidates"))
    left = [f"{c.name} ({c.left})" for c in confirmation.candidates if c.left]
    if left:
        means = "; their means are low by selection" if any(c.runs for c in confirmation.candidates if c.left) else ""
        blocks.append(Text(f"Without all seeds: {', '.join(left)}{means}."))
    return blocks


def check_section(check: Check) -> list[Block]:
    """The sealed test set."""
    verdict = "is better than" if check.is_better else "is not shown to be better than"
    rows = {
        "metric": check.metric,
        "baseline": interval(check.baseline),
        "best": interval(check.best),
        "difference": f"{signed(check.difference.estimate)}, {spread(check)}",
        "test": f"{check.test}, {p_text(check.p_value)}",
        "test examples": check.n,
    }
    text = f"On {check.n} test examples the search never saw, the chosen configuration {verdict} the baseline."
    return [Text(text, strong=True), facts(rows)]


def trials(history: History, metric: str) -> list[Block]:
    """All trials as a table that sorts."""
    records = history.records
    if not records:
        return []
    names = list(history.space.names)
    names += sorted({name for r in records for name in r.params} - set(names))
    several = len(history.directions) > 1
    values = [f"objective {k + 1}" for k in range(len(history.directions))] if several else [metric]
    failed = any(record.error for record in records)
    columns = ("trial", "state", *values, *names, "seconds", "epochs", *(("error",) if failed else ()))
    rows = tuple(_trial_row(record, len(values), names, failed) for record in records)
    return [
        Table(
            columns,
            rows,
            "Click a heading to sort. Pruned and failed trials show their last report.",
            sortable=True,
            tall=True,
        )
    ]


def _trial_row(record: TrialRecord, m: int, names: Sequence[str], failed: bool) -> tuple[Cell, ...]:
    told = record.values or ((record.reports[-1][1],) if record.reports and m == 1 else (None,) * m)
    seconds = record.seconds
    state = (
        "infeasible" if record.state == TrialState.COMPLETE and not record.is_feasible else record.state.name.lower()
    )
    row = [cell(record.number), Cell(state, state, f"state {state}"), *(cell(v) for v in told)]
    row += [cell(record.params.get(name)) for name in names]
    row.append(cell(None) if seconds is None else Cell(f"{seconds:.3g}", seconds, "number"))
    row.append(cell(record.reports[-1][0] if record.reports else None))
    if failed:
        lines = (record.error or "").strip().splitlines()
        row.append(cell(lines[-1][:160] if lines else None))
    return tuple(row)


def _front(history: History) -> list[Block]:
    """The Pareto front of several objectives, in the order of the first."""
    candidates = np.flatnonzero(history.is_complete & history.feasible)
    front = candidates[non_dominated(history.losses[candidates])]
    if not len(front):
        return []
    records = [history.records[i] for i in front[np.argsort(history.losses[front, 0], kind="stable")].tolist()]
    names = [name for name in history.space.names if any(name in r.params for r in records)]
    objectives = [f"objective {k + 1} ({d})" for k, d in enumerate(history.directions)]
    rows = tuple(
        (cell(r.number), *(cell(v) for v in r.values or ()), *(cell(r.params.get(n)) for n in names)) for r in records
    )
    said = f"{len(records)} of {len(candidates)} complete, feasible trials are on the Pareto front: "
    text = Text(f"{said}no other trial is better in one objective without being worse in another.", strong=True)
    return [text, Table(("trial", *objectives, *names), rows, "The Pareto front", sortable=True, tall=len(rows) > 16)]


def _leaders(history: History, metric: str) -> Table:
    leaders = best_trials(history)[:5]
    names = [name for name in history.space.names if any(name in r.params for r in leaders)]
    rows = tuple(
        (cell(r.number), cell(r.values[0] if r.values else np.nan), *(cell(r.params.get(n)) for n in names))
        for r in leaders
    )
    return Table(("trial", metric, *names), rows, "The best trials of the search")


def _when(when: object) -> str:
    if when is None:
        return "–"
    if isinstance(when, Mapping):
        return " and ".join(f"{name} = {' or '.join(map(shown, allowed))}" for name, allowed in when.items())
    return str(when)
