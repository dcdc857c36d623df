from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import psycopg
import pymysql
import pytest
import sqlalchemy as sa

from luthier.stores.sql.mysql import MySQL
from luthier.stores.sql.postgres import Postgres
from luthier.stores.sql.server import ServerDatabase

CASES = [
    ("mysql+pymysql://me@127.0.0.1:1/x", MySQL(), pymysql.OperationalError(2013, "Lost connection")),
    ("mysql+pymysql://me@127.0.0.1:1/x", MySQL(), pymysql.InterfaceError(0, "")),
    ("postgresql+psycopg://me@127.0.0.1:1/x", Postgres(), psycopg.OperationalError("the connection is closed")),
]


@pytest.mark.parametrize("where", ["out of the pool", "back to the pool"])
@pytest.mark.parametrize(("url", "server", "error"), CASES)
def test_connection_that_died_is_replaced(url: str, server: Any, error: Exception, where: str) -> None:
    """Its isolation level is set on its way out of the pool and back, and that raises the driver's own error."""
    database = ServerDatabase(sa.make_url(url), 60.0, server)
    good, bad = MagicMock(), MagicMock()
    bad.__exit__.side_effect = error
    engine = MagicMock(dialect=database._engine.dialect)
    engine.connect.side_effect = [error if where == "out of the pool" else bad, good]
    assert database._run(engine, lambda connection: connection) is good.__enter__.return_value
    database.close()
