"""Guard: what every request must pass before the application sees it, and what every answer carries."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from urllib.parse import urlsplit

from fastapi.responses import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import error_answer

_log = logging.getLogger("luthier")

MAX_BODY = 1024 * 1024
"""Bytes of a request; a result with its reports is far below."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Guard:
    """Checks Host (against DNS rebinding), Origin, token, media type and size, in this order.

    Args:
        app: what is guarded.
        token: the bearer token; None lets every client in.
        hosts: names under which the service may be called, beside those of the loopback.
    """

    def __init__(self, app: ASGIApp, token: str | None, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._token = None if token is None else token.encode()
        self._hosts = {*LOOPBACK, *(host.strip("[]").lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":  # the start and the end of the server; web sockets are not used
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        body = b"" if refusal is not None else await _body(receive)
        if body is None:
            refusal = error_answer(413, "BodyTooLarge", f"a body may have at most {MAX_BODY} bytes")
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return

        rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_body() -> Message:
            return rest.pop() if rest else await receive()

        try:
            await self._app(scope, receive_body, send_guarded)
        except Exception:  # the application has answered 500 by now
            _log.exception("a request failed: %s %s", scope["method"], scope["path"])

    def _refusal(self, method: str, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if _name(f"http://{host}") not in self._hosts:
            return error_answer(403, "HostRefused", "this Host is not allowed: start the service with --allow-host")
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
            return error_answer(403, "OriginRefused", "requests from other sites are refused")
        scheme, _, given = headers.get("authorization", "").partition(" ")
        bearer = scheme.lower() == "bearer"
        if self._token is not None and not (secrets.compare_digest(given.strip().encode(), self._token) and bearer):
            return error_answer(401, "Unauthorized", "send the header Authorization: Bearer TOKEN")
        if method in ("POST", "PUT", "PATCH"):
            if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                return error_answer(415, "NotJSON", "send the body as Content-Type: application/json")
            length = headers.get("content-length", "0")
            if length.isdecimal() and int(length[:20]) > MAX_BODY:
                return error_answer(413, "BodyTooLarge", f"a body may have at most {MAX_BODY} bytes")
        return None


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None if it is too large, whatever its Content-Length said."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)
