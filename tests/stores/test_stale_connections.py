from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psycopg
import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from luthier.stores.sql.mysql import MySQL
from luthier.stores.sql.postgres import Postgres
from luthier.stores.sql.server import ServerDatabase, Trouble

CASES = [
    ("mysql+pymysql://me@127.0.0.1:1/x", MySQL(), pymysql.OperationalError(2013, "Lost connection")),
    ("mysql+pymysql://me@127.0.0.1:1/x", MySQL(), pymysql.InterfaceError(0, "")),
    ("postgresql+psycopg://me@127.0.0.1:1/x", Postgres(), psycopg.OperationalError("the connection is closed")),
]


@pytest.mark.parametrize(("url", "server", "error"), CASES)
def test_connection_that_died_in_the_pool_is_a_server_that_is_down(url: str, server: Any, error: Exception) -> None:
    """Its isolation level is set as it leaves the pool, and that raises the driver's own error."""
    database = ServerDatabase(sa.make_url(url), 1.0, server)

    def connect() -> Any:
        raise error

    stale: Any = SimpleNamespace(connect=connect, dialect=database._engine.dialect)
    with pytest.raises(exc.DBAPIError) as caught:
        database._connect(stale)
    assert server.trouble(caught.value) is Trouble.DOWN
    database.close()
