"""Domain: the four kinds of parameter as one, and their JSON form.

Choices stand there by their labels. Those that are tuples, lists or dicts of JSON values stand beside them under
"values", so that an objective gets of a stored study what it got of the first; of other objects, such as classes,
the label is all that is kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from ..errors import SpaceError
from .labelled import Choice, Labels, Ordinal
from .labels import When
from .numeric import Float, Int

Domain: TypeAlias = Float | Int | Ordinal | Choice

_LONGEST = 10_000  # characters of a value that is kept beside its label


def domain_to_json(domain: Domain) -> dict[str, Any]:
    """Return the JSON object of one domain.

    >>> import luthier as lt
    >>> from luthier.space import domain_to_json
    >>> domain_to_json(lt.Int(1, 4))["type"]
    'int'
    """
    data: dict[str, Any]
    if isinstance(domain, Float | Int):
        data = {"type": type(domain).__name__.lower(), "low": domain.low, "high": domain.high}
        data |= {"log": domain.log, "step": domain.step}
    else:
        data = {"type": type(domain).__name__.lower(), "choices": list(domain.labels)}
        values = [_kept(label, value) for label, value in zip(domain.labels, domain.values, strict=True)]
        if any(value is not None for value in values):
            data["values"] = values
    data["default"] = domain.default
    data["when"] = (
        {name: list(allowed) for name, allowed in domain.when.items()}
        if isinstance(domain.when, Mapping)
        else domain.when
    )
    return data


def domain_from_json(data: Mapping[str, Any]) -> Domain:
    """Return the domain of a JSON object.

    >>> import luthier as lt
    >>> from luthier.space import domain_from_json, domain_to_json
    >>> domain_from_json(domain_to_json(lt.Int(1, 4))) == lt.Int(1, 4)
    True

    Raises:
        SpaceError: it is not one.
    """
    kind, common = data["type"], {"default": data.get("default"), "when": data.get("when")}
    if kind == "float":
        return Float(data["low"], data["high"], log=data["log"], step=data["step"], **common)
    if kind == "int":
        return Int(data["low"], data["high"], log=data["log"], step=data["step"], **common)
    if kind in ("choice", "ordinal"):
        labels, kept = tuple(data["choices"]), data.get("values")
        if kept is not None and len(kept) != len(labels):
            raise SpaceError(
                f"there are {len(labels)} choices and {len(kept)} values: they cannot belong to one parameter"
            )
        values = [
            label if x is None else _unpacked(x) for label, x in zip(labels, kept or [None] * len(labels), strict=True)
        ]
        return (Choice if kind == "choice" else Ordinal)(Labels(labels, tuple(values)), **common)
    raise SpaceError(f"unknown type of parameter {kind!r}: this space may come from a newer version of Luthier")


def replace_when(domain: Domain, when: When) -> Domain:
    """Return the same domain under another condition."""
    if domain.when == when:
        return domain
    if isinstance(domain, Float | Int):
        return replace(domain, when=when)
    return type(domain)(Labels(domain.labels, domain.values), default=domain.default, when=when)


def _kept(label: Any, value: Any) -> dict[str, Any] | None:
    """The JSON of a value, tagged with its type; None where the label is all that can be kept."""
    if value is label:
        return None
    try:
        packed = {"is": value} if _is_scalar(value) else _packed(value)
        return packed if len(json.dumps(packed)) <= _LONGEST else None
    except (TypeError, ValueError, RecursionError):
        return None


def _is_scalar(value: Any) -> bool:
    return value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))


def _packed(value: Any) -> Any:
    if _is_scalar(value):
        return value
    if type(value) is dict and all(type(key) is str for key in value):
        return {"dict": [[key, _packed(x)] for key, x in value.items()]}
    if type(value) in (tuple, list):
        return {type(value).__name__: [_packed(x) for x in value]}
    raise TypeError("not JSON")


def _unpacked(data: Any) -> Any:
    """The value behind what `_packed` made; `SpaceError` if it is not of that form."""
    if _is_scalar(data):
        return data
    match data:
        case {"is": value, **rest} if not rest and _is_scalar(value):
            return value
        case {"tuple": list() as items, **rest} if not rest:
            return tuple(map(_unpacked, items))
        case {"list": list() as items, **rest} if not rest:
            return list(map(_unpacked, items))
        case {"dict": list() as items, **rest} if not rest and all(map(_is_item, items)):
            return {key: _unpacked(x) for key, x in items}
    raise SpaceError(f"{data!r} is not the value of a choice: this space may come from a newer version of Luthier")


def _is_item(data: Any) -> bool:
    return isinstance(data, list) and len(data) == 2 and isinstance(data[0], str)
