"""Attributes of a study that are Luthier's own: kept beside the user's, under names that begin with "luthier."."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ObjectiveError

OURS = "luthier."
OBJECTIVE_NAMES = "luthier.objective_names"


def public(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that the user attached."""
    return {key: value for key, value in attrs.items() if not key.startswith(OURS)}


def check_not_ours(key: str) -> None:
    """Raise `ObjectiveError` for a name that is Luthier's own."""
    if isinstance(key, str) and key.startswith(OURS):
        raise ObjectiveError(f"attribute {key!r}: names that begin with {OURS!r} are Luthier's own, so choose another")


def names_of(attrs: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The names of the objectives in a study's attributes; None if they have none."""
    names = attrs.get(OBJECTIVE_NAMES)
    return tuple(names) if names else None
