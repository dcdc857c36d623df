"""The answer of a study in one sentence, and the few numbers beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..confirm import Baseline, Candidate, Check, Confirmation, Interval, best_trials, choose
from ..errors import DataError
from ..history import History
from ..plots.theme import shown
from ..trial import TrialState
from ..types import Direction, Label
from .blocks import Card, Summary, duration


@dataclass(frozen=True)
class Winner:
    """The configuration that the report recommends.

    Attributes:
        number: its trial; None for the default configuration.
        params: stored values.
        score: its value: the mean of the re-runs, or what the search saw.
        confirmed: whether it was run again.
        scatter: why the score has no bounds, such as "3 equal values".
    """

    number: int | None
    params: Mapping[str, Label]
    score: Interval
    confirmed: bool
    scatter: str = ""

    @property
    def name(self) -> str:
        """What to call it."""
        return "the default configuration" if self.number is None else f"trial {self.number}"


@dataclass(frozen=True)
class Cost:
    """What a search cost, summed over its trials."""

    trials: int
    states: Mapping[TrialState, int]
    seconds: float
    wall: float
    steps: int

    @property
    def counts(self) -> str:
        """Trials by state, in words."""
        words = {TrialState.FAIL: "failed"}
        return ", ".join(f"{n} {words.get(s, s.name.lower())}" for s, n in self.states.items() if n)


def find_winner(history: History, confirmation: Confirmation | None) -> Winner | None:
    """Return the best re-run candidate, else the best trial; None without one, and for several objectives."""
    if confirmation is not None:
        try:
            best: Candidate = choose(confirmation).best
        except DataError:
            return None  # every candidate failed, as the section on the choice says
        return Winner(best.number, best.params, best.interval, True, best.scatter)
    if len(history.directions) != 1:
        return None
    for trial in best_trials(history)[:1]:
        if trial.values is not None:
            value = trial.values[0]
            return Winner(trial.number, trial.params, Interval(value, float("nan"), float("nan")), False)
    return None


def find_cost(history: History) -> Cost:
    """Return what the search cost."""
    records = history.records
    states = {state: sum(r.state == state for r in records) for state in reversed(TrialState)}
    order = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING)
    started = [r.started for r in records if r.started is not None]
    finished = [r.finished for r in records if r.finished is not None]
    return Cost(
        len(records),
        {state: states[state] for state in order},
        sum(r.seconds or 0.0 for r in records),
        max(finished) - min(started) if started and finished else 0.0,
        sum(len(r.reports) for r in records),
    )


def summarize(
    winner: Winner | None, cost: Cost, metric: str, direction: Direction, baseline: Baseline | None, check: Check | None
) -> Summary:
    """The sentence and the cards."""
    cards = []
    effort = f"{cost.trials} trials" + (f" and {duration(cost.seconds)} of training" if cost.seconds else "")
    if winner is None:
        sentence = f"There is no winner yet: the search has taken {effort} ({cost.counts or 'nothing has run'})."
        if cost.trials and cost.states[TrialState.COMPLETE]:
            sentence = f"The search took {effort}; it has no single winner."
    elif check is not None:
        verdict = _verdict(check)
        sentence = (
            f"{_capital(winner.name)} reaches {check.metric} {interval(check.best)} on {check.n} sealed test examples, "
            f"where the baseline reaches {interval(check.baseline)}: {verdict}. The search took {effort}."
        )
    else:
        source = "over re-runs on fresh seeds" if winner.confirmed else "in the search, not yet confirmed by re-runs"
        against = f", where the baseline has {_baseline(baseline)}" if baseline is not None else ""
        sentence = (
            f"{_capital(winner.name)} reaches {metric} {interval(winner.score)} {source}{against}. "
            f"The search took {effort}."
        )
    if check is not None:
        cards.append(Card(f"Best, test {check.metric}", shown(check.best.estimate), bounds(check.best)))
        cards.append(Card(f"Baseline, test {check.metric}", shown(check.baseline.estimate), bounds(check.baseline)))
        cards.append(Card("Difference", signed(check.difference.estimate), spread(check)))
    elif winner is not None:
        label = "Best, re-run" if winner.confirmed else "Best, in the search"
        cards.append(Card(label, shown(winner.score.estimate), bounds(winner.score) or winner.scatter or winner.name))
        if baseline is not None:
            known = baseline.interval
            cards.append(Card("Baseline", shown(baseline.value), bounds(known) if known else baseline.name))
            better = winner.score.estimate - baseline.value
            way = "more is better" if direction == "maximize" else "less is better"
            cards.append(Card("Difference", signed(better), way))
    cards.append(Card("Trials", str(cost.trials), cost.counts))
    if cost.seconds:
        wall = f"{duration(cost.wall)} by the clock"
        cards.append(Card("Training time", duration(cost.seconds), wall))
    params = tuple((name, shown(value)) for name, value in winner.params.items()) if winner is not None else ()
    return Summary(sentence, params, tuple(cards))


SAME = "the same on every example"


def interval(x: Interval) -> str:
    """`0.981 [0.974, 0.986]`, or the estimate alone."""
    return f"{shown(x.estimate)} [{shown(x.low)}, {shown(x.high)}]" if x.is_known else shown(x.estimate)


def signed(x: float) -> str:
    """A difference: `+0.012`, `−0.012` or `0`."""
    return "0" if x == 0 else f"{x:+.3g}".replace("-", "−")


def limits(x: Interval, *, sign: bool = False) -> str:
    """`0.974 to 0.986`; empty where unknown."""
    write = signed if sign else shown
    return f"{write(x.low)} to {write(x.high)}" if x.is_known else ""


def bounds(x: Interval, *, sign: bool = False) -> str:
    """`95 %: 0.974 to 0.986`; empty where unknown."""
    return f"{100 * x.level:g} %: {limits(x, sign=sign)}" if x.is_known else ""


def spread(check: Check) -> str:
    """Return the bounds of a check's difference, or that the models do not differ."""
    return SAME if _is_same(check) else bounds(check.difference, sign=True)


def p_text(p: float) -> str:
    """A p-value as it is written."""
    return "p is unknown" if p != p else "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _is_same(check: Check) -> bool:
    """Whether both models scored alike on every single example, so that there is nothing to test."""
    return check.difference.low == check.difference.high == 0


def _verdict(check: Check) -> str:
    gap = check.difference
    if _is_same(check):
        return SAME
    size = f"{signed(gap.estimate)} [{signed(gap.low)}, {signed(gap.high)}], {p_text(check.p_value)}"
    if check.is_better:
        return f"better by a margin that chance does not explain ({size})"
    good = gap.estimate > 0 if check.direction == "maximize" else gap.estimate < 0
    return f"better, but chance could explain it ({size})" if good else f"not better ({size})"


def _baseline(baseline: Baseline) -> str:
    return interval(baseline.interval) if baseline.interval is not None else shown(baseline.value)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
