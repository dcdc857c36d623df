"""`luthier tune image`: the options of the image task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from .options import (
    LEARN,
    SEARCH,
    Address,
    Common,
    Epochs,
    Fresh,
    Jobs,
    Json,
    On,
    Out,
    Patience,
    PrunerName,
    Resume,
    SamplerName,
    Seed,
    Seeds,
    Timeout,
    Top,
    Trials,
)
from .tune import TaskCommand, run_task

if TYPE_CHECKING:
    from ..tasks import Task

_AUGMENT: Mapping[str, Any] = {"auto": "auto", "all": True, "none": False}


def _make(options: Mapping[str, Any]) -> Task:
    augment, size = options["augment"], options["size"]
    if augment not in _AUGMENT:
        raise UsageError(f"--augment {augment}: choose one of {', '.join(_AUGMENT)}")
    from ..tasks.image import ImageTask

    return ImageTask(**{**options, "augment": _AUGMENT[augment], "size": None if size is None else tuple(size)})


COMMAND = TaskCommand(
    name="image",
    defaults={
        "data": None,
        "epochs": 25,
        "patience": 10,
        "seed": 0,
        "augment": "auto",
        "limit": None,
        "size": None,
        "skip_broken": False,
    },
    make=_make,
    missing="name the data to learn from: --data digits, --data fashion-mnist, or a path",
    input="images.npz",
)


def image(
    data: Annotated[
        str | None,
        typer.Option(
            help="`digits`, `fashion-mnist`, an `.npz` file, a folder of idx files, or a folder with one folder of "
            "images per class.",
            rich_help_panel=LEARN,
        ),
    ] = None,
    out: Out = None,
    limit: Annotated[
        int | None,
        typer.Option(min=10, help="Use at most this many images.", rich_help_panel=LEARN, show_default="all"),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=4,
            help="Height and width, for folders of images of different sizes.",
            rich_help_panel=LEARN,
            show_default="the most frequent",
        ),
    ] = None,
    skip_broken: Annotated[
        bool,
        typer.Option(
            "--skip-broken",
            help="Leave out images that cannot be read, and report which, instead of stopping at them.",
            rich_help_panel=LEARN,
        ),
    ] = False,
    trials: Trials = None,
    epochs: Epochs = None,
    patience: Patience = None,
    sampler: SamplerName = None,
    timeout: Timeout = None,
    pruner: PrunerName = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="Which augmentations to search: auto (rotation and shift, plus flips for colour images), all, or "
            "none.",
            rich_help_panel=SEARCH,
            show_default="auto",
        ),
    ] = None,
    seed: Seed = None,
    jobs: Jobs = 1,
    on: On = None,
    address: Address = None,
    top: Top = None,
    seeds: Seeds = None,
    resume: Resume = False,
    fresh: Fresh = False,
    json: Json = False,
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
    given = {
        "data": data,
        "epochs": epochs,
        "patience": patience,
        "seed": seed,
        "augment": augment,
        "limit": limit,
        "size": None if size is None else (size, size),
        "skip_broken": skip_broken or None,
    }
    common = Common(
        out=out,
        trials=trials,
        sampler=sampler,
        timeout=timeout,
        pruner=pruner,
        jobs=jobs,
        on=on,
        address=address,
        top=top,
        seeds=seeds,
        resume=resume,
        fresh=fresh,
        json=json,
    )
    run_task(COMMAND, given, common)
