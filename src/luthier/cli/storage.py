"""`luthier storage`: list, copy, export, import, compact and check the studies of a storage."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.markup import escape

from ..engine.owner import owner_is_dead
from ..stores import Store, open_store
from ..stores.transfer import StudyDump, add_studies, copy_studies, export_studies, faults, read_export, read_studies
from ..trial import TrialState
from .console import error_console, output_console, plain_table, print_json

storage_app = typer.Typer(no_args_is_help=True, help="Copy, export, import and check the studies of a storage.")
_STORE = typer.Argument(help="The storage: a path or URL.")
_TARGET = typer.Argument(help="The storage to add to; created if it does not exist.")
_STUDY = typer.Option(None, "--study", help="Only the study of this name.")


@storage_app.command("list")
def list_(store: str = _STORE, json: bool = typer.Option(False, "--json", help="Print JSON on stdout.")) -> None:
    """List the studies."""
    studies = read_studies(_existing(store))
    rows = [
        {
            "name": study.name,
            "directions": list(study.directions),
            "trials": len(records),
            "states": {state.name: n for state, n in sorted(Counter(r.state for r in records).items())},
            "created": datetime.fromtimestamp(study.created, UTC).isoformat(timespec="seconds"),
        }
        for study, records in studies
    ]
    if json:
        print_json(rows)
        return
    table = plain_table("study", "directions", "trials", "states", "created", numbers=("trials",))
    for row, (study, _) in zip(rows, studies, strict=True):
        states = ", ".join(f"{n} {name.lower()}" for name, n in row["states"].items())  # type: ignore[attr-defined]
        table.add_row(escape(study.name), ", ".join(study.directions), str(row["trials"]), states, str(row["created"]))
    output_console().print(table)


@storage_app.command()
def copy(
    source: str = typer.Argument(metavar="FROM", help="The storage to copy from."),
    target: str = typer.Argument(metavar="TO", help="The storage to copy to; created if it does not exist."),
    study: str | None = _STUDY,
) -> None:
    """Copy studies to another storage. Running trials wait in the copy; existing names are refused."""
    found = _existing(source)
    if study is not None:
        found.study(study)  # before a target is made
    _say("copied", copy_studies(found, open_store(target), study))


@storage_app.command("export")
def export_(
    store: str = _STORE,
    file: Path = typer.Argument(metavar="FILE.jsonl", help="The file to write."),
    study: str | None = _STUDY,
) -> None:
    """Write studies to a file of JSON lines."""
    _say("exported", export_studies(_existing(store), file, study))


@storage_app.command("import")
def import_(
    file: Path = typer.Argument(metavar="FILE.jsonl", help="A file that `export` wrote."), store: str = _TARGET
) -> None:
    """Read studies from a file of JSON lines."""
    studies = read_export(file)  # before a target is made
    add_studies(open_store(store), studies)
    _say("imported", studies)


@storage_app.command()
def import_optuna(
    url: str = typer.Argument(
        help="Optuna's storage: a URL such as sqlite:///optuna.db, or the path of a file (SQLite's, or a journal)."
    ),
    store: str = _TARGET,
    study: str | None = _STUDY,
) -> None:
    """Read studies from a storage of Optuna."""
    from ..integrations.optuna.studies import read_optuna

    studies = read_optuna(url, study)
    add_studies(open_store(store), studies)
    _say("imported", studies)


@storage_app.command()
def compact(store: str = _STORE) -> None:
    """Reclaim the space of deleted studies."""
    opened = _existing(store)
    path = _sqlite_file(opened)
    if path is not None:
        from ..stores.sql.upkeep import compact as compact_file

        opened.close()
        before, after = compact_file(path)
        typer.echo(f"{path}: {before:,} bytes before, {after:,} after")
    elif (work := getattr(opened, "compact", None)) is not None:
        work()
        typer.echo(f"{_shown(store)}: compacted")
    else:
        typer.echo(f"{_shown(store)}: this storage needs no compacting")


@storage_app.command()
def check(store: str = _STORE) -> None:
    """Check for damage and inconsistencies; exits with 1 if there are any."""
    opened = _existing(store)
    found = []
    if (path := _sqlite_file(opened)) is not None:
        from ..stores.sql.upkeep import damage

        found += damage(path)
    studies: list[StudyDump] = []
    if not found:  # a damaged file cannot be read in the usual way
        studies = read_studies(opened)
    for study, records in studies:
        lost = {record.number for record in opened.expired(study.name)}
        lost |= {r.number for r in records if r.state is TrialState.RUNNING and owner_is_dead(r.owner)}
        found += [f"study {study.name!r}: {fault}" for fault in faults(study, records, lost)]
    if found:
        for fault in found:
            error_console().print(fault, markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    typer.echo(f"{_shown(store)}: {_counted(studies)}, nothing wrong")


def _existing(store: str) -> Store:
    return open_store(store, must_exist=True)


def _sqlite_file(store: Store) -> Path | None:
    """Return the file of an SQLite store; None for any other."""
    url = getattr(store, "url", "")
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


def _counted(studies: Sequence[StudyDump]) -> str:
    n = sum(len(records) for _, records in studies)
    return f"{len(studies)} {'study' if len(studies) == 1 else 'studies'}, {n} trial{'' if n == 1 else 's'}"


def _say(done: str, studies: Sequence[StudyDump]) -> None:
    if not studies:
        typer.echo(f"{done} nothing: the storage has no studies")
    for study, records in studies:
        waiting = sum(record.state is TrialState.RUNNING for record in records)
        also = f", of which {waiting} were running and now wait" if waiting and done != "exported" else ""
        typer.echo(f"{done} {study.name}: {len(records)} trials{also}")


def _shown(store: str) -> str:
    """Return a storage as the user named it, without a password."""
    return re.sub(r"://.*@", "://***@", store)
