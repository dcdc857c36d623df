"""Strict JSON for what stores keep: NaN and the infinities, which JSON lacks, are written as `{"$float": "nan"}`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..errors import StorageError

_MARK = "$float"
_ODD = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} is not JSON")


_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=_plain).encode


def to_json(value: Any) -> str:
    """Return the text of a value of numbers, strings, None, lists, tuples and dictionaries; NumPy scalars as numbers.

    Raises:
        StorageError: something in it is not one of these.
    """
    try:
        try:
            return _encode(value)
        except ValueError:  # not finite
            return _encode(_marked(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise StorageError(
            f"{_shown(value)} cannot be stored: {error}. Give numbers, strings, lists and dictionaries, or its str(...)"
        ) from error


def from_json(text: str) -> Any:
    """Return the value of a text that `to_json` wrote.

    Raises:
        StorageError: it is not JSON.
    """
    try:
        return json.loads(text, object_hook=_unmarked if _MARK in text else None)
    except ValueError as error:
        raise StorageError(f"{_shown(text)} is not JSON: something other than Luthier wrote it") from error


def many_from_json(texts: Iterable[str]) -> list[Any]:
    """Return the values of many texts, parsed as one: several times faster than one by one."""
    values: list[Any] = from_json("[" + ",".join(texts) + "]")
    return values


def as_json(value: Any) -> Any:
    """Return a copy of a value as it would come back from a file."""
    return from_json(to_json(value))


def _marked(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {_MARK: str(float(value))}
    if isinstance(value, dict):
        return {key: _marked(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(x) for x in value]
    return value


def _unmarked(data: dict[str, Any]) -> Any:
    return _ODD.get(data[_MARK], data) if len(data) == 1 and _MARK in data else data


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
