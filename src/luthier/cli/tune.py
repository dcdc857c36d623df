"""`luthier tune`: from data to a tuned, confirmed, saved model."""

from __future__ import annotations

import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Literal

import typer

from ..errors import UsageError
from ..executors import Executor
from ..log import set_verbosity
from ..samplers.catalogue import SAMPLERS
from ..workflow.budget import seconds_of
from ..workflow.folder import RunFolder
from ..workflow.settings import PRUNERS, ImageSettings
from .console import Speaker, error_console, print_json, summary_console

tune_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Tune a network on your data, in nine steps."
)


@tune_app.callback()
def tune() -> None:
    """Tune a network on your data, in nine steps."""


@tune_app.command()
def image(
    data: str | None = typer.Option(
        None,
        help="`digits`, `fashion-mnist`, an `.npz` file, a folder of idx files, or a folder with one folder of "
        "images per class.",
        rich_help_panel="What to learn",
    ),
    out: Path | None = typer.Option(
        None, help="The run's folder. Default: `runs/` and the name of the data.", rich_help_panel="What to learn"
    ),
    limit: int | None = typer.Option(
        None, min=10, help="Use at most this many images.", rich_help_panel="What to learn", show_default="all"
    ),
    size: int | None = typer.Option(
        None,
        min=4,
        help="Height and width, for folders of images of different sizes.",
        rich_help_panel="What to learn",
        show_default="the most frequent",
    ),
    skip_broken: bool = typer.Option(
        False,
        "--skip-broken",
        help="Leave out images that cannot be read, and report which, instead of stopping at them.",
        rich_help_panel="What to learn",
    ),
    trials: int | None = typer.Option(
        None, min=1, help="How many configurations to try.", rich_help_panel="The search", show_default="40"
    ),
    epochs: int | None = typer.Option(
        None, min=1, help="Maximum epochs per training.", rich_help_panel="The search", show_default="25"
    ),
    patience: int | None = typer.Option(
        None,
        min=1,
        help="Epochs without gain before a training ends.",
        rich_help_panel="The search",
        show_default="10",
    ),
    sampler: str | None = typer.Option(
        None,
        help=f"What proposes configurations: {', '.join(SAMPLERS)}.",
        rich_help_panel="The search",
        show_default="auto",
    ),
    timeout: str | None = typer.Option(
        None,
        help="Time for everything, re-runs and the final test included: 2h, 30min, 90s, 1h30m, or seconds. A run "
        "that is resumed has what is left of it, or the time of a new --timeout, from then on.",
        rich_help_panel="The search",
        show_default="none",
    ),
    pruner: str | None = typer.Option(
        None,
        help=f"What stops poor trainings early: {', '.join(PRUNERS)}.",
        rich_help_panel="The search",
        show_default="median",
    ),
    augment: str | None = typer.Option(
        None,
        help="Which augmentations to search: auto (rotation and shift, plus flips for colour images), all, or none.",
        rich_help_panel="The search",
        show_default="auto",
    ),
    seed: int | None = typer.Option(
        None, min=0, help="The same seed gives the same run.", rich_help_panel="The search", show_default="0"
    ),
    jobs: int = typer.Option(
        1,
        "--jobs",
        "-j",
        help="Trainings at a time, each in a process; -1 for one per core. With --on, 1 and -1 mean as many as the "
        "cluster can run.",
        rich_help_panel="The search",
    ),
    on: Literal["ray", "dask"] | None = typer.Option(
        None, help="A cluster for the search: `ray` or `dask`.", rich_help_panel="The search", show_default="no"
    ),
    address: str | None = typer.Option(
        None, help="Address of the cluster.", rich_help_panel="The search", show_default="a local one starts and ends"
    ),
    top: int | None = typer.Option(
        None,
        min=1,
        help="How many of the best trials to re-run, at most.",
        rich_help_panel="The choice",
        show_default="5",
    ),
    seeds: int | None = typer.Option(
        None,
        min=1,
        help="How many fresh seeds to re-run them on, at most.",
        rich_help_panel="The choice",
        show_default="3",
    ),
    resume: bool = typer.Option(False, "--resume", help="Continue the run in --out where it stopped."),
    fresh: bool = typer.Option(False, "--fresh", help="Delete the run in --out and start over."),
    json: bool = typer.Option(False, "--json", help="Print the result as JSON on stdout, and the summary on stderr."),
) -> None:
    """Tune an image classifier in nine steps, each reported as it completes.

    The data is split into training, validation and a **sealed test set**, which is looked at once, at the end, to
    judge the winner against the baseline. Nothing that is finished is lost: after Ctrl-C or a kill, the same command
    with `--resume` continues where it stopped; `--trials`, `--timeout`, `--top` and `--seeds` may then differ. From the
    baseline on, the best model so far is in the run's folder.

    Progress goes to stderr, the final summary to stdout.

    Examples:

    - `luthier tune image --data digits --trials 40 --jobs 2`

    - `luthier tune image --data photos/ --size 64 --trials 60 --out runs/photos`

    - `luthier tune image --data photos/ --timeout 2h`

    - `luthier tune image --out runs/photos --resume --trials 100`
    """
    from ..workflow.steps import tune_image
    from ..workflow.verdict import summarize

    if resume and fresh:
        raise UsageError("--resume continues a run, --fresh deletes it: give one of them")
    if jobs == 0 or jobs < -1:
        raise UsageError(f"--jobs {jobs}: give the number of trainings at a time, or -1 for one per core")
    if address is not None and on is None:
        raise UsageError(f"--address {address}: name the cluster's kind too, with --on ray or --on dask")
    executor = None if on is None else _cluster(on, address, jobs)  # first: its library may be missing
    options = {
        "data": data,
        "trials": trials,
        "epochs": epochs,
        "patience": patience,
        "seed": seed,
        "sampler": sampler,
        "pruner": pruner,
        "augment": augment,
        "top": top,
        "seeds": seeds,
        "timeout": None if timeout is None else seconds_of(timeout),
        "limit": limit,
        "size": None if size is None else (size, size),
        "skip_broken": skip_broken or None,
    }
    if out is None:
        if data is None:
            raise UsageError("name the data to learn from: --data digits, --data fashion-mnist, or a path")
        out = Path("runs") / (Path(data).stem or "image")
    if resume:
        folder = RunFolder.open(out)
        spent = folder.load("cost")["seconds"] if folder.has("cost") else 0.0
        settings = ImageSettings.recorded(folder.load("run"), options, spent)
        folder.save("run", {**folder.load("run"), **settings.to_json()})
    else:
        settings = ImageSettings.from_options(options)
        folder = RunFolder.create(out, settings.to_json(), fresh)
    set_verbosity("warning")  # the steps report on trials themselves
    try:
        with redirect_stdout(sys.stderr):  # stdout is for the result: what workers print, Ray prints here
            result = tune_image(folder, settings, jobs, executor)
    except KeyboardInterrupt:
        _say_interrupted(folder)
        raise typer.Exit(130) from None
    summarize(Speaker(console=error_console() if json else summary_console()), result)
    if json:
        print_json(result)


def _say_interrupted(folder: RunFolder) -> None:
    say, path = Speaker(), shlex.quote(str(folder.path))
    say.line("")
    say.line("Interrupted. Nothing that was finished is lost. Continue with", style="bold")
    say.place("", f"luthier tune image --out {path} --resume")
    if folder.model.exists():
        say.line("The best model so far can be used already:")
        say.place("", f"luthier predict {path} --input images.npz")


def _cluster(name: Literal["ray", "dask"], address: str | None, jobs: int) -> Executor:
    n_jobs = None if jobs == 1 else jobs
    if name == "ray":
        from ..executors.ray import RayExecutor

        return RayExecutor(address, n_jobs)
    from ..executors.dask import DaskExecutor

    return DaskExecutor(address, n_jobs)
