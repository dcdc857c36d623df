"""Connection: calls of a service over the network, tried again until they are answered."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from .. import errors
from ..errors import LuthierError, StorageError, missing
from ..stores.codec import from_json, to_json

try:
    import httpx
except ImportError as _error:
    raise missing("the client of a service needs httpx", "serve") from _error

_log = logging.getLogger("luthier")

RETRY_SECONDS = 60.0
"""For how long a call is tried again while the service does not answer: longer than a restart takes."""

_MAX_WAIT = 2.0
_TRY_AGAIN = (502, 503, 504)  # the storage is busy; a proxy waits for a service that is being restarted
_OWN_FAULT = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)  # a second try would end as the first


class Connection:
    """Calls of one service. Safe for threads.

    Args:
        url: where the service is, as "http://127.0.0.1:8000".
        token: what `luthier serve` printed; None if it asks for none.
        retry_seconds: for how long a call without an answer is tried again.
        transport: of httpx, in place of the network.

    Raises:
        StorageError: the URL or the token is not valid.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        retry_seconds: float = RETRY_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        try:
            parts = httpx.URL(url)
        except (httpx.InvalidURL, TypeError) as error:
            raise StorageError(f"{url!r} is not a URL: give one such as 'http://127.0.0.1:8000'") from error
        if parts.scheme not in ("http", "https") or not parts.host:
            raise StorageError(f"{url!r} is not the URL of a service: give one such as 'http://127.0.0.1:8000'")
        if token is not None and not (token.isascii() and token.isprintable() and " " not in token and token):
            raise StorageError("the token must be printable ASCII without spaces: give what `luthier serve` printed")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.url = url
        self._retry_seconds = retry_seconds
        # not through a proxy of the environment: the token is for the service alone
        self._http = httpx.Client(base_url=url, headers=headers, timeout=60.0, transport=transport, trust_env=False)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Return the answer to one call. Every call may be made twice: ids and tokens make the second one harmless.

        Raises:
            LuthierError: as `Study` does; StorageError if the service does not answer or refuses.
            ValueError: the service refuses the input.
        """
        content = None if body is None else to_json(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        deadline = time.monotonic() + self._retry_seconds
        wait = 0.05
        while True:
            cause: Exception | None = None
            try:
                reply = self._http.request(method, path, content=content, headers=headers, params=query)
            except httpx.TransportError as error:
                cause = error
                if isinstance(error, _OWN_FAULT):
                    deadline = time.monotonic()
            else:
                if reply.status_code not in _TRY_AGAIN:
                    return _value(reply)
            if time.monotonic() + wait > deadline:
                if cause is None:
                    return _value(reply)
                raise StorageError(f"the service at {self.url} does not answer: {cause}") from cause
            if wait < _MAX_WAIT <= 2 * wait:  # once, when it takes longer than a network's hiccup
                why = cause or f"it answers {reply.status_code}"
                left = deadline - time.monotonic()
                _log.warning("the service at %s does not answer, trying for %.0f s more: %s", self.url, left, why)
            time.sleep(wait)
            wait = min(2 * wait, _MAX_WAIT)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _value(reply: httpx.Response) -> Any:
    """The value of an answer; an error of the service is raised as what it was there."""
    strange = f"the reply ({reply.status_code}) did not come from a Luthier service: check the URL"
    try:
        data = from_json(reply.text)
    except StorageError as error:
        raise StorageError(strange) from error
    if reply.is_success:
        return data
    if not isinstance(data, dict) or not {"error", "message"} <= data.keys():
        raise StorageError(strange)
    kind = getattr(errors, str(data["error"]), None)
    if isinstance(kind, type) and issubclass(kind, LuthierError):
        raise kind(data["message"])
    if reply.status_code == 422:
        raise ValueError(data["message"])
    raise StorageError(f"the service refused ({reply.status_code} {data['error']}): {data['message']}")
