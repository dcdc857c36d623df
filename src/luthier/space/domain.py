"""Domain: the four kinds of parameter as one, and their JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from ..errors import SpaceError
from .labelled import Choice, Ordinal
from .numeric import Float, Int

Domain: TypeAlias = Float | Int | Ordinal | Choice


def domain_to_json(domain: Domain) -> dict[str, Any]:
    """The JSON object of one domain."""
    data: dict[str, Any]
    if isinstance(domain, Float | Int):
        data = {"type": type(domain).__name__.lower(), "low": domain.low, "high": domain.high}
        data |= {"log": domain.log, "step": domain.step}
    else:
        data = {"type": type(domain).__name__.lower(), "choices": list(domain.labels)}
    data["default"] = domain.default
    data["when"] = (
        {name: list(allowed) for name, allowed in domain.when.items()}
        if isinstance(domain.when, Mapping)
        else domain.when
    )
    return data


def domain_from_json(data: Mapping[str, Any]) -> Domain:
    """The domain of a JSON object.

    Raises:
        SpaceError: it is not one.
    """
    kind, common = data["type"], {"default": data.get("default"), "when": data.get("when")}
    if kind == "float":
        return Float(data["low"], data["high"], log=data["log"], step=data["step"], **common)
    if kind == "int":
        return Int(data["low"], data["high"], log=data["log"], step=data["step"], **common)
    if kind in ("choice", "ordinal"):
        return (Choice if kind == "choice" else Ordinal)(data["choices"], **common)
    raise SpaceError(f"unknown type of parameter {kind!r}: this space may come from a newer Luthier")
