"""RemoteStudy against a real server in a child process, which is killed, and whose replies are lost."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

import luthier as lt
from luthier.errors import ConflictingTell, StorageError, StudyExists, StudyNotFound, TrialPruned
from luthier.remote.client import connect, create_study
from luthier.remote.connection import Connection
from luthier.remote.study import RemoteStudy
from luthier.trial import TrialState

TOKEN = "a-token-for-tests-only"
SPACE = {"x": lt.Float(-1, 1), "k": lt.Int(1, 4)}


def test_optimize_reports_prunes_and_ends_as_a_study_does(serve: Callable[..., Any], tmp_path: Path) -> None:
    server = serve(tmp_path / "s.db")
    study = create_study(server.url, TOKEN, "s/../ä", space=SPACE, sampler="random", pruner="median", seed=1)
    study.enqueue_trial({"x": 0.5}, {"why": "a guess"})

    def objective(trial: lt.Trial) -> float:
        x = trial.suggest_float("x", -1, 1)
        trial.set_user_attr("k", trial.params["k"])
        trial.report(x * x, step=1)
        if trial.should_prune():
            raise TrialPruned
        if trial.number == 1:
            raise ArithmeticError("by chance")
        if trial.number == 2:
            return float("nan")
        return x * x

    study.optimize(objective, 12, catch=ArithmeticError)
    before = len(study.trials)

    def interrupted(trial: lt.Trial) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.optimize(interrupted, 1)
    assert study.trials[before].state is TrialState.WAITING
    with pytest.raises(KeyError, match="nope"):
        study.optimize(lambda trial: {}["nope"], 1)
    trials = study.trials
    assert [t.number for t in trials] == list(range(13))
    assert trials[0].params["x"] == 0.5 and trials[0].attrs == {"why": "a guess", "k": trials[0].params["k"]}
    assert [trials[i].state for i in (1, 2, 12)] == [TrialState.FAIL] * 3
    assert "by chance" in (trials[1].error or "") and "nope" in (trials[12].error or "")
    complete = [t for t in trials if t.state is TrialState.COMPLETE]
    assert study.best_value == min(t.value for t in complete if t.value is not None)
    assert study.best_params == dict(study.best_trial.params)
    with closing(connect(server.url, TOKEN, "s/../ä")) as other:
        assert other.best_trial == study.best_trial
        local = lt.load_study("s/../ä", storage=tmp_path / "s.db")
        assert other.recommended_trial.params == local.recommended_trial.params
    assert lt.load_study("s/../ä", storage=tmp_path / "s.db").best_value == study.best_value
    study.close()


def test_an_objective_that_defines_its_space(serve: Callable[..., Any], tmp_path: Path) -> None:
    server = serve(tmp_path / "s.db")
    study = create_study(server.url, TOKEN, "s", sampler="random")

    def objective(trial: lt.Trial) -> float:
        depth = trial.suggest_int("depth", 1, 3)
        return depth + trial.suggest_float("x", 0, 1) + (trial.suggest_categorical("kind", ["a", "b"]) == "b")

    study.optimize(objective, 6)
    assert all(set(t.params) == {"depth", "x", "kind"} and t.state is TrialState.COMPLETE for t in study.trials)
    assert set(lt.load_study("s", storage=tmp_path / "s.db").space.names) == {"depth", "x", "kind"}
    study.close()


def test_errors_come_over_as_what_they_were(serve: Callable[..., Any], tmp_path: Path) -> None:
    server = serve(tmp_path / "s.db")
    study = create_study(server.url, TOKEN, "s", space=SPACE, sampler="random")
    with pytest.raises(ValueError, match="no complete, feasible trial yet"):
        _ = study.best_trial
    with pytest.raises(ValueError, match="no complete, feasible trial yet"):
        _ = study.recommended_trial
    with pytest.raises(StudyExists):
        create_study(server.url, TOKEN, "s", space=SPACE)
    with pytest.raises(StudyNotFound):
        connect(server.url, TOKEN, "t")
    with pytest.raises(StorageError, match="401"):
        connect(server.url, "another-token-than-that", "s")
    trial = study.ask()
    study.tell(trial, 1.0)
    assert study.tell(trial, 1.0).value == 1.0
    with pytest.raises(ConflictingTell):
        study.tell(trial, 2.0)
    study.close()


class LosesReplies(httpx.BaseTransport):
    """The service gets the request; its reply is lost, once for each path."""

    def __init__(self) -> None:
        self._transport = httpx.HTTPTransport(trust_env=False)
        self.lost: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        reply = self._transport.handle_request(request)
        if request.method == "POST" and request.url.path not in self.lost:
            reply.read()
            self.lost.append(request.url.path)
            raise httpx.ReadError("the connection was dropped", request=request)
        return reply

    def close(self) -> None:
        self._transport.close()


def test_a_lost_reply_is_asked_again_and_changes_nothing(serve: Callable[..., Any], tmp_path: Path) -> None:
    server = serve(tmp_path / "s.db")
    create_study(server.url, TOKEN, "s", space=SPACE, sampler="random", pruner="median").close()
    transport = LosesReplies()
    study = RemoteStudy(Connection(server.url, TOKEN, transport=transport), "s")
    study.enqueue_trial({"x": 0.5})
    trial = study.ask()
    trial.report(0.5, step=1)
    assert not trial.should_prune()
    study.tell(trial, 0.25)
    assert set(transport.lost) == {"/v1/enqueue", "/v1/ask"} | {
        f"/v1/trials/0/{x}" for x in ("report", "should-prune", "tell")
    }
    (record,) = study.trials
    assert (record.params["x"], record.value, record.reports) == (0.5, 0.25, ((1, 0.5),))
    study.close()


def test_a_connection_that_is_cut_after_the_request_gets_the_same_trial(
    serve: Callable[..., Any], tmp_path: Path
) -> None:
    server = serve(tmp_path / "s.db")
    study = create_study(server.url, TOKEN, "s", space=SPACE, sampler="random")
    host, port = server.url.removeprefix("http://").split(":")
    body = b'{"client": "cut-client-1"}'
    head = (
        f"POST /v1/ask?study=s HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as cut:
        cut.sendall(head.encode() + body)
        cut.recv(1)  # the service has the request, and has begun to answer
    trial = study.ask(client="cut-client-1")
    assert trial.number == 0 and len(study.trials) == 1
    assert study.ask(client="cut-client-1").token == trial.token
    study.close()


def test_a_killed_server_loses_no_acknowledged_tell_and_its_clients_go_on(
    serve: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "s.db"
    server = serve(path)
    port = int(server.url.rsplit(":", 1)[1])
    study = create_study(server.url, TOKEN, "s", space=SPACE, sampler="random")
    acknowledged: dict[int, float] = {}
    told = threading.Semaphore(0)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(30):
                trial = study.ask()
                trial.report(0.0, step=trial.number)
                record = study.tell(trial, float(trial.number))
                acknowledged[record.number] = float(record.number)
                told.release()
        except BaseException as error:
            failed.append(error)
            told.release(30)

    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(3):
        for _ in range(5):
            told.acquire()
        server.kill()
        before = dict(acknowledged)
        with sqlite3.connect(path) as there:
            (complete,) = there.execute("select count(*) from trials where state = 2").fetchone()
        there.close()
        assert complete >= len(before)
        server = serve(path, port)
    worker.join()
    assert not failed
    trials = study.trials
    assert {t.number: t.value for t in trials} == acknowledged and len(trials) == 30
    study.close()


@pytest.fixture
def nobody() -> Iterator[str]:
    """A URL where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def test_a_service_that_is_not_there_is_an_error_with_its_cause(nobody: str) -> None:
    with pytest.raises(StorageError, match="does not answer") as caught:
        connect(nobody, None, "s", retry_seconds=0.2)
    assert isinstance(caught.value.__cause__, httpx.ConnectError)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "localhost", "ftp://tuner", "http://", "sqlite:///s.db", ""])
def test_what_is_no_url_is_said_at_once(url: str) -> None:
    with pytest.raises(StorageError, match="URL"):
        connect(url, TOKEN, "s")


@pytest.mark.parametrize("token", ["with space", "line\nend", "naïve", "tab\t"])
def test_what_is_no_token_is_said_at_once(token: str) -> None:
    with pytest.raises(StorageError, match="token must be"):
        connect("http://127.0.0.1:8000", token, "s")


def replies(*answers: httpx.Response) -> Connection:
    left = list(answers)
    transport = httpx.MockTransport(lambda _: left.pop(0))
    return Connection("http://127.0.0.1:8000", TOKEN, 5.0, transport)


@pytest.mark.parametrize("status", [200, 404])
def test_a_server_of_something_else_is_recognised(status: int) -> None:
    with pytest.raises(StorageError, match=rf"the reply \({status}\).*check the URL"):
        replies(httpx.Response(status, text="<html>It works!</html>")).call("GET", "/v1/studies")


def test_a_proxy_that_finds_no_service_is_asked_again() -> None:
    connection = replies(
        *[httpx.Response(status, text="<html>") for status in (502, 504, 503)], httpx.Response(200, json=[])
    )
    assert connection.call("GET", "/v1/studies") == []


def test_a_service_that_stays_away_is_said_before_the_call_gives_up(
    nobody: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("luthier.remote.connection.time.sleep", lambda _: None)
    monkeypatch.setattr("luthier.remote.connection._MAX_WAIT", 0.2)
    with pytest.raises(StorageError, match="does not answer"), caplog.at_level("WARNING", "luthier"):
        connect(nobody, TOKEN, "s", retry_seconds=0.5)
    assert len(caplog.records) == 1 and "trying for" in caplog.text
