"""Catalogues: what may be given by its name, as in `sampler="tpe"`: the class of each name, and a line about it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One name of a catalogue. Its class is imported when it is used.

    Args:
        module: where the class is.
        class_name: its name there.
        summary: what it does, in a line without a capital or a full stop.
        needs: options that it cannot be made without; empty where the name alone is enough.
    """

    module: str
    class_name: str
    summary: str
    needs: str = ""

    @property
    def kind(self) -> type[T]:
        """The class."""
        found: type[T] = getattr(import_module(self.module), self.class_name)
        return found

    @property
    def options(self) -> dict[str, Any]:
        """The default of each option by its name; `inspect.Parameter.empty` where there is none."""
        return {name: x.default for name, x in inspect.signature(self.kind).parameters.items()}

    def make(self, **options: Any) -> T:
        """One with these options, the others as they are by default. Raises TypeError for an unknown option."""
        return self.kind(**options)


def named(argument: str, given: object, catalogue: Mapping[str, Entry[T]], method: str) -> T:
    """What an argument stands for: a name of the catalogue, or an object that has the method.

    Args:
        argument: its name, for messages.
        given: what was given for it.
        catalogue: what may be given by name.
        method: what an object must have in order to pass.

    Raises:
        ValueError: a name that the catalogue lacks, or one whose class cannot be made by its name alone.
        TypeError: a class that was not called, or an object without the method.
    """
    if isinstance(given, str):
        return _by_name(argument, given, catalogue)
    if isinstance(given, type):
        call = f"{argument}={given.__name__}()"
        raise TypeError(f"{argument}={given.__name__} is a class: call it, {call}, or give a name: {_names(catalogue)}")
    if not callable(getattr(given, method, None)):
        example = next(iter(catalogue.values())).class_name
        raise TypeError(
            f"{argument}={_shown(given)} is not a {argument} of Luthier: give a name ({_names(catalogue)}), or an "
            f"object with a method {method!r}, such as {example}()"
        )
    return given  # type: ignore[return-value]


def _by_name(argument: str, name: str, catalogue: Mapping[str, Entry[T]]) -> T:
    entry = catalogue.get(name)
    if entry is None:
        short = name.lower().removesuffix(argument)
        meant = next((key for key, x in catalogue.items() if short == key or name == x.class_name), None)
        hint = f"did you mean {meant!r}?" if meant else f"choose one of {_names(catalogue)}"
        raise ValueError(f"{argument}={name!r} is unknown: {hint}")
    if entry.needs:
        raise ValueError(
            f"{argument}={name!r} needs options: give {entry.class_name}(...) of {entry.module.rpartition('.')[0]} "
            f"with {entry.needs}"
        )
    return entry.make()


def _names(catalogue: Mapping[str, Entry[T]]) -> str:
    return ", ".join(repr(name) for name, entry in catalogue.items() if not entry.needs)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"<{type(value).__name__}>"
