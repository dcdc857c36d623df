"""Luthier tunes the hyperparameters of neural networks.

`import luthier as lt` is the way in: `lt.create_study`, `lt.Float`, `lt.Int`, `lt.Choice`, `lt.Ordinal`.
`lt.connect` opens a study of a service (`luthier serve`).
Samplers are in `luthier.samplers`, pruners in `luthier.schedulers`, stores in `luthier.stores`; `lt.plots`,
`lt.report`, `lt.confirm`, `lt.train` and the other packages are imported when they are first used.
"""

from importlib import import_module as _import_module
from importlib.util import find_spec as _find_spec
from typing import Any as _Any

from ._version import __version__ as __version__
from .errors import LuthierError as LuthierError
from .errors import TrialPruned as TrialPruned
from .log import set_verbosity as set_verbosity
from .remote import connect as connect
from .space import Choice as Choice
from .space import Float as Float
from .space import Int as Int
from .space import Ordinal as Ordinal
from .space import Space as Space
from .study import Study as Study
from .study import StudySummary as StudySummary
from .study import copy_study as copy_study
from .study import create_study as create_study
from .study import create_trial as create_trial
from .study import delete_study as delete_study
from .study import load_study as load_study
from .study import studies as studies
from .trial import Trial as Trial
from .trial import TrialRecord as TrialRecord
from .trial import TrialState as TrialState

_PACKAGES: dict[str, tuple[str, ...]] = {  # what is imported on first use, and the libraries that it cannot do without
    "analysis": (),
    "confirm": (),
    "errors": (),
    "executors": (),
    "integrations": (),
    "plots": ("plotly",),
    "report": ("plotly", "jinja2"),
    "samplers": (),
    "schedulers": (),
    "stores": (),
    "tasks": (),
    "testing": ("pytest", "hypothesis"),
    "train": ("torch",),
    "workflow": ("plotly", "jinja2"),
}

__all__ = [
    "Choice",
    "Float",
    "Int",
    "LuthierError",
    "Ordinal",
    "Space",
    "Study",
    "StudySummary",
    "Trial",
    "TrialPruned",
    "TrialRecord",
    "TrialState",
    "__version__",
    "connect",
    "copy_study",
    "create_study",
    "create_trial",
    "delete_study",
    "load_study",
    "set_verbosity",
    "studies",
]


def __getattr__(name: str) -> _Any:
    """Import a package when it is first used."""
    if name in _PACKAGES:
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What a user may use: names and packages, except packages whose libraries are not installed."""
    usable = [name for name, needs in _PACKAGES.items() if all(_find_spec(library) is not None for library in needs)]
    return sorted({*__all__, *usable})
