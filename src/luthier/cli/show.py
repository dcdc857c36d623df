"""`luthier trials`, `best` and `report`: what a run, or any study, has found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from ..errors import LuthierError, StudyNotFound, UsageError
from ..study import Study, load_study
from ..text import short
from ..trial import TrialRecord, TrialState
from ..workflow.baseline import record_of
from ..workflow.folder import RunFolder
from .console import output_console, plain_table, print_json
from .tune import how_to_resume

_RUN = typer.Argument(help="A run's folder, or the storage of a study (a path or URL).")
_STUDY = typer.Option(None, "--study", help="The study's name, if the storage has several.")
_JSON = typer.Option(False, "--json", help="Print JSON on stdout.")


def trials(
    run: str = _RUN,
    study_name: str | None = _STUDY,
    state: str | None = typer.Option(None, help="Only trials in this state: complete, pruned, fail, running, waiting."),
    sort: str = typer.Option("number", help="number, or value (the best first)."),
    json: bool = _JSON,
) -> None:
    """List the trials of a run."""
    study, _ = open_run(run, study_name)
    records = study.trials
    if state is not None:
        if state.upper() not in TrialState.__members__:
            raise UsageError(f"--state {state}: choose one of {', '.join(s.name.lower() for s in TrialState)}")
        records = [t for t in records if t.state is TrialState[state.upper()]]
    if sort == "value":
        sign = 1.0 if study.directions[0] == "minimize" else -1.0
        records.sort(key=lambda t: (t.state is not TrialState.COMPLETE, sign * t.values[0] if t.values else 0.0))
    elif sort != "number":
        raise UsageError(f"--sort {sort}: choose number or value")
    if json:
        print_json([trial_json(t) for t in records])
        return
    names = [name for name in study.space.names if any(name in t.params for t in records)]
    table = plain_table(
        "trial", "state", "value", "seconds", *map(escape, names), numbers=("trial", "value", "seconds")
    )
    for t in records:
        table.add_row(
            str(t.number),
            t.state.name.lower(),
            ", ".join(f"{v:.5g}" for v in t.values) if t.values else "",
            f"{t.seconds:.1f}" if t.seconds is not None else "",
            *(escape(short(t.params.get(name, ""))) for name in names),
        )
    output_console().print(table)


def best(run: str = _RUN, study_name: str | None = _STUDY, json: bool = _JSON) -> None:
    """Show the best parameters: the confirmed choice of a run, or else the best trial, or the Pareto front."""
    study, folder = open_run(run, study_name)
    if len(study.directions) > 1:
        _show_front(study, json)
        return
    try:
        record = study.best_trial
    except ValueError as error:
        raise LuthierError(str(error)) from error
    found: dict[str, Any] = {**trial_json(record), "confirmed": False}
    if folder is not None and folder.has("confirmation"):
        from ..confirm import Confirmation, choose

        chosen = choose(Confirmation.from_json(folder.load("confirmation"))).best
        record = record_of(study.trials, chosen.number)
        found = {**trial_json(record), "confirmed": True, "mean": chosen.mean, "runs": chosen.values}
        if folder.has("check"):
            found["check"] = folder.load("check")["check"]
    if json:
        print_json(found)
        return
    console = output_console()
    console.print(f"trial {found['number']}: value {found['value']:.5g}", highlight=False)
    if found["confirmed"]:
        console.print(f"mean {found['mean']:.5g} over {len(found['runs'])} fresh seeds", highlight=False)
    table = plain_table("parameter", "value")
    for name, value in found["params"].items():
        table.add_row(escape(name), escape(short(value)))
    console.print(table)


def _show_front(study: Study, json: bool) -> None:
    """Print the Pareto front of several objectives."""
    front = study.best_trials
    if json:
        print_json([trial_json(t) for t in front])
        return
    if not front:
        raise LuthierError(f"study {study.name!r} has no complete, feasible trial yet")
    names = [name for name in study.space.names if any(name in t.params for t in front)]
    goals = [f"{direction} {i}" for i, direction in enumerate(study.directions, 1)]
    table = plain_table("trial", *goals, *map(escape, names), numbers=("trial", *goals))
    for t in front:
        values = (f"{v:.5g}" for v in t.values or ())
        table.add_row(str(t.number), *values, *(escape(short(t.params.get(name, ""))) for name in names))
    output_console().print(table)


def report(
    run: str = _RUN,
    study_name: str | None = _STUDY,
    out: Path | None = typer.Option(
        None, help="The file to write. Default: `report.html` beside the study, or in this folder if it is on a server."
    ),
) -> None:
    """Write the report: one HTML file that opens offline."""
    from ..report import write_report
    from ..workflow.report import write_run_report

    study, folder = open_run(run, study_name)
    place = run.removeprefix("sqlite:///").removeprefix("journal:///")
    where = (
        out or (Path() if "://" in place else Path(place).parent) / "report.html"
    )  # a study on a server has no folder here
    try:
        path = write_run_report(folder, study) if folder is not None and out is None else write_report(where, study)
    except OSError as error:
        raise LuthierError(f"{where} cannot be written: {error.strerror or error}; choose another --out") from error
    typer.echo(path)


def open_run(run: str, study_name: str | None) -> tuple[Study, RunFolder | None]:
    """Open the study behind what a user calls a run.

    Raises:
        LuthierError: it does not exist.
    """
    path = Path(run)
    if path.is_dir():
        folder = RunFolder.open(path)
        if not folder.study.exists():
            raise LuthierError(f"{path} has no study yet: continue with {how_to_resume(folder)}")
        return load_study(study_name, storage=folder.study), folder
    try:
        return load_study(study_name, storage=run), None
    except StudyNotFound as error:
        if study_name is not None:
            raise StudyNotFound(f"the storage has no study {study_name!r}: see `luthier storage list`") from error
        raise StudyNotFound(f"{error} with --study") from error


def trial_json(record: TrialRecord) -> dict[str, Any]:
    """Return a trial as JSON."""
    return {
        "number": record.number,
        "state": record.state.name,
        "value": record.values[0] if record.values is not None and len(record.values) == 1 else None,
        "values": record.values,
        "params": dict(record.params),
        "seconds": record.seconds,
        "attrs": dict(record.attrs),
        "error": record.error,
    }
