"""The options that `luthier tune` has for every task, declared once: types for the parameters of a command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..samplers.catalogue import SAMPLERS
from ..workflow.settings import PRUNERS

LEARN, SEARCH, CHOICE = "What to learn", "The search", "The choice"  # panels of the help

Cluster = Literal["ray", "dask"]

Out = Annotated[
    Path | None,
    typer.Option(help="The run's folder. Default: `runs/` and the name of the data.", rich_help_panel=LEARN),
]
Trials = Annotated[
    int | None,
    typer.Option(min=1, help="How many configurations to try.", rich_help_panel=SEARCH, show_default="40"),
]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="Maximum epochs per training.", rich_help_panel=SEARCH, show_default="25")
]
Patience = Annotated[
    int | None,
    typer.Option(min=1, help="Epochs without gain before a training ends.", rich_help_panel=SEARCH, show_default="10"),
]
SamplerName = Annotated[
    str | None,
    typer.Option(
        help=f"What proposes configurations: {', '.join(SAMPLERS)}.", rich_help_panel=SEARCH, show_default="auto"
    ),
]
Timeout = Annotated[
    str | None,
    typer.Option(
        help="Time for everything, re-runs and the final test included: 2h, 30min, 90s, 1h30m, or seconds. A run "
        "that is resumed has what is left of it, or the time of a new --timeout, from then on.",
        rich_help_panel=SEARCH,
        show_default="none",
    ),
]
PrunerName = Annotated[
    str | None,
    typer.Option(
        help=f"What stops poor trainings early: {', '.join(PRUNERS)}.", rich_help_panel=SEARCH, show_default="median"
    ),
]
Seed = Annotated[
    int | None, typer.Option(min=0, help="The same seed gives the same run.", rich_help_panel=SEARCH, show_default="0")
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        help="Trainings at a time, each in a process; -1 for one per core. With --on, 1 and -1 mean as many as the "
        "cluster can run.",
        rich_help_panel=SEARCH,
    ),
]
On = Annotated[
    Cluster | None,
    typer.Option(help="A cluster for the search: `ray` or `dask`.", rich_help_panel=SEARCH, show_default="no"),
]
Address = Annotated[
    str | None,
    typer.Option(help="Address of the cluster.", rich_help_panel=SEARCH, show_default="a local one starts and ends"),
]
Top = Annotated[
    int | None,
    typer.Option(
        min=1, help="How many of the best trials to re-run, at most.", rich_help_panel=CHOICE, show_default="5"
    ),
]
Seeds = Annotated[
    int | None,
    typer.Option(
        min=1, help="How many fresh seeds to re-run them on, at most.", rich_help_panel=CHOICE, show_default="3"
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in --out where it stopped.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Delete the run in --out and start over.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, and the summary on stderr.")]


@dataclass(frozen=True)
class Common:
    """What was given for the options of every task; None for what was not given."""

    out: Path | None
    trials: int | None
    sampler: str | None
    timeout: str | None
    pruner: str | None
    jobs: int
    on: Cluster | None
    address: str | None
    top: int | None
    seeds: int | None
    resume: bool
    fresh: bool
    json: bool
