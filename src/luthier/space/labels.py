"""How choices and conditions are stored: labels, their keys, and the one form of `when=`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from ..errors import SpaceError
from ..types import Label

When: TypeAlias = Mapping[str, Any] | str | None
"""`{"optimizer": "sgd"}` or `{"optimizer": ("sgd", "rmsprop")}` (all keys must hold), or an expression such as
`"layers >= 3"`."""

_SHOWN = 200  # characters of a value in a message
_MAX_LABEL = 10**300


def shown(value: Any) -> str:
    """Return the value in a message: shortened, and with whole numbers that Python does not print."""
    try:
        text = repr(value)
    except ValueError:
        return f"a whole number of {value.bit_length()} bits" if isinstance(value, int) else f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def label_key(label: Label) -> str:
    """Return a key under which True, 1 and 1.0 differ."""
    return json.dumps(label)


def label_of(value: Any) -> Label:
    """Return the label under which a choice is stored: itself if it is a JSON scalar, else its name.

    Raises:
        SpaceError: it is infinite or NaN, a whole number of thousands of digits, or has no name that is the same
            tomorrow.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if abs(value) > _MAX_LABEL:
            raise SpaceError(f"a choice is {shown(value)}: give it a label, {{'label': …}}")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SpaceError(f"a choice is {value}: give it a label, {{'label': {value}}}")
        return value + 0.0  # -0.0 is 0.0
    name = getattr(value, "__name__", None)
    if isinstance(name, str) and name != "<lambda>":
        return name
    text = str(value) if isinstance(value, tuple | list) else repr(value)
    if " at 0x" in text or name == "<lambda>" or isinstance(value, set | frozenset):
        raise SpaceError(
            f"the choice {shown(value)} has no stable name: give labels, {{'label': {type(value).__name__}, ...}}"
        )
    return text


def normal_when(when: When) -> dict[str, tuple[Label, ...]] | str | None:
    """Return the one form of a condition: None, an expression, or allowed labels by parent."""
    if when is None or isinstance(when, str):
        return when
    if not when:
        raise SpaceError("when={} names no parameter: drop it, or name one")
    return {
        parent: tuple(label_of(v) for v in (allowed if isinstance(allowed, list | tuple | set) else (allowed,)))
        for parent, allowed in when.items()
    }
