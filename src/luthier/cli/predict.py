"""`luthier predict`: labels and probabilities from the model of a run."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from ..errors import LuthierError
from ..workflow.folder import RunFolder
from .console import output_console, plain_table, print_error, print_json
from .tune import how_to_resume

_SHOWN = 20  # rows on a terminal


def predict(
    run: Path = typer.Argument(help="A run's folder, or the folder of a saved model."),
    source: str = typer.Option(
        ..., "--input", "-i", help="An `.npz` or `.npy` file of images, a folder of images, or an image."
    ),
    out: Path | None = typer.Option(
        None, "--out", "-o", help="A CSV file to write: name, label, a probability per class."
    ),
    white: float | None = typer.Option(
        None,
        help="The value of full brightness in arrays and in files of more than 8 bits, such as 1, 255 or 4095.",
        show_default="recognised",
    ),
    skip_broken: bool = typer.Option(
        False, "--skip-broken", help="Leave out images that cannot be read, and report which."
    ),
    json: bool = typer.Option(False, "--json", help="Print JSON on stdout."),
) -> None:
    """Classify images with the model of a run.

    Example: `luthier predict runs/digits --input images.npz --out labels.csv`
    """
    from ..tasks import read_about
    from ..tasks.image import load_model

    folder, opened = run, None
    if not (run / "model.json").exists():
        opened = RunFolder.open(run)
        folder = opened.model
        if not folder.exists():
            raise LuthierError(f"{run} has no model yet: continue with {how_to_resume(opened)}")
    kind = read_about(folder)["task"]
    if kind != "image":
        raise LuthierError(
            f"{folder} holds a model of the task {kind!r}, and this command predicts for images alone: load it in "
            f"Python with the task's load({str(folder)!r})"
        )
    model = load_model(folder)
    if model.details.get("confirmed") is False:
        _say_unconfirmed(run, opened, model.details)
    names, images = model.load(source, white=white, skip_broken=skip_broken)
    labels, probabilities = model.predict(images)
    if out is not None:
        try:
            with out.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["name", "label", *model.classes])
                for name, label, row in zip(names, labels, probabilities, strict=True):
                    writer.writerow([name, label, *(f"{p:.6g}" for p in row)])
        except OSError as error:
            raise LuthierError(f"{out} cannot be written: {error.strerror or error}") from error
    if json:
        print_json(
            [
                {"name": n, "label": y, "probabilities": dict(zip(model.classes, map(float, row), strict=True))}
                for n, y, row in zip(names, labels, probabilities, strict=True)
            ]
        )
        return
    console = output_console()
    table = plain_table("image", "label", "probability", "next", numbers=("probability",))
    for name, label, row in list(zip(names, labels, probabilities, strict=True))[:_SHOWN]:
        order = row.argsort()[::-1]
        second = f"{model.classes[order[1]]} {row[order[1]]:.3f}" if len(order) > 1 else ""
        table.add_row(name, label, f"{row[order[0]]:.3f}", second)
    console.print(table)
    if len(names) > _SHOWN:
        console.print(f"... and {len(names) - _SHOWN} more: use --out FILE.csv or --json for all", highlight=False)


def _say_unconfirmed(run: Path, opened: RunFolder | None, details: Mapping[str, Any]) -> None:
    """Say on stderr that the model is one of an unfinished run; None where its folder was given, and not the run's."""
    how = "" if opened is None else f" ({how_to_resume(opened)})"
    print_error(
        f"this is the model of trial {details.get('trial')}, the best of the search in {run}; re-runs on fresh seeds "
        f"have not confirmed it yet{how}",
        style="yellow",
        label="note:",
    )
