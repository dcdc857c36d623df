"""The line between a study and its workers, and who may not use it."""

import pickle
import socket
import threading
from contextlib import suppress
from multiprocessing.connection import Client

import pytest

import luthier as lt
from luthier.errors import LuthierError
from luthier.executors import line
from luthier.executors.line import SessionClient, SessionServer


class Session:
    """Answers like a study; what it is told is kept."""

    def __init__(self):
        self.told = []

    def report(self, number, token, step, value):
        if value < 0:
            error = lt.errors.LeaseLost("gone")
            error.lock = threading.Lock()  # cannot be sent
            raise error
        self.told.append((number, step, value))

    def should_prune(self, number, token):
        return threading.Lock()  # cannot be sent

    def secret(self):
        raise AssertionError("a worker may not call this")


def threads():
    """Those of a server; a study of another test may still have its heartbeat."""
    return [t.name for t in threading.enumerate() if t.name.startswith(("luthier-line", "luthier-sessions"))]


@pytest.fixture(params=[None, "127.0.0.1"], ids=["local", "tcp"])
def server(request):
    with SessionServer(Session(), request.param, b"the objective") as server:
        yield server
    assert threads() == []


@pytest.fixture
def tcp():
    with SessionServer(Session(), "127.0.0.1") as server:
        yield server
    assert threads() == []


def works(server):
    """Whether a worker with the key is heard."""
    caller = SessionClient(server.address, server.key)
    before = len(server._session.told)
    caller.report(1, "token", 0, 0.5)
    caller.close()
    return len(server._session.told) == before + 1


def hung_up(connection):
    """Wait until the other side has closed."""
    with connection, suppress(ConnectionResetError):
        connection.settimeout(60)
        while connection.recv(1024):
            pass
    return True


def test_a_worker_asks_and_tells(server):
    caller = SessionClient(server.address, server.key)
    assert caller.objective() == b"the objective"
    caller.report(3, "token", 1, 0.5)
    assert server._session.told == [(3, 1, 0.5)]
    assert [caller.claim("a"), caller.claim("b"), caller.claim("a")] == [True, True, False]
    assert server.claimed_at("a") <= server.claimed_at("b") and server.claimed_at("c") is None
    caller.close()


def test_an_attempt_that_left_cannot_be_held(server):
    caller = SessionClient(server.address, server.key)
    assert caller.claim("a")
    caller.leave("a")
    assert not server.hold("a") and server.hold("b")
    caller.close()


@pytest.mark.parametrize("step", ["claim", "leave"])
def test_an_attempt_that_is_held_neither_starts_nor_ends_before_the_run_does(step):
    answers = []
    with SessionServer(Session()) as server:
        caller, other = SessionClient(server.address, server.key), SessionClient(server.address, server.key)
        assert other.claim("b")  # another attempt goes on
        if step == "leave":
            assert caller.claim("a")
        assert server.hold("a") and server.hold("a")

        def call():
            with suppress(LuthierError):  # the line may be cut before the answer
                answers.append(getattr(caller, step)("a"))

        worker = threading.Thread(target=call)
        worker.start()
        other.leave("b")
        worker.join(timeout=0.2)
        assert worker.is_alive() and answers == []
        if step == "leave":
            assert not other.claim("a")  # a second start by the cluster is turned away all the same
        other.close()
    worker.join()
    assert answers in ([], [None], [False])
    caller.close()


def test_what_a_study_raises_arrives_and_the_line_stays(server):
    caller = SessionClient(server.address, server.key)
    with pytest.raises(lt.errors.LeaseLost, match="gone"):
        caller.report(1, "token", 0, -1.0)
    with pytest.raises(AttributeError, match="secret"):
        caller._call("secret")
    with pytest.raises(Exception, match="pickle"):
        caller.should_prune(1, "token")
    caller.report(1, "token", 0, 1.0)
    caller.close()


def test_bytes_that_no_object_comes_of_are_answered(server):
    caller = SessionClient(server.address, server.key)
    caller._connection.send_bytes(b"no pickle")
    good, error = caller._connection.recv()
    assert not good and isinstance(error, pickle.UnpicklingError)
    caller.report(1, "token", 0, 1.0)
    caller.close()


def test_a_wrong_key_is_turned_away_on_both_sides(server):
    with pytest.raises(LuthierError, match=r"cannot reach the study at .*digest"):
        SessionClient(server.address, b"x" * 32)
    assert works(server)


def test_nobody_is_heard_before_the_key(server, monkeypatch):
    monkeypatch.setattr(SessionServer, "_heard", lambda *_: pytest.fail("heard"))
    stranger = Client(server.address)
    assert stranger.recv_bytes().startswith(b"#CHALLENGE#")
    for _ in range(3):
        try:
            stranger.send(("claim", ("a",)))
        except OSError:
            break
    with pytest.raises((EOFError, OSError)):
        while True:
            stranger.recv_bytes()
    stranger.close()
    assert server.claimed_at("a") is None


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\x00" * 64, b"\x00\x00\x00\x05hello", b""],
    ids=["http", "ones", "zeros", "short", "nothing"],
)
def test_garbage_is_hung_up_on(tcp, garbage):
    stranger = socket.create_connection(tcp.address)
    stranger.sendall(garbage)
    with suppress(OSError):  # it may have been hung up on already
        stranger.shutdown(socket.SHUT_WR)
    assert hung_up(stranger)
    assert works(tcp)


@pytest.mark.parametrize("said", [b"", b"\x00\x00"])
def test_who_keeps_silent_is_hung_up_on_and_keeps_nobody_waiting(monkeypatch, said):
    monkeypatch.setattr(line, "_KEY_SECONDS", 0.2)
    with SessionServer(Session(), "127.0.0.1") as server:
        silent = [socket.create_connection(server.address) for _ in range(8)]
        for connection in silent:
            connection.sendall(said)
        assert works(server)
        assert all(map(hung_up, silent))
        assert works(server)


def test_a_silent_caller_does_not_outlive_the_run():
    with SessionServer(Session(), "127.0.0.1") as server:
        silent = socket.create_connection(server.address)
        assert silent.recv(1024)  # it is being served
    assert threads() == []
    assert hung_up(silent)


def test_after_the_run_workers_hear_that_it_ended(server):
    caller = SessionClient(server.address, server.key)
    server.__exit__()
    with pytest.raises(LuthierError, match="its run has ended"):
        caller.report(1, "token", 0, 1.0)
    caller.close()
    with pytest.raises(LuthierError, match="cannot reach the study at .* has the run ended"):
        SessionClient(server.address, server.key)
    server._thread = threading.Thread()  # the fixture ends it once more
    server._thread.start()


def test_too_many_open_files_do_not_end_the_server(tcp, monkeypatch):
    accept, failures = tcp._listener.accept, [OSError(24, "Too many open files")] * 3

    def fail_first():
        if failures:
            raise failures.pop()
        return accept()

    monkeypatch.setattr(tcp._listener, "accept", fail_first)
    assert works(tcp)  # the accept that waits already
    assert works(tcp) and not failures
