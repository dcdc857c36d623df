"""The ways to a study of a service: `connect` and `create_study`. What needs httpx is imported when they are called."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import StudyNotFound
from ..space import Domain, Space
from ..types import Direction
from .remote_study import RemoteStudy, fresh_id

_TOKEN_VARIABLE = "LUTHIER_TOKEN"


def connect(
    url: str,
    token: str | None = None,
    study_name: str | None = None,
    *,
    space: Space | Mapping[str, Domain] | None = None,
    retry_seconds: float = 60.0,
) -> RemoteStudy:
    """The study of that name in the service at a URL.

    Args:
        url: where the service is, as "http://127.0.0.1:8000".
        token: what `luthier serve` printed; by default what the variable LUTHIER_TOKEN holds, if anything.
        study_name: which; may be left out if the service has one study only.
        space: the declared space again, if its choices are objects (a service knows their labels alone).
        retry_seconds: for how long a call is tried again while the service does not answer: by default for longer
            than a restart takes.

    Raises:
        StudyNotFound: there is none of that name, or several and none is named.
        StorageError: the service does not answer, or refuses the token.
        SpaceError: `space` is not that of the study.
        MissingDependency: httpx is not installed.
    """
    return _opened(url, token, study_name, space, retry_seconds, None)


def create_study(
    url: str,
    token: str | None = None,
    study_name: str | None = None,
    *,
    space: Space | Mapping[str, Domain] | None = None,
    direction: Direction | None = None,
    directions: Sequence[Direction] | None = None,
    sampler: str = "auto",
    pruner: str | None = None,
    seed: int | None = None,
    load_if_exists: bool = False,
    retry_seconds: float = 60.0,
) -> RemoteStudy:
    """A new study in the service at a URL.

    Args:
        url, token, retry_seconds: as in `connect`.
        study_name: unique in the service; made up if not given.
        space: what is searched; None where the objective defines it with `trial.suggest_*`.
        direction: "minimize" (default) or "maximize", for one objective.
        directions: one for each of several objectives.
        sampler: "auto", "random", "tpe" or "gp".
        pruner: "median", or None: trials run to their end.
        seed: the same seed gives the same study; a fresh one by default.
        load_if_exists: go on with the study of that name if there is one.

    Raises:
        StudyExists: the name is taken.
        SpaceError, ValueError: a space or settings that cannot be.
        StorageError, MissingDependency: as `connect`.
    """
    if direction is not None and directions is not None:
        raise ValueError("give direction (one objective) or directions (several), not both")
    declared = Space(space) if isinstance(space, Mapping) else space
    new = {
        "name": study_name if study_name is not None else f"study-{fresh_id()[:16]}",
        "space": None if declared is None else declared.to_json(),
        "directions": list(directions) if directions is not None else [direction or "minimize"],
        "seed": seed,
        "sampler": sampler,
        "pruner": pruner,
        "load_if_exists": load_if_exists,
        "client": fresh_id(),
    }
    return _opened(url, token, study_name, declared, retry_seconds, new)


def _opened(
    url: str,
    token: str | None,
    name: str | None,
    space: Space | Mapping[str, Domain] | None,
    retry_seconds: float,
    new: Mapping[str, Any] | None,
) -> RemoteStudy:
    """A study, made first if there is something to make; the connection is closed if that fails."""
    from .connection import Connection

    declared = Space(space) if isinstance(space, Mapping) else space
    connection = Connection(url, token or os.environ.get(_TOKEN_VARIABLE) or None, retry_seconds)
    try:
        if new is not None:
            name = connection.call("POST", "/v1/studies", new)["name"]
        if name is None:
            names = [study["name"] for study in connection.call("GET", "/v1/studies")]
            if len(names) != 1:
                known = ", ".join(map(repr, names)) or "none"
                raise StudyNotFound(f"the service has {len(names)} studies: {known}; name the one to connect to")
            name = names[0]
        return RemoteStudy(connection, name, declared)
    except BaseException:
        connection.close()
        raise
