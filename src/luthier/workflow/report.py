"""The report of a run, from the files in its folder."""

from __future__ import annotations

from pathlib import Path

from ..confirm import Baseline, Check, Confirmation
from ..study import Study
from ..trial import TrialState
from .baseline import baseline_of
from .folder import RunFolder


def write_run_report(folder: RunFolder, study: Study) -> Path:
    """Write or rewrite the report of a run, finished or not."""
    from ..report import write_report

    steps = [(title, details) for title, details in folder.load("steps")] if folder.has("steps") else []
    confirmation = Confirmation.from_json(folder.load("confirmation")) if folder.has("confirmation") else None
    baseline = None
    first = baseline_of(study.trials)
    if first is not None and first.state is TrialState.COMPLETE:
        again = None if confirmation is None else confirmation.default
        if confirmation is not None and again is None:
            again = next((c for c in confirmation.candidates if c.number == first.number), None)
        baseline = Baseline(
            "default configuration",
            first.value if first.value is not None else float("nan"),
            dict(first.params),
            None if again is None else again.interval,
            first.seconds,
        )
    about = folder.load("run")
    return write_report(
        folder.report,
        study,
        title=f"Luthier: {Path(str(about.get('data', study.name))).name}",
        metric=f"validation {about.get('metric', 'accuracy')}",
        steps=[(title, details) for title, details in steps if details],
        baseline=baseline,
        confirmation=confirmation,
        check=Check.from_json(folder.load("check")["check"]) if folder.has("check") else None,
    )
