from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from luthier.service.app import create_app
from luthier.service.security import MAX_BODY
from luthier.stores import MemoryStore, Store
from luthier.stores.sql import SqlStore

BODY = {"name": "s", "sampler": "random"}


def refused(reply: httpx.Response, status: int, error: str) -> None:
    assert (reply.status_code, reply.json()["error"]) == (status, error)
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Basic a-token-for-tests-only", "Bearer ä"])
@pytest.mark.parametrize("path", ["/v1/studies", "/openapi.json", "/nothing"])
def test_without_the_token_nothing_is_told(http: httpx.Client, path: str, given: str) -> None:
    refused(http.get(path, headers={"Authorization": given.encode()}), 401, "Unauthorized")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[", "127.0.0.1@evil"]
)
def test_a_wrong_host_is_refused_even_with_the_token(http: httpx.Client, host: str) -> None:
    refused(http.get("/v1/studies", headers={"Host": host}), 403, "HostRefused")


@pytest.mark.parametrize("host", ["localhost", "localhost:9", "[::1]:8000", "127.0.0.1"])
def test_the_loopback_has_several_names(http: httpx.Client, host: str) -> None:
    assert http.get("/v1/studies", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8000"])
def test_another_origin_is_refused(http: httpx.Client, origin: str) -> None:
    refused(http.post("/v1/studies", json=BODY, headers={"Origin": origin}), 403, "OriginRefused")
    assert http.get("/v1/studies").json() == []


def test_its_own_origin_is_not(http: httpx.Client) -> None:
    assert http.get("/v1/studies", headers={"Origin": "http://127.0.0.1:8000"}).status_code == 200


def test_only_json_is_taken(http: httpx.Client) -> None:
    for media in ("text/plain", "application/x-www-form-urlencoded", "application/x-pickle", ""):
        refused(http.post("/v1/studies", content=b"{}", headers={"Content-Type": media}), 415, "NotJSON")
    as_json = {"Content-Type": "application/json; charset=utf-8"}
    for text in (b"{", b"\xff\xfe", b"\x80\x04K\x01.", b""):
        reply = http.post("/v1/studies", content=text, headers=as_json)
        assert reply.status_code in (400, 422), text
        assert set(reply.json()) == {"error", "message"}
    refused(http.post("/v1/studies", content=b"{", headers=as_json), 400, "NotJSON")


def test_a_huge_body_is_refused_whether_it_says_its_length_or_not(http: httpx.Client) -> None:
    as_json = {"Content-Type": "application/json"}
    refused(http.post("/v1/studies", content=b" " * (MAX_BODY + 1), headers=as_json), 413, "BodyTooLarge")

    def chunks() -> Iterator[bytes]:
        for _ in range(MAX_BODY // 1024 + 1):
            yield b" " * 1024

    refused(http.post("/v1/studies", content=chunks(), headers=as_json), 413, "BodyTooLarge")


def test_deep_json_breaks_nothing(http: httpx.Client) -> None:
    deep = b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    reply = http.post("/v1/studies", content=deep, headers={"Content-Type": "application/json"})
    assert reply.status_code in (400, 422) and set(reply.json()) == {"error", "message"}
    assert http.get("/v1/studies").status_code == 200


NAMES = ["../../etc/passwd", "%2e%2e%2f", "a/b", "..", "C:\\x", "a b?&=#", "'; DROP TABLE studies; --", "ä€😀", "."]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_data_and_never_paths(in_process: Callable[..., httpx.Client], tmp_path: Path, name: str) -> None:
    store: Store = SqlStore(str(tmp_path / "s.db"))
    with in_process(create_app(store, None)) as http:
        assert http.post("/v1/studies", json={**BODY, "name": name}).status_code == 201
        assert http.get("/v1/study", params={"study": name}).json()["name"] == name
        assert http.delete("/v1/study", params={"study": name}).status_code == 200
    store.close()
    assert {path.name for path in tmp_path.iterdir()} <= {"s.db", "s.db-wal", "s.db-shm", "s.db-journal"}


@pytest.mark.parametrize("path", ["/%2e%2e/etc/passwd", "/v1/trials/..%2f..%2fx", "/v1/study/s", "/docs"])
def test_odd_paths_are_404_or_422_in_json(http: httpx.Client, path: str) -> None:
    reply = http.request("GET", httpx.URL("http://127.0.0.1:8000").copy_with(raw_path=path.encode()))
    assert reply.status_code in (404, 422) and set(reply.json()) == {"error", "message"}


def test_a_name_with_control_characters_is_refused(http: httpx.Client) -> None:
    for name in ("a\x00b", "a\nb"):
        assert http.post("/v1/studies", json={**BODY, "name": name}).status_code == 422
        assert http.get("/v1/study", params={"study": name}).status_code == 422


def test_without_a_token_host_and_origin_are_still_checked(in_process: Callable[..., httpx.Client]) -> None:
    with in_process(create_app(MemoryStore(), None, ["tuner.lan"]), "http://tuner.lan") as http:
        assert http.get("/v1/studies").status_code == 200
        refused(http.get("/v1/studies", headers={"Host": "evil.example"}), 403, "HostRefused")
