"""The ways to a study of a service: `connect` and `create_study`. What needs httpx is imported when they are called."""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import StudyNotFound
from ..space import Domain, Space
from ..study.arguments import (
    checked_directions,
    checked_name,
    checked_objective_names,
    checked_seed,
    checked_space,
    shown,
)
from ..types import Direction

if TYPE_CHECKING:
    from .study import RemoteStudy

_TOKEN_VARIABLE = "LUTHIER_TOKEN"


def connect(
    url: str,
    token: str | None = None,
    study_name: str | None = None,
    *,
    space: Space | Mapping[str, Domain] | None = None,
    retry_seconds: float = 60.0,
) -> RemoteStudy:
    """Return the study of that name in the service at a URL.

    >>> import luthier as lt
    >>> from luthier.remote import create_study
    >>> create_study("http://127.0.0.1:8000", study_name="mine", space={"x": lt.Float(0, 1)}).close()
    >>> study = lt.connect("http://127.0.0.1:8000", study_name="mine")  # on any machine that reaches the service
    >>> study.optimize(lambda trial: trial.params["x"], n_trials=3)
    >>> len(study.trials)
    3
    >>> study.close()

    Args:
        url: where the service is, as "http://127.0.0.1:8000".
        token: what `luthier serve` printed; by default what the variable LUTHIER_TOKEN holds, if anything.
        study_name: which; may be left out if the service has one study only.
        space: the declared space again, if its choices are objects (a service stores only their labels).
        retry_seconds: for how long a call is tried again while the service does not answer: by default for longer
            than a restart takes.

    Raises:
        StudyNotFound: there is no study of that name, or there are several and no name is given.
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
    direction: Direction | enum.Enum | None = None,
    directions: Sequence[Direction | enum.Enum] | None = None,
    sampler: str | None = None,
    pruner: str | None = None,
    seed: int | None = None,
    objective_names: Sequence[str] | None = None,
    load_if_exists: bool = False,
    retry_seconds: float = 60.0,
) -> RemoteStudy:
    """Return a new study in the service at a URL.

    >>> import luthier as lt
    >>> from luthier.remote import create_study
    >>> study = create_study("http://127.0.0.1:8000", study_name="its", sampler="random", space={"x": lt.Float(0, 1)})
    >>> trial = study.ask()
    >>> study.tell(trial, 0.5).values
    (0.5,)
    >>> study.close()

    Args:
        url, token, retry_seconds: as in `connect`.
        study_name: unique in the service; made up if not given.
        space: what is searched; None where the objective defines it with `trial.suggest_*`.
        direction: "minimize" (default) or "maximize", for one objective.
        directions: one for each of several objectives.
        sampler: the name of one, as in `luthier.create_study`, since the service runs it; "auto" by default.
        pruner: the name of one, likewise; None by default: trials run to their end.
        seed: the same seed gives the same study; a fresh one by default.
        objective_names: one for each objective.
        load_if_exists: continue the study of that name if it exists.

    Raises:
        StudyExists: the name is taken; or load_if_exists, and what is given differs from the existing study.
        SpaceError, TypeError, ValueError: an argument of the wrong kind or out of range.
        StorageError, MissingDependency: as `connect`.
    """
    from .session import fresh_id

    chosen = checked_directions(direction, directions)
    seed, name, declared = checked_seed(seed), checked_name(study_name), checked_space(space)
    given = direction is not None or directions is not None
    new = {
        "name": name if name is not None else f"study-{fresh_id()[:16]}",
        "space": None if declared is None else declared.to_json(),
        "directions": list(chosen) if given else None,
        "seed": seed,
        "objective_names": checked_objective_names(
            objective_names, None if load_if_exists and not given else len(chosen)
        ),
        "sampler": _name_of("sampler", sampler),
        "pruner": _name_of("pruner", pruner),
        "load_if_exists": load_if_exists,
        "client": fresh_id(),
    }
    return _opened(url, token, study_name, declared, retry_seconds, new)


def _name_of(argument: str, given: object) -> str | None:
    if given is None or isinstance(given, str):
        return given
    raise TypeError(
        f"{argument}={shown(given)} is not a name: the service runs the {argument}, so give its name, as in "
        f"luthier.create_study({argument}='...')"
    )


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
    from .study import RemoteStudy

    name, declared = checked_name(name), checked_space(space)
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
