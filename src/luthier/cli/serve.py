"""`luthier serve`: the studies of a storage over HTTP."""

from __future__ import annotations

import os
import secrets
import socket

import typer

from ..errors import LuthierError, missing
from .console import error_console

_STORE = typer.Argument(help="A path or URL of a storage; a file is created if it does not exist.", show_default=False)
_ALLOWED = typer.Option(
    [], "--allow-host", help="A host name that clients may use, in addition to those of the loopback."
)


def serve(
    store: str = _STORE,
    host: str = typer.Option("127.0.0.1", help="The address to listen on: this machine only by default."),
    port: int = typer.Option(8000, min=0, max=65535, help="The port; 0 for any free one."),
    token: str | None = typer.Option(
        None, envvar="LUTHIER_TOKEN", help="The token that clients must send; generated and printed once by default."
    ),
    no_token: bool = typer.Option(False, "--no-token", help="Require no token; allowed on the loopback only."),
    allow_host: list[str] = _ALLOWED,
) -> None:
    """Serve the studies of a storage over HTTP, until Ctrl-C."""
    try:
        import uvicorn

        from ..service.app import create_app
        from ..service.security import LOOPBACK
    except ImportError as error:
        raise missing("luthier serve needs FastAPI and uvicorn", "serve") from error
    from ..stores import open_store

    if no_token and token is not None:
        raise typer.BadParameter("give --token or --no-token, not both")
    if no_token and host not in LOOPBACK:
        raise typer.BadParameter(f"--no-token on {host} would let anyone in: leave it out, or listen on 127.0.0.1")
    if token is not None and (len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token):
        raise typer.BadParameter("--token needs at least 16 printable ASCII characters without spaces")
    console = error_console()
    opened = open_store(store)
    try:
        with _listen(host, port) as listening:
            if token is None and not no_token:
                token = secrets.token_urlsafe(32)
                console.print(f"token: {token}", highlight=False, soft_wrap=True, markup=False)
            address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
            console.print(f"running on {address} (Ctrl-C ends it)", highlight=False, soft_wrap=True, markup=False)
            app = create_app(opened, token, [host, *allow_host])
            config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, ws="none")
            uvicorn.Server(config).run(sockets=[listening])
    finally:
        opened.close()


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens already, before its address is printed. Raises `LuthierError`."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        why = error.strerror if isinstance(error, socket.gaierror) or not error.errno else os.strerror(error.errno)
        raise LuthierError(f"cannot listen on {host} port {port}: {why}; choose another --port or --host") from error
