"""`write_report`: a study as one HTML file that opens offline."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Protocol

from .._version import __version__
from ..confirm import Baseline, Check, Confirmation
from ..history import History
from ..space import Space
from . import sections as content
from .answer import find_cost, find_winner, summarize
from .blocks import Block, Section, facts
from .page import render, write_atomically
from .sections import Details, Step

# the workflow, and the first words by which a step of it is known
_ORDER = (
    ("Problem and goal", "problem"),
    ("Data", "data"),
    ("Baseline", "baseline"),
    ("Ranges", "ranges"),
    ("Method", "method"),
    ("Search", "search"),
    ("Analysis", "analysis"),
    ("Choice", "choice"),
    ("Check on the sealed test set", "check"),
)


class StudyLike(Protocol):
    """Has what a report asks of a study: a name, a space and a history.

    >>> from dataclasses import dataclass
    >>> import luthier as lt
    >>> from luthier.history import History
    >>> from luthier.report import write_report
    >>> @dataclass
    ... class Mine:
    ...     name: str
    ...     space: lt.Space
    ...     history: History
    >>> space = lt.Space({"x": lt.Float(0, 1)})
    >>> write_report("mine.html", Mine("mine", space, History(space))).name
    'mine.html'
    """

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def space(self) -> Space:
        """Its space."""
        ...

    @property
    def history(self) -> History:
        """Its trials."""
        ...


def write_report(
    path: str | os.PathLike[str],
    study: StudyLike,
    *,
    title: str | None = None,
    metric: str | None = None,
    steps: Sequence[Step] = (),
    baseline: Baseline | None = None,
    confirmation: Confirmation | None = None,
    check: Check | None = None,
    cost: Mapping[str, object] | None = None,
    environment: Mapping[str, object] | None = None,
) -> Path:
    """Write a study's report: one HTML file without any reference to the outside.

    >>> import luthier as lt
    >>> from luthier.report import write_report
    >>> study = lt.create_study(study_name="mine", seed=0)
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=6)
    >>> path = write_report("report.html", study, metric="loss", steps=[("Data", "made up")])
    >>> path.name
    'report.html'

    Args:
        path: the file to write; its folder is created. An older report there is replaced in one step.
        study: any object with a name, a space and a history.
        title: heading of the page; the study's name by default.
        metric: what the study's value is; "value" by default.
        steps: what the workflow did: pairs of a title and a text or a mapping of details. A title that starts with the
            word of a section (problem, data, baseline, ranges, method, search, analysis, choice, check) adds to it;
            any other becomes a section of its own.
        baseline: the configuration to beat.
        confirmation: the re-runs of the best trials.
        check: the judgement on the sealed test set.
        cost: further costs of the search that the trials do not record.
        environment: versions, machine, seed, command; `machine_facts()` by default.

    Returns:
        the path.

    Raises:
        MissingDependency: plotly or Jinja2 is not installed.
        OSError: the file cannot be written; whatever was there is untouched.
    """
    history = study.history.under(study.space)
    metric = metric or "value"
    winner, spent = find_winner(history, confirmation), find_cost(history)
    said: dict[str, list[Details]] = {}
    for heading, details in steps:
        said.setdefault(_section_of(heading), []).append(details)
    own: dict[str, list[Block]] = {
        "problem": content.problem(study.name, history, metric),
        "baseline": content.baseline_section(baseline) if baseline is not None else [],
        "ranges": content.ranges(history.space),
        "search": content.search(history, spent, metric, baseline, cost),
        "analysis": content.analysis(history, metric if len(history.directions) == 1 else "objective 1", winner),
        "choice": content.choice(history, metric, winner, confirmation),
        "check": content.check_section(check) if check is not None else [],
    }
    keys = dict(_ORDER)
    titles = [*keys, *(heading for heading in said if heading not in keys)]
    parts = [(title, content.step_blocks(said.get(title, ())) + own.get(keys.get(title, ""), [])) for title in titles]
    parts.append(("All trials", content.trials(history, metric)))
    parts.append(("Environment", [facts(machine_facts() if environment is None else environment)]))
    page = render(
        title or study.name,
        f"Study {study.name}, written {datetime.datetime.now().astimezone():%d %B %Y, %H:%M}",
        summarize(winner, spent, metric, history.directions[0], baseline, check),
        [Section(heading, tuple(blocks)) for heading, blocks in parts if blocks],
        __version__,
    )
    where = Path(path)
    write_atomically(where, page)
    return where


def machine_facts() -> dict[str, object]:
    """Return what machine this is, and the versions of what matters, for a report.

    >>> from luthier.report import machine_facts
    >>> {"python", "luthier", "cores"} <= machine_facts().keys()
    True
    """
    versions = {}
    for name in ("numpy", "scipy", "scikit-learn", "torch", "plotly"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "luthier": __version__,
        "python": platform.python_version(),
        **versions,
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count() or 1,
    }


def _section_of(heading: str) -> str:
    words = heading.lower().replace(":", " ").split()
    return next((title for title, key in _ORDER if words and words[0] in (key, title.split()[0].lower())), heading)
