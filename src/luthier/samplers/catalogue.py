"""The samplers by name, as in `create_study(sampler="tpe")`: the one list of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..catalogue import Entry, named
from .protocol import Sampler

SAMPLERS: Mapping[str, Entry[Sampler]] = MappingProxyType(
    {
        "auto": Entry(
            "luthier.samplers.auto",
            "AutoSampler",
            "automatic: quasi-random start, then a model of what was seen (Gaussian process or TPE)",
        ),
        "gp": Entry("luthier.samplers.gp", "GPSampler", "Gaussian process with expected improvement"),
        "tpe": Entry("luthier.samplers.tpe", "TPESampler", "tree-structured Parzen estimator"),
        "random": Entry("luthier.samplers.random", "RandomSampler", "random search"),
        "qmc": Entry("luthier.samplers.qmc", "QMCSampler", "quasi-random (Sobol) search"),
        "grid": Entry("luthier.samplers.grid", "GridSampler", "grid search in a low-discrepancy order"),
    }
)

DEFAULT = "auto"


def make_sampler(given: Sampler | str | None) -> Sampler:
    """Return the sampler of an argument `sampler=`: by name, as it is, or the default for None.

    Raises:
        ValueError: an unknown name.
        TypeError: a class that was not called, or an object that is not a sampler.
    """
    return named("sampler", DEFAULT if given is None else given, SAMPLERS, "suggest")
