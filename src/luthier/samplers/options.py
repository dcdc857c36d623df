"""clear_options: an error that lists a sampler's options when it is given a wrong one, and where the seed goes."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")


def clear_options(kind: type[T]) -> type[T]:
    """Decorate the class of a sampler so that wrong options raise a TypeError that lists the right ones.

    A sampler draws from the stream of the trial, which comes from the study's seed; the samplers of other libraries
    have a seed of their own, so this is a mistake that most users make once.
    """
    init, signature = kind.__init__, inspect.signature(kind)

    @wraps(init)
    def __init__(self: T, *args: Any, **options: Any) -> None:
        try:
            signature.bind(*args, **options)
        except TypeError as error:
            raise TypeError(_explained(kind.__name__, signature, args, options, error)) from None
        init(self, *args, **options)

    setattr(kind, "__init__", __init__)  # noqa: B010  mypy: an assignment to a method
    return kind


def _explained(
    name: str, signature: inspect.Signature, args: tuple[Any, ...], options: dict[str, Any], error: TypeError
) -> str:
    known = ", ".join(signature.parameters)
    has = f"it has the options {known}" if known else "it has no options"
    if "seed" in options or (args and not known):
        seed = options.get("seed", args[0] if args else None)
        return (
            f"{name} has no seed of its own, because the study gives each trial its random numbers: "
            f"use create_study(sampler={name}(), seed={seed!r}); {has}"
        )
    unknown = [key for key in options if key not in signature.parameters]
    if unknown:
        return f"{name} has no option {', '.join(map(repr, unknown))}: {has}"
    return f"{name}: {error}; {has}"
