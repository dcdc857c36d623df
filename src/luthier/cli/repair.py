"""`luthier repair`: save the intact records of a damaged journal."""

from __future__ import annotations

from pathlib import Path

import typer

_FILE = typer.Argument(help="The journal (FILE.journal).", show_default=False)


def repair(
    file: Path = _FILE,
    out: Path | None = typer.Option(None, help="Write the repaired journal here and leave FILE unchanged."),
) -> None:
    """Save every intact record of a damaged journal, and report what was lost; FILE is kept as FILE.damaged."""
    from ..stores.journal import repair_journal

    done = repair_journal(file, out)
    for offset, length in done.damaged:
        typer.echo(f"lost {length} bytes at byte {offset}")
    if done.orphans:
        typer.echo(f"lost {done.orphans} intact records, whose study was created in a damaged one")
    for study, numbers in done.failed.items():
        typer.echo(f"study {study}: trials {', '.join(map(str, numbers))} were lost completely, and are now FAIL")
    for study, trials in done.studies.items():
        typer.echo(f"study {study}: {trials} trials")
    if not done.damaged:
        typer.echo(f"{file} is intact: nothing to repair")
    elif done.backup is not None:
        typer.echo(f"the damaged file is kept as {done.backup}")
    typer.echo(f"{done.saved} records are in {done.path}")
