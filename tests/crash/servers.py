"""Database servers of the tests' own, in a temporary folder, that are killed with SIGKILL and started again."""

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
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from places import Place

PASSWORD = "geheim"
PATIENCE = 60.0  # seconds for a server to start on a busy machine
PROGRAMS = {"postgres": ("initdb", "postgres"), "mariadb": ("mariadb-install-db", "mariadbd")}
FOLDERS = (*sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True), os.environ["PATH"], "/usr/sbin")


@dataclass
class ServerProcess:
    """A server that a command starts as a user; `connect` raises until it answers."""

    command: list[str]
    user: str
    connect: Callable[[], Any]
    address: str
    """The URL of its databases, without a name."""
    process: subprocess.Popen[bytes] | None = field(default=None)
    _names: Iterator[int] = field(default_factory=itertools.count)

    def start(self) -> None:
        """Start it on its data and wait until it answers."""
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **as_user(self.user)}
        self.process = subprocess.Popen(self.command, **quiet)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.connect().close()
                return
            except Exception:  # each driver has its own errors; the last one is raised
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def kill(self) -> None:
        """End it and all its processes with SIGKILL, at one moment."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGSTOP)  # so that it has no more children meanwhile
        family = children(self.process.pid)
        for pid in family:
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        while any(is_alive(pid) for pid in family):  # what they hold of the data hinders the next start
            time.sleep(0.01)
        self.process = None

    def execute(self, statement: str) -> None:
        """Have one statement done by the owner of all databases."""
        with closing(self.connect()) as connection:
            connection.cursor().execute(statement)

    def new_database(self) -> str:
        """The name of a new, empty database."""
        name = f"luthier_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def drop_database(self, name: str) -> None:
        """Remove one, though others may have it open."""
        self.execute(f"DROP DATABASE {name}" + (" WITH (FORCE)" if self.user == "postgres" else ""))

    def url(self, database: str) -> str:
        """What opens a store in a database."""
        return f"{self.address}/{database}"


def children(parent: int) -> list[int]:
    """The processes that a process started and that are still there."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _stat(pid)[1:2] == [str(parent)]]


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    return _stat(pid)[:1] not in ([], ["Z"])


def _stat(pid: int) -> list[str]:
    """State, parent and more of a process; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def missing(name: str) -> list[str]:
    """The programs of a server that are not installed."""
    return [word for word in PROGRAMS.get(name, ()) if shutil.which(word, path=os.pathsep.join(FOLDERS)) is None]


def as_user(name: str) -> dict[str, Any]:
    """Arguments of subprocess: servers do not run as root."""
    return {"user": name, "group": name, "extra_groups": []} if os.geteuid() == 0 else {}


@contextmanager
def postgres(_: Path, *options: str) -> Iterator[Place]:
    """A PostgreSQL with the settings that it has by default, but for these ("fsync=off")."""
    import psycopg

    with _folder("postgres") as folder:
        port, data = _free_port(), str(folder / "data")
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        login = ("-U", "luthier", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}")
        _run("initdb", "postgres", "-D", data, *login, "--encoding=UTF8", "--locale=C", "--no-sync")
        given = (
            f"--{option}" for option in ("listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", *options)
        )

        def connect() -> Any:
            where = f"host=127.0.0.1 port={port} dbname=postgres user=luthier password={PASSWORD}"
            return psycopg.connect(where, connect_timeout=5, autocommit=True)

        command = [_program("postgres"), "-D", data, "-p", str(port), *given]
        with _running(
            ServerProcess(command, "postgres", connect, f"postgresql://luthier:{PASSWORD}@127.0.0.1:{port}")
        ) as place:
            yield place


@contextmanager
def mariadb(_: Path, *options: str) -> Iterator[Place]:
    """A MariaDB with the settings that it has by default, but for a smaller log and these ("innodb-...=...")."""
    import pymysql

    with _folder("mysql") as folder:
        port, common = _free_port(), ["--no-defaults", f"--datadir={folder / 'data'}"]
        _run("mariadb-install-db", "mysql", *common, "--skip-test-db", "--auth-root-authentication-method=normal")
        (folder / "init.sql").write_text(
            f"CREATE USER IF NOT EXISTS luthier@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO luthier@'%';\n"
        )
        (folder / "init.sql").chmod(0o644)
        files = [f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}", f"--init-file={folder / 'init.sql'}"]
        address = ["--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve", "--innodb-log-file-size=16M"]

        def connect() -> Any:
            where = {"host": "127.0.0.1", "port": port, "user": "luthier", "autocommit": True}
            return pymysql.connect(**where, password=PASSWORD, connect_timeout=5, read_timeout=5)

        command = [_program("mariadbd"), *common, *files, *address, *(f"--{option}" for option in options)]
        with _running(
            ServerProcess(command, "mysql", connect, f"mariadb://luthier:{PASSWORD}@127.0.0.1:{port}")
        ) as place:
            yield place


@contextmanager
def _running(server: ServerProcess) -> Iterator[Place]:
    """A server with a new database."""
    try:
        server.start()
        yield Place(server.url(server.new_database()), server=server)
    finally:
        server.kill()


@contextmanager
def _folder(user: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="luthier-"))  # not pytest's, into which other users cannot look
    if os.geteuid() == 0:
        shutil.chown(folder, user, user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join(FOLDERS))
    if found is None:
        raise FileNotFoundError(f"there is no program {name}: install the server")
    return found


def _run(name: str, user: str, *options: str) -> None:
    subprocess.run([_program(name), *options], check=True, capture_output=True, **as_user(user))


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
