"""What a run of the nine steps was asked to do, beside its task."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ..errors import LuthierError, UsageError
from ..samplers import Sampler
from ..samplers.catalogue import SAMPLERS
from ..schedulers import MedianPruner, Scheduler, SuccessiveHalvingPruner
from ..schedulers.catalogue import NAMES as PRUNER_NAMES
from ..schedulers.catalogue import NO_PRUNER
from .narrator import Narrator

PRUNERS = (*PRUNER_NAMES, NO_PRUNER)
_CHANGEABLE = ("trials", "timeout", "top", "seeds")


@dataclass(frozen=True)
class Settings:
    """Arguments of `tune`, as recorded in the run; `timeout` in seconds, for all its starts together."""

    trials: int = 40
    sampler: str = "auto"
    pruner: str = "median"
    top: int = 5
    seeds: int = 3
    timeout: float | None = None

    @staticmethod
    def of(options: Mapping[str, Any], narrator: Narrator) -> Settings:
        """Return the settings of a new run; options that are None take their default.

        Raises:
            UsageError: one cannot be what it is.
        """
        return Settings(**_given(options))._checked(narrator)

    @staticmethod
    def resumed(recorded: Mapping[str, Any], options: Mapping[str, Any], spent: float, narrator: Narrator) -> Settings:
        """Return the settings of a run that goes on.

        Args:
            recorded: what `run.json` holds.
            options: given now. Trials, timeout, top and seeds may differ from what was recorded; a timeout counts from
                now, and without one, what is left of the recorded one holds.
            spent: seconds that the run has taken so far.
            narrator: names the options in errors.

        Raises:
            LuthierError: another one differs, or one cannot be what it is.
        """
        given = _given(options)
        changed = {name: given.pop(name) for name in _CHANGEABLE if name in given}
        check_same(recorded, given, narrator)
        settings = Settings(**{f.name: recorded[f.name] for f in fields(Settings) if f.name in recorded})
        replace(settings, **changed)._checked(narrator)
        if "timeout" in changed:
            changed["timeout"] += spent
        return replace(settings, **changed)

    def _checked(self, narrator: Narrator) -> Settings:
        for name, known in (("sampler", tuple(SAMPLERS)), ("pruner", PRUNERS)):
            check_choice(name, getattr(self, name), known, narrator)
        for name in ("trials", "top", "seeds"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UsageError(f"{narrator.option(name, value)}: give a whole number from 1")
        timeout = self.timeout
        if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout < math.inf):
            raise UsageError(f"{narrator.option('timeout', timeout)}: give a number of seconds above 0, or None")
        return self

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return asdict(self)

    def make_sampler(self) -> Sampler:
        """Return the sampler of that name."""
        return SAMPLERS[self.sampler].make()

    def make_pruner(self, max_steps: int) -> Scheduler | None:
        """Return the pruner of that name; both leave the first steps alone, which tell nothing yet.

        Args:
            max_steps: of a training.
        """
        if self.pruner == NO_PRUNER:
            return None
        if self.pruner == "halving":
            return SuccessiveHalvingPruner(min_resource=max(1, max_steps // 9), reduction_factor=3)
        return MedianPruner(n_startup_trials=5, n_warmup_steps=max(1, max_steps // 5))


def check_choice(name: str, value: object, known: tuple[str, ...], narrator: Narrator) -> None:
    """Raise UsageError unless an option is one of the known names."""
    if value not in known:
        raise UsageError(f"{narrator.option(name, value)}: choose one of {', '.join(known)}")


def check_same(recorded: Mapping[str, Any], given: Mapping[str, Any], narrator: Narrator) -> None:
    """Raise LuthierError where an option of a run that goes on is not what was recorded; None is not given."""
    for name, value in _given(given).items():
        before = recorded.get(name, value)
        if value != (tuple(before) if isinstance(before, list) else before):
            raise LuthierError(
                f"this run was made with {narrator.option(name, before)}, not {value}: leave {narrator.option(name)} "
                f"out to continue, or choose another {narrator.option('folder')} for a new run"
            )


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
