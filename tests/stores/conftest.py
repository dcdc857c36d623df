"""Real database servers, started once for each run and stopped at its end: those of the crash campaign."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1] / "crash"))
import servers

# they never wait for the disk, which matters for lost power alone, and find deadlocks at once
FAST = {
    "postgres": ("fsync=off", "deadlock_timeout=100ms"),
    "mariadb": ("innodb-buffer-pool-size=32M", "innodb-flush-method=nosync"),
}


def _started(name: str, lacks: Callable[[str], NoReturn]) -> Iterator[servers.ServerProcess]:
    if absent := servers.missing(name):
        lacks(f"no {', '.join(absent)}: not installed (make servers)")
    with getattr(servers, name)(Path(), *FAST[name]) as place:
        yield place.server


@pytest.fixture(scope="session")
def postgres_server(lacks: Callable[[str], NoReturn]) -> Iterator[servers.ServerProcess]:
    yield from _started("postgres", lacks)


@pytest.fixture(scope="session")
def mariadb_server(lacks: Callable[[str], NoReturn]) -> Iterator[servers.ServerProcess]:
    yield from _started("mariadb", lacks)


@pytest.fixture(params=["postgres_server", "mariadb_server"])
def server(request: pytest.FixtureRequest) -> servers.ServerProcess:
    """Each of them in turn, or that which a test names."""
    found: servers.ServerProcess = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def url(server: servers.ServerProcess) -> Iterator[str]:
    """Of a new, empty database."""
    name = server.new_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def direct(url: str) -> Iterator[sa.Engine]:
    """The database without Luthier."""
    scheme, rest = url.split("://")
    driver = {"postgresql": "psycopg", "mariadb": "pymysql"}[scheme]
    engine = sa.create_engine(f"{scheme}+{driver}://{rest}")
    yield engine
    engine.dispose()
