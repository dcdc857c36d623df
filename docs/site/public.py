"""What users of Luthier may import: the one list that the API reference and the tests of examples read."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

# public is what these packages name
PACKAGES = [
    "luthier",
    "luthier.samplers",
    "luthier.schedulers",
    "luthier.space",
    "luthier.stores",
    "luthier.stores.journal",
    "luthier.stores.sql",
    "luthier.executors",
    "luthier.confirm",
    "luthier.analysis",
    "luthier.plots",
    "luthier.report",
    "luthier.train",
    "luthier.tasks",
    "luthier.tasks.image",
    "luthier.workflow",
    "luthier.remote",
    "luthier.integrations",
    "luthier.integrations.optuna",
    "luthier.testing",
    "luthier.testing.stores",
]
# and these, which their packages do not name because each needs a library of its own
MODULES = {
    "luthier.executors.processes": ["ProcessExecutor"],
    "luthier.executors.ray": ["RayExecutor"],
    "luthier.executors.dask": ["DaskExecutor"],
    "luthier.service.app": ["create_app"],
    "luthier.testing.samplers": ["SamplerContract"],
    "luthier.testing.schedulers": ["SchedulerContract"],
    "luthier.testing.stores.machine": ["store_machine"],
    "luthier.testing.executors": ["ExecutorContract", "AwayContract"],
    "luthier.testing.tasks": ["TaskContract"],
}


def public() -> dict[str, Any]:
    """Return the public classes and functions by the name under which users import them."""
    names = [(package, name) for package in PACKAGES for name in dir(importlib.import_module(package))]
    names += [(module, name) for module, these in MODULES.items() for name in these]
    found = {
        f"{module}.{name}": getattr(importlib.import_module(module), name)
        for module, name in names
        if not name.startswith("_")
    }
    return {
        name: thing
        for name, thing in found.items()
        if (inspect.isclass(thing) or inspect.isfunction(thing)) and thing.__module__.startswith("luthier")
    }
