"""The tunables of a training: their default ranges, and where a search starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..errors import SpaceError
from ..space import Choice, Domain, Float, Int, Ordinal
from ..types import Label
from .settings import CLASSIFICATION_LOSSES


@dataclass(frozen=True)
class Tunable:
    """One tunable: a field of `TrainSettings`, its default range, and why it is that."""

    name: str
    domain: Domain
    why: str


_TUNABLES: tuple[Tunable, ...] = (
    Tunable("learning_rate", Float(1e-5, 1e-1, log=True, default=1e-3), "matters most; from fine-tuning to plain sgd"),
    Tunable("batch_size", Ordinal([16, 32, 64, 128, 256], default=64), "small ones regularise, large ones are fast"),
    Tunable("epochs", Int(5, 100, log=True, default=20), "better left to early stopping or a scheduler"),
    Tunable("optimizer", Choice(["sgd", "adam", "adamw", "rmsprop"], default="adamw"), "adaptive rates or none"),
    Tunable(
        "momentum",
        Float(0.5, 0.99, default=0.9, when={"optimizer": ("sgd", "rmsprop")}),
        "how long past gradients are remembered",
    ),
    Tunable(
        "beta2",
        Ordinal([0.9, 0.95, 0.98, 0.99, 0.999], default=0.999, when={"optimizer": ("adam", "adamw")}),
        "lower where gradients change fast, as in transformers and GANs",
    ),
    Tunable("weight_decay", Float(1e-6, 1e-1, log=True, default=1e-4), "L2; the low end is as good as none"),
    Tunable("l1", Float(1e-8, 1e-3, log=True, default=1e-7), "makes weights sparse; the low end is as good as none"),
    Tunable(
        "label_smoothing",
        Float(0.0, 0.2, default=0.0, when={"loss": CLASSIFICATION_LOSSES}),
        "against over-confidence; more than 0.2 hides the classes",
    ),
    Tunable("gradient_clip", Float(0.1, 10.0, log=True, default=1.0), "against exploding gradients; 10 hardly clips"),
    Tunable(
        "schedule",
        Choice(["constant", "exponential", "step", "cosine", "cyclic", "plateau"], default="constant"),
        "how the learning rate changes; cosine is a good first guess",
    ),
    Tunable(
        "decay",
        Float(0.05, 0.8, log=True, default=0.3, when={"schedule": ("step", "plateau")}),
        "factor of one reduction",
    ),
    Tunable(
        "step_every",
        Float(0.1, 0.5, default=0.3, when={"schedule": "step"}),
        "share of the training: one to nine reductions",
    ),
    Tunable(
        "lr_floor",
        Float(1e-4, 0.3, log=True, default=0.01, when={"schedule": ("exponential", "cosine", "cyclic", "plateau")}),
        "share of the learning rate that is left at the lowest",
    ),
    Tunable("cycles", Int(1, 8, default=4, when={"schedule": "cyclic"}), "triangles in the whole training"),
    Tunable("plateau_patience", Int(1, 10, default=3, when={"schedule": "plateau"}), "epochs before a reduction"),
    Tunable("warmup", Float(0.0, 0.2, default=0.0), "share of the steps; for high rates and transformers"),
    Tunable(
        "loss",
        Choice(["cross_entropy", "focal"], default="cross_entropy"),
        "for classes; for regression pass loss=Choice(['mse', 'mae', 'huber'])",
    ),
    Tunable(
        "initialization",
        Choice(["default", "he", "xavier", "orthogonal"], default="default"),
        "leave it out where weights are pre-trained",
    ),
)


def tunables() -> tuple[Tunable, ...]:
    """Return all tunables of a training, with their default ranges and why: a table for documentation.

    >>> from luthier.train import tunables
    >>> {tunable.name: tunable.why for tunable in tunables()}["learning_rate"]
    'matters most; from fine-tuning to plain sgd'
    """
    return _TUNABLES


def training_space(*names: str, **overrides: Domain) -> dict[str, Domain]:
    """Return domains of the tunables of a training, to be given to `Space`, alone or beside a model's own.

    >>> import luthier as lt
    >>> from luthier.train import training_space
    >>> parameters = training_space("learning_rate", "weight_decay", learning_rate=lt.Float(1e-4, 1e-2, log=True))
    >>> lt.Space({**parameters, "width": lt.Int(8, 128, log=True)}).names
    ('learning_rate', 'weight_decay', 'width')

    A condition on a tunable that is not in the space is dropped: with `training_space("momentum")` the optimiser is
    fixed elsewhere. A tunable whose condition no choice of its parent can meet is left out.

    Args:
        *names: which of them; none for all.
        **overrides: domains in place of the default ones; they need not be in `names` again.

    Raises:
        SpaceError: a name is not a tunable, or no choice of its parent allows one that was asked for.
    """
    known = {tunable.name: tunable.domain for tunable in _TUNABLES}
    for name in (*names, *overrides):
        if name not in known:
            raise SpaceError(f"{name!r} is not a tunable of a training: the tunables are {', '.join(known)}")
    wanted = {*names, *overrides} if names else set(known)
    chosen = {name: overrides.get(name, domain) for name, domain in known.items() if name in wanted}
    space: dict[str, Domain] = {}
    for name, domain in chosen.items():
        if name in overrides:
            space[name] = domain
            continue
        fitted = _fitted(domain, chosen)
        if fitted is not None:
            space[name] = fitted
        elif name in names:
            raise SpaceError(f"{name!r} is never active: its parent can take none of {domain.when!r}: leave it out")
    return space


def _fitted(domain: Domain, chosen: dict[str, Domain]) -> Domain | None:
    """The domain with its condition narrowed to what its parent can be; None if it can never hold."""
    if not isinstance(domain.when, Mapping):
        return domain
    when: dict[str, tuple[Label, ...]] = {}
    for parent, allowed in domain.when.items():
        if parent in chosen:
            possible = chosen[parent]
            if not isinstance(possible, Choice | Ordinal):
                raise SpaceError(f"{parent!r} is {possible!r}: it must be a Choice")
            when[parent] = tuple(label for label in allowed if label in possible.labels)
            if not when[parent]:
                return None
    if isinstance(domain, Float | Int):
        return replace(domain, when=when or None)
    return type(domain)(dict(zip(domain.labels, domain.values, strict=True)), domain.default, when or None)
