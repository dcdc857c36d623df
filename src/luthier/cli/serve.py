"""`luthier serve`: the studies of a storage over HTTP."""

from __future__ import annotations

import os
import secrets
import socket

import typer

from ..errors import LuthierError, missing
from .console import error_console

_STORE = typer.Argument(help="A path or URL of a storage; a file is made if it is not there.", show_default=False)
_ALLOWED = typer.Option([], "--allow-host", help="A name under which clients may call, beside the loopback's.")


def serve(
    store: str = _STORE,
    host: str = typer.Option("127.0.0.1", help="Where to listen: this machine alone by default."),
    port: int = typer.Option(8000, min=0, max=65535, help="The port; 0 for a free one."),
    token: str | None = typer.Option(
        None, envvar="LUTHIER_TOKEN", help="What clients must send; made up and printed once by default."
    ),
    no_token: bool = typer.Option(False, "--no-token", help="Ask for no token; on the loopback alone."),
    allow_host: list[str] = _ALLOWED,
) -> None:
    """Serve the studies of a storage over HTTP, until Ctrl-C."""
    try:
        import uvicorn

        from ..web.app import create_app
        from ..web.security import LOOPBACK
    except ImportError as error:
        raise missing("luthier serve needs FastAPI and uvicorn", "serve") from error
    from ..stores import open_store

    if no_token and token is not None:
        raise typer.BadParameter("give --token or --no-token, not both")
    if no_token and host not in LOOPBACK:
        raise typer.BadParameter(f"--no-token on {host} would let everybody in: leave it out, or listen on 127.0.0.1")
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
    """A socket that listens, before anything is said of it. Raises `LuthierError`."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        why = error.strerror if isinstance(error, socket.gaierror) or not error.errno else os.strerror(error.errno)
        raise LuthierError(f"cannot listen on {host} port {port}: {why}; choose another --port or --host") from error
