"""`luthier tune TASK`: what the commands of all tasks do with their options."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import LuthierError, UsageError
from ..log import set_verbosity
from ..workflow.budget import seconds_of
from ..workflow.folder import RunFolder
from ..workflow.settings import check_same
from .console import Speaker, error_console, print_json, summary_console
from .options import Cluster, Common

if TYPE_CHECKING:  # `luthier --help` needs none of them
    from ..executors import Executor
    from ..tasks import Task

tune_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Tune a network on your data, in nine steps."
)


@tune_app.callback()
def tune() -> None:
    """Tune a network on your data, in nine steps."""


@dataclass(frozen=True)
class TaskCommand:
    """What the command of one kind of task knows.

    Attributes:
        name: of the task, as in `luthier tune NAME`.
        defaults: its own options with what they are if not given; recorded in the run, so that it can be resumed.
        make: the task of such options.
        source: the option that names the data, which a new run needs.
        missing: what to tell a user who names none.
        input: what `luthier predict` takes, as an example; empty where it has no model of this task.
    """

    name: str
    defaults: Mapping[str, Any]
    make: Callable[[Mapping[str, Any]], Task]
    source: str = "data"
    missing: str = "name the data to learn from"
    input: str = ""


COMMANDS: dict[str, TaskCommand] = {}


def register(command: TaskCommand, function: Callable[..., None]) -> None:
    """Make a task's command one of `luthier tune`."""
    COMMANDS[command.name] = command
    tune_app.command(command.name)(function)


def how_to_resume(folder: RunFolder) -> str:
    """Return what to do to go on with a run: a command, or a call where its task is known to Python alone."""
    recorded = folder.load("run")
    name = recorded.get("task", "image")
    if name in COMMANDS and COMMANDS[name].source in recorded:  # else it was begun in Python
        return f"`luthier tune {name} --out {shlex.quote(str(folder.path))} --resume`"
    return f"`luthier.workflow.tune(task, {str(folder.path)!r}, resume=True)`"


def run_task(command: TaskCommand, given: Mapping[str, Any], common: Common) -> None:
    """Tune a task as its command's options tell, and print what came out.

    Args:
        command: of the task.
        given: its own options; None for what was not given.
        common: those that all tasks have.
    """
    from ..workflow import tune as tune_task
    from .narrator import ConsoleNarrator
    from .summary import summarize

    narrator = ConsoleNarrator(Speaker(margin=5))
    if common.resume and common.fresh:
        raise UsageError("--resume continues a run, --fresh deletes it: give one of them")
    if common.jobs == 0 or common.jobs < -1:
        raise UsageError(f"--jobs {common.jobs}: give the number of trainings at a time, or -1 for one per core")
    if common.address is not None and common.on is None:
        raise UsageError(f"--address {common.address}: name the cluster's kind too, with --on ray or --on dask")
    executor = None if common.on is None else _cluster(common.on, common.address, common.jobs)  # may lack its library
    timeout = None if common.timeout is None else seconds_of(common.timeout)
    source = given[command.source]
    if source is None and (common.out is None or not common.resume):
        raise UsageError(command.missing)
    out = common.out or Path("runs") / (Path(str(source)).stem or command.name)
    options = dict(command.defaults)
    if common.resume:
        folder = RunFolder.open(out)
        recorded = folder.load("run")
        kind = recorded.get("task", command.name)
        if kind != command.name or command.source not in recorded:
            made = "was begun from Python" if kind == command.name else f"is a run of the task {kind!r}"
            raise LuthierError(f"{out} {made}: continue with {how_to_resume(folder)}")
        check_same(recorded, given, narrator)
        options |= {name: recorded[name] for name in options if name in recorded}
    else:
        options |= {name: value for name, value in given.items() if value is not None}
    task = command.make(options)
    set_verbosity("warning")  # the steps report on trials themselves
    try:
        with redirect_stdout(sys.stderr):  # stdout is for the result: what workers print, Ray prints here
            outcome = tune_task(
                task,
                out,
                trials=common.trials,
                sampler=common.sampler,
                pruner=common.pruner,
                timeout=timeout,
                top=common.top,
                seeds=common.seeds,
                jobs=common.jobs,
                executor=executor,
                resume=common.resume,
                fresh=common.fresh,
                narrator=narrator,
                options=options,
            )
    except KeyboardInterrupt:
        say_interrupted(command, RunFolder(out))
        raise typer.Exit(130) from None
    say = Speaker(error_console() if common.json else summary_console())
    summarize(say, task, outcome, _use(command, str(outcome.run)))
    if common.json:
        print_json(outcome.to_json())


def say_interrupted(command: TaskCommand, folder: RunFolder) -> None:
    """Print how to go on with a run."""
    say, path = Speaker(), shlex.quote(str(folder.path))
    say.line("")
    say.line("Interrupted. Nothing that was finished is lost. Continue with", style="bold")
    say.place("", f"luthier tune {command.name} --out {path} --resume")
    if folder.model.exists():
        say.line("The best model so far can be used already:")
        say.place("", _use(command, path) or folder.model)


def _use(command: TaskCommand, path: str) -> str:
    return f"luthier predict {path} --input {command.input}" if command.input else ""


def _cluster(name: Cluster, address: str | None, jobs: int) -> Executor:
    n_jobs = None if jobs == 1 else jobs
    if name == "ray":
        from ..executors.ray import RayExecutor

        return RayExecutor(address, n_jobs)
    from ..executors.dask import DaskExecutor

    return DaskExecutor(address, n_jobs)
