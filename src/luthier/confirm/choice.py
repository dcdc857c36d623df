"""The rule by which one of the re-run candidates wins, and how much the search flattered its own best."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import DataError
from .candidate import Candidate, Confirmation
from .intervals import Interval


@dataclass(frozen=True, slots=True)
class Verdict:
    """Names the winner of the re-runs, and the cheapest candidate that is as good within one standard error.

    >>> from luthier.confirm import Candidate, Confirmation, Run, choose
    >>> runs = {n: tuple(Run(n, seed, n / 100, seconds=2.0) for seed in (1, 2)) for n in (7, 8)}
    >>> both = (Candidate(7, {"lr": 0.1}, 0.05, runs[7]), Candidate(8, {"lr": 0.2}, 0.06, runs[8]))
    >>> decision = choose(Confirmation("minimize", (1, 2), both))
    >>> decision.best.name, decision.best.mean
    ('trial 7', 0.07)

    Attributes:
        best: the candidate of the best mean.
        cheapest: the quickest candidate whose mean is within one standard error of the best mean; often `best` itself.
    """

    best: Candidate
    cheapest: Candidate


def choose(confirmation: Confirmation) -> Verdict:
    """Return the candidate of the best mean, and beside it the cheapest that is as good within one standard error.

    >>> import luthier as lt
    >>> from luthier.confirm import choose, rerun
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)}, seed=0)
    >>> for x in (0.1, 0.5, 0.9):
    ...     record = study.tell(study.ask(fixed={"x": x}), x)
    >>> again = rerun(study.history, lambda params, seed: params["x"] + seed % 3 / 100, top=2)
    >>> choose(again).best.params
    {'x': 0.1}

    The one-standard-error rule is that of Breiman et al. 1984, section 3.4.3. A candidate with a failed run is never
    chosen, nor one that ran on fewer seeds than others; the default configuration can be. Of equal means the default
    wins, which needs no explanation, else the earliest trial.

    Raises:
        DataError: every candidate failed on some seed, or none ran again.
    """
    sign = 1.0 if confirmation.direction == "minimize" else -1.0
    sound = [candidate for candidate in confirmation.candidates if candidate.runs and not candidate.failed]
    if not sound:
        if not any(candidate.runs for candidate in confirmation.candidates):
            raise DataError("no candidate was run again")
        raise DataError("every candidate failed on at least one seed: look at their errors, or re-run more trials")
    seeds = max(len(candidate.runs) for candidate in sound)
    sound = [candidate for candidate in sound if len(candidate.runs) == seeds]
    best = min(
        sound, key=lambda c: (sign * math.fsum(c.values), *_order(c))
    )  # exact: the order of seeds does not matter
    error = 0.0 if math.isnan(best.error) else best.error
    close = [c for c in sound if sign * c.mean <= sign * best.mean + error]
    return Verdict(best, min(close, key=lambda c: (c.seconds, *_order(c))))


def _order(candidate: Candidate) -> tuple[bool, int]:
    """Among equals: the default configuration, then earlier trials."""
    return candidate.number is not None, candidate.number or 0


@dataclass(frozen=True, slots=True)
class Optimism:
    """Says how much better the search's best value looked than its re-runs; `validation_optimism` makes it.

    >>> from luthier.confirm import Interval, Optimism
    >>> seen = Optimism(3, 0.99, Interval(0.96, 0.95, 0.97), gap=0.03, is_notable=True, text="too good by 0.03")
    >>> seen.search_value - seen.gap == seen.rerun.estimate
    True

    Attributes:
        number: the best trial of the search; None where the default configuration was its best.
        search_value: what the search saw.
        rerun: mean of the re-runs with its 95 % interval.
        gap: by how much the search's value was too good, in the metric's units; negative where it was too modest.
        is_notable: whether the search's value lies outside the interval, on the side that flatters.
        text: the same in plain words.
    """

    number: int | None
    search_value: float
    rerun: Interval
    gap: float
    is_notable: bool
    text: str


def validation_optimism(confirmation: Confirmation) -> Optimism:
    """Compare the search's winner with its own re-runs: the guard against over-fitting the validation set.

    >>> import luthier as lt
    >>> from luthier.confirm import rerun, validation_optimism
    >>> study = lt.create_study(space={"x": lt.Float(0, 1)})
    >>> record = study.tell(study.ask(fixed={"x": 0.5}), 0.1)
    >>> again = rerun(study.history, lambda params, seed: 0.2 + seed % 3 / 100)
    >>> found = validation_optimism(again)
    >>> found.is_notable, round(found.gap, 3)
    (True, 0.11)

    The best of many noisy values is too good on average, and the more trials, the more so.

    Raises:
        DataError: the search tried no candidate, or the winner's re-runs failed.
    """
    sign = 1.0 if confirmation.direction == "minimize" else -1.0
    trials = [c for c in confirmation.candidates if not math.isnan(c.search_value)]
    if not trials:
        raise DataError("the confirmation holds no trial of the search")
    winner = min(trials, key=lambda c: sign * c.search_value)
    if winner.failed or not winner.runs:
        why = "failed on a fresh seed" if winner.failed else "was not run again"
        raise DataError(f"{winner.name} {why}: its search value {winner.search_value:.4g} is not confirmed")
    interval = winner.interval
    gap = sign * (interval.estimate - winner.search_value)
    edge = interval.high if sign < 0 else interval.low
    notable = interval.is_known and gap > 0 and sign * winner.search_value < sign * edge
    seeds = f"{len(winner.runs)} fresh seed{'s' if len(winner.runs) > 1 else ''}"
    who = "the default configuration" if winner.number is None else winner.name
    saw = f"The search saw {winner.search_value:.4g} for {who}"
    start = f"{saw}; on {seeds} it averaged {interval.estimate:.4g}"
    if notable:
        text = f"{start}: the search's value was too good by {gap:.2g}. Trust the re-runs."
    elif len(winner.runs) > 1 and not interval.is_known:
        text = f"{start} ({winner.scatter}, so their scatter is unknown)."
    elif not interval.is_known:
        text = f"{start}. More seeds are needed to tell luck from merit."
    else:
        text = f"{start}, which agrees within the scatter of the seeds."
    return Optimism(winner.number, winner.search_value, interval, gap, notable, text)
