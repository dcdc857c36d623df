"""The `luthier` command and how it ends: 0 done, 1 an error that is explained, 2 wrong usage, 130 Ctrl-C."""

from __future__ import annotations

import sys

import typer

from .._version import __version__
from ..errors import LuthierError, UsageError
from .console import error_console, print_error
from .image import COMMAND as IMAGE
from .image import image
from .predict import predict
from .repair import repair
from .serve import serve
from .show import best, report, trials
from .storage import storage_app
from .tune import register, tune_app

app = typer.Typer(
    name="luthier",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Tune neural networks: fewer trainings, cheaper trainings, an answer you can trust.",
    epilog="Start here: `luthier tune image --data digits --trials 40`  \n"
    "It makes a folder under `runs/` with the study, the report and the model; the other commands take that folder.",
)
register(IMAGE, image)  # one line for each task
app.add_typer(tune_app, name="tune")
app.add_typer(storage_app, name="storage")
app.command()(predict)
app.command()(trials)
app.command()(best)
app.command()(report)
app.command()(repair)
app.command()(serve)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Tune neural networks: fewer trainings, cheaper trainings, an answer you can trust."""


def main() -> None:
    """Run the command line; Luthier's own errors are printed without a traceback."""
    try:
        app(standalone_mode=True)
    except LuthierError as error:
        print_error(str(error))
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except KeyboardInterrupt:
        error_console().print("\n[bold]Interrupted.[/]", highlight=False)
        sys.exit(130)
