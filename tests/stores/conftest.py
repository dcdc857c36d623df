"""Real database servers of the tests' own: started once for each run, stopped at its end."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import sqlalchemy as sa

PASSWORD = "geheim"
_PATIENCE = 60.0  # seconds for a server to start or stop on a busy machine; no test waits that long


class ServerProcess:
    """A database server in a temporary folder, that can be crashed and started again."""

    def __init__(self, kind: str, user: str, command: list[str], connect: Callable[[], Any], url: str) -> None:
        self._kind, self._user, self._command, self._connect = kind, user, command, connect
        self._url = url
        self._process: subprocess.Popen[bytes] | None = None
        self._names = itertools.count()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_user(self._user)
        )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self._connect().close()
                return
            except (psycopg.OperationalError, pymysql.OperationalError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def crash(self) -> None:
        """End it as a crash does: nothing is written any more, and what was has to be recovered."""
        # PostgreSQL's "immediate" stop; killed outright, it leaves children that hinder the next start
        self._end(signal.SIGQUIT if self._kind == "postgresql" else signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGINT if self._kind == "postgresql" else signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(_PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()
            self._process = None

    def execute(self, statement: str) -> None:
        with closing(self._connect()) as connection:
            connection.cursor().execute(statement)

    def new_database(self) -> str:
        """The name of a new, empty database."""
        name = f"test_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def drop_database(self, name: str) -> None:
        self.execute(f"DROP DATABASE {name}" + (" WITH (FORCE)" if self._kind == "postgresql" else ""))

    def url(self, database: str) -> str:
        return f"{self._url}/{database}"


def as_user(name: str) -> dict[str, Any]:
    """Arguments of subprocess: servers do not run as root."""
    return {"user": name, "group": name, "extra_groups": []} if os.geteuid() == 0 else {}


def program(kind: str, name: str, *folders: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ["PATH"], "/usr/sbin"]))
    if found is None:
        if "CI" in os.environ:
            pytest.fail(f"no {name}: {kind} is not installed (make servers)")
        pytest.skip(f"no {name}: {kind} is not installed (make servers)")
    return found


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def own_folder(user: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="luthier-"))  # not pytest's, into which other users cannot look
    if os.geteuid() == 0:
        shutil.chown(folder, user, user)
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[ServerProcess]:
    """A PostgreSQL that crashes may be done to; it never waits for the disk, which matters for lost power alone."""
    newest_first = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    initdb, postgres = (program("PostgreSQL", name, *newest_first) for name in ("initdb", "postgres"))
    folder, port = own_folder("postgres"), free_port()
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    data = str(folder / "data")
    login = ("-U", "luthier", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}")
    subprocess.run(
        [initdb, "-D", data, *login, "--no-sync", "--encoding=UTF8", "--locale=C"],
        check=True,
        stdout=subprocess.DEVNULL,
        **as_user("postgres"),
    )
    options = ("fsync=off", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "deadlock_timeout=100ms")
    command = [postgres, "-D", data, "-p", str(port), *(f"--{option}" for option in options)]

    def connect() -> Any:
        where = {"host": "127.0.0.1", "port": port, "dbname": "postgres", "user": "luthier"}
        return psycopg.connect(**where, password=PASSWORD, autocommit=True)

    url = f"postgresql://luthier:{PASSWORD}@127.0.0.1:{port}"
    server = ServerProcess("postgresql", "postgres", command, connect, url)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[ServerProcess]:
    """A MariaDB that crashes may be done to; it never waits for the disk, which matters for lost power alone."""
    install, mariadbd = (program("MariaDB", name) for name in ("mariadb-install-db", "mariadbd"))
    folder, port = own_folder("mysql"), free_port()
    data = folder / "data"
    common = ["--no-defaults", f"--datadir={data}"]
    subprocess.run(
        [install, *common, "--skip-test-db", "--auth-root-authentication-method=normal"],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **as_user("mysql"),
    )
    (folder / "init.sql").write_text(
        f"CREATE USER IF NOT EXISTS luthier@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO luthier@'%';\n"
    )
    (folder / "init.sql").chmod(0o644)
    files = (f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}", f"--init-file={folder / 'init.sql'}")
    small = ("--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--innodb-flush-method=nosync")
    command = [mariadbd, *common, "--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve", *files, *small]

    def connect() -> Any:
        return pymysql.connect(host="127.0.0.1", port=port, user="luthier", password=PASSWORD, autocommit=True)

    server = ServerProcess("mariadb", "mysql", command, connect, f"mariadb://luthier:{PASSWORD}@127.0.0.1:{port}")
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(params=["postgres_server", "mariadb_server"])
def server(request: pytest.FixtureRequest) -> ServerProcess:
    found: ServerProcess = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def url(server: ServerProcess) -> Iterator[str]:
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
