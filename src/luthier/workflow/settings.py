"""What a run of `luthier tune image` was asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ..errors import LuthierError, UsageError
from ..samplers import Sampler
from ..samplers.catalogue import SAMPLERS
from ..schedulers import MedianPruner, Scheduler, SuccessiveHalvingPruner
from ..schedulers.catalogue import NAMES as PRUNER_NAMES
from ..schedulers.catalogue import NO_PRUNER

PRUNERS = (*PRUNER_NAMES, NO_PRUNER)


@dataclass(frozen=True)
class ImageSettings:
    """Options of `luthier tune image`, as recorded in the run; `timeout` in seconds, for all its starts together."""

    data: str
    trials: int = 40
    epochs: int = 25
    patience: int = 10
    seed: int = 0
    sampler: str = "auto"
    pruner: str = "median"
    augment: str = "auto"
    top: int = 5
    seeds: int = 3
    timeout: float | None = None
    limit: int | None = None
    size: tuple[int, int] | None = None
    skip_broken: bool = False
    task: str = "image"

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise UsageError(f"--sampler {self.sampler}: choose one of {', '.join(SAMPLERS)}")
        if self.pruner not in PRUNERS:
            raise UsageError(f"--pruner {self.pruner}: choose one of {', '.join(PRUNERS)}")
        if self.augment not in ("auto", "all", "none"):
            raise UsageError(f"--augment {self.augment}: choose one of auto, all, none")

    @staticmethod
    def from_options(options: Mapping[str, Any]) -> ImageSettings:
        """Return the settings of a new run; options that are None take their default.

        Raises:
            UsageError: no data, or an unknown choice.
        """
        given = {name: value for name, value in options.items() if value is not None}
        if "data" not in given:
            raise UsageError("name the data to learn from: --data digits, --data fashion-mnist, or a path")
        return ImageSettings(**given)

    @staticmethod
    def recorded(data: Mapping[str, Any], options: Mapping[str, Any], spent: float = 0.0) -> ImageSettings:
        """Return the settings of a run that goes on.

        Args:
            data: what was recorded.
            options: given now. Trials, timeout, top and seeds may differ from what was recorded; a timeout counts from
                now, and without one, what is left of the recorded one holds.
            spent: seconds that the run has taken so far.

        Raises:
            LuthierError: another one differs.
        """
        known = {f.name for f in fields(ImageSettings)}
        values = {name: value for name, value in data.items() if name in known}
        if values.get("size") is not None:
            values["size"] = tuple(values["size"])
        settings = ImageSettings(**values)
        given = {name: value for name, value in options.items() if value is not None}
        changed = {name: given.pop(name) for name in ("trials", "timeout", "top", "seeds") if name in given}
        if "timeout" in changed:
            changed["timeout"] += spent
        for name, value in given.items():
            if value != getattr(settings, name):
                raise LuthierError(
                    f"this run was made with --{name} {getattr(settings, name)}, not {value}: leave --{name} out to "
                    "continue, or choose another --out for a new run"
                )
        return replace(settings, **changed)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return asdict(self)

    def make_sampler(self) -> Sampler:
        """Return the sampler of that name."""
        return SAMPLERS[self.sampler].make()

    def make_pruner(self) -> Scheduler | None:
        """Return the pruner of that name; both leave the first epochs alone, which tell nothing yet."""
        if self.pruner == NO_PRUNER:
            return None
        if self.pruner == "halving":
            return SuccessiveHalvingPruner(min_resource=max(1, self.epochs // 9), reduction_factor=3)
        return MedianPruner(n_startup_trials=5, n_warmup_steps=max(1, self.epochs // 5))
