"""The race's tables in Markdown."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .run import Line
from .statistics import Floats, bootstrap, mean_curve, ranking, trials_to

MARKS = (25, 50, 100, 200)


@dataclass(frozen=True)
class Results:
    """What a results file holds on some peers and problems at one number of trials."""

    trials: int
    regrets: dict[str, dict[str, Floats]]  # peer, problem: (seeds, T), clipped to [0, 1]
    seconds: dict[str, list[Floats]]  # peer: (T,) for each run
    errors: dict[str, list[str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def peers(self) -> list[str]:
        """Those with results."""
        return list(self.regrets)

    def shared(self, peers: Sequence[str] | None = None) -> list[str]:
        """Problems that all these peers have run."""
        sets = [set(self.regrets[p]) for p in (peers or self.peers)]
        return sorted(set.intersection(*sets)) if sets else []

    def on(self, peer: str, problems: Sequence[str]) -> list[Floats]:
        """(seeds, T) of a peer for each problem."""
        return [self.regrets[peer][problem] for problem in problems]


def collect(
    lines: Iterable[Line],
    peers: Sequence[str],
    problems: Sequence[str],
    seeds: int,
    trials: int,
    observed: bool = False,
) -> Results:
    """Return the lines of these peers, problems and seeds; regrets of the best observed, if so wanted, for all peers.

    A run of more trials does not stand for one of fewer: some tuners plan with the number.
    """
    runs: dict[str, dict[str, list[list[float]]]] = {}
    results = Results(trials, {}, {})
    for line in lines:
        peer = line["peer"]
        if peer not in peers:
            continue
        if "missing" in line:
            results.missing[peer] = line["missing"]
        elif "version" in line:
            results.versions[peer] = line["version"]
        elif line["problem"] in problems and line["trials"] == trials and line["seed"] < seeds:
            if "error" in line:
                where = f"{line['problem']} seed {line['seed']}"
                results.errors.setdefault(peer, []).append(f"{where}: {line['error']}")
                continue
            runs.setdefault(peer, {}).setdefault(line["problem"], []).append(
                line.get("observed", line["regret"]) if observed else line["regret"]
            )
            results.seconds.setdefault(peer, []).append(np.array(line["seconds"]))
    for peer in peers:
        if peer in runs:
            results.regrets[peer] = {q: np.clip(np.array(r), 0.0, 1.0) for q, r in runs[peer].items()}
    return results


def _rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _number(x: float) -> str:
    return "0" if x == 0 else f"{x:.4f}" if x >= 1e-3 else f"{x:.1e}"


def _regret_table(results: Results, problems: Sequence[str]) -> str:
    """Mean regret and mean rank of each peer after each mark, the best final rank first."""
    marks = sorted({*(m for m in MARKS if m <= results.trials), results.trials})
    rng, rows = np.random.default_rng(0), []
    scores = np.array([[results.regrets[p][q].mean(axis=0) for p in results.peers] for q in problems])  # (q, k, T)
    orders = [ranking(scores[:, :, m - 1]) for m in marks]
    for k, peer in enumerate(results.peers):
        regrets = results.on(peer, problems)
        curve, (low, high) = mean_curve(regrets), bootstrap(regrets, rng)
        cells = [f"{_number(curve[m - 1])} ({_number(low[m - 1])}–{_number(high[m - 1])})" for m in marks]
        rows.append([peer, *cells, *(f"{order.ranks[k]:.2f}" for order in orders)])
    rows.sort(key=lambda row: float(row[-1]))
    text = _rows(["peer", *(f"after {m}" for m in marks), *(f"mean rank at {m}" for m in marks)], rows)
    if orders[-1].p == orders[-1].p:
        values = ", ".join(f"{order.p:.2g}" for order in orders)
        text += (
            f"\nFriedman p = {values} over {len(problems)} problems; mean ranks that differ by more than "
            f"{orders[-1].critical_difference:.2f} differ at 5 % (Nemenyi).\n"
        )
    return text


def _trials_table(results: Results, problems: Sequence[str]) -> str:
    curves = {p: mean_curve(results.on(p, problems)) for p in results.peers}
    rows = [
        [runner, *(str(trials_to(curves[runner], curves[goal][-1]) or "–") for goal in results.peers)]
        for runner in results.peers
    ]
    return _rows(["trials of ↓ to the final regret of →", *results.peers], rows)


def _problem_table(results: Results, problems: Sequence[str]) -> str:
    """Final regret per problem, and the trials the first peer needs to get there."""
    first, rows = results.peers[0], []
    for problem in problems:
        own = results.regrets[first][problem].mean(axis=0)
        finals = [results.regrets[p][problem].mean(axis=0)[-1] for p in results.peers]
        cells = [_number(x) if k == 0 else f"{_number(x)} ({trials_to(own, x) or '–'})" for k, x in enumerate(finals)]
        rows.append([problem, *cells])
    return _rows(["problem", *results.peers], rows)


def _seconds_table(results: Results) -> str:
    rows = []
    for peer in results.peers:
        runs = np.array(results.seconds[peer])  # (runs, T)
        last = runs[:, -min(20, runs.shape[1]) :]
        cells = [np.mean(runs), np.median(runs), np.mean(last)]
        rows.append([peer, results.versions.get(peer, "?"), str(len(runs)), *(f"{1e3 * x:.2f}" for x in cells)])
    return _rows(["peer", "version", "runs", "mean ms", "median ms", "mean ms, last 20 trials"], rows)


def _gaps(results: Results, wanted: Sequence[str], problems: Sequence[str], seeds: int) -> str:
    text = ""
    for peer in wanted:
        if peer in results.missing:
            text += f"- **{peer} is missing**: {results.missing[peer]}\n"
        errors = results.errors.get(peer, [])
        if errors:
            text += f"- **{peer}: {len(errors)} runs broke**; the first: {errors[0][:300]!r}\n"
        ran = {q: len(r) for q, r in results.regrets.get(peer, {}).items()}
        short = [q for q in problems if ran.get(q, 0) < seeds]
        if short and peer not in results.missing:
            text += f"- {peer} has fewer than {seeds} runs on {len(short)} problems: {', '.join(short[:6])} …\n"
    return text


def markdown(results: Results, peers: Sequence[str], problems: Sequence[str], seeds: int) -> str:
    """Return all tables. Comparisons are over the problems that every peer with results has run."""
    today = datetime.datetime.now(datetime.UTC).date()
    text = (
        f"Race of {today}: {results.trials} trials, {seeds} seeds; Python {platform.python_version()}, "
        f"{platform.machine()}, one thread a run. Normalised regret (0 best known, 1 worst) of the true loss of what "
        "the tuner recommends, or of the best observed; in brackets 95 % intervals by bootstrap over seeds.\n\n"
    )
    text += _gaps(results, peers, problems, seeds)
    shared = results.shared()
    real = [q for q in shared if not q.startswith("analytic/")]
    for title, group in (("Real trainings", real), ("Analytic functions", [q for q in shared if q not in real])):
        if group:
            text += f"\n## {title} ({len(group)})\n\n{_regret_table(results, group)}\n{_trials_table(results, group)}"
    if shared:
        text += "\n## Each problem: final regret"
        text += f" (trials {results.peers[0]} needs to reach it)\n\n{_problem_table(results, shared)}"
    if results.peers:
        text += f"\n## Processor time per suggestion, asking and telling\n\n{_seconds_table(results)}"
    return text
