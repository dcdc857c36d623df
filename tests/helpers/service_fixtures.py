from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

import luthier as lt
from luthier.remote.connection import Connection
from luthier.remote.study import RemoteStudy
from luthier.service.app import create_app
from luthier.space import Space
from luthier.stores import MemoryStore, Store

TOKEN = "a-token-for-tests-only"


class InProcess(httpx.BaseTransport):
    """Calls an ASGI application from code that does not wait."""

    def __init__(self, app: Any) -> None:
        self._transport = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def call() -> httpx.Response:
            body = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            reply = await self._transport.handle_async_request(body)
            return httpx.Response(reply.status_code, headers=reply.headers, content=await reply.aread())

        return asyncio.run(call())


def client_of(app: Any, base_url: str = "http://127.0.0.1:8000", **more: Any) -> httpx.Client:
    return httpx.Client(transport=InProcess(app), base_url=base_url, **more)


@pytest.fixture
def in_process() -> Callable[..., httpx.Client]:
    return client_of


@pytest.fixture
def store() -> Store:
    return MemoryStore()


@pytest.fixture
def http(app: Any) -> Iterator[httpx.Client]:
    """A client of the application in this process, with the right token."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with client_of(app, headers=headers) as client:
        yield client


@pytest.fixture
def app(store: Store) -> Any:
    """The application in this process."""
    return create_app(store, TOKEN)


@pytest.fixture
def reach(app: Any) -> Callable[..., Connection]:
    """Makes connections to the application in this process."""
    return lambda transport=None: Connection("http://127.0.0.1:8000", TOKEN, 1.0, transport or InProcess(app))


@pytest.fixture
def create(reach: Callable[..., Connection]) -> Callable[..., RemoteStudy]:
    """Makes studies of the application in this process."""
    two = Space({"x": lt.Float(-1, 1), "k": lt.Int(1, 4)})

    def make(space: Space | None = two, again: Space | None = None, **more: Any) -> RemoteStudy:
        connection = reach()
        body = {"name": "s", "sampler": "random", "seed": 1, "space": None if space is None else space.to_json()}
        connection.call("POST", "/v1/studies", body | more)
        return RemoteStudy(connection, "s", again)

    return make
