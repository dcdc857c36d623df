"""SessionServer and SessionClient: how a trial in another process, or on another machine, talks to its study.

Every connection proves that it has the key (HMAC, by `multiprocessing.connection`) before a byte of it is unpickled.
"""

from __future__ import annotations

import os
import pickle
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from typing import Any

from ..errors import LuthierError
from ..space import Domain
from ..trial import Session
from ..types import Label
from .away import Exited, sendable
from .protocol import Outcome

_KEY_SECONDS = 10.0  # for a caller to prove that it has the key
_METHODS = frozenset({"suggest_new", "report", "should_prune", "set_trial_attrs"})


class SessionServer:
    """Answers the calls of trials elsewhere, a thread per connection. A context manager.

    Args:
        session: what is asked.
        host: address of this machine to listen at for other machines; None for a local socket.
        objective: by cloudpickle; handed to workers that ask for it.
    """

    def __init__(self, session: Session, host: str | None = None, objective: bytes = b"") -> None:
        self._session = session
        self._objective = objective
        self.key = secrets.token_bytes(32)
        # no authkey here: a caller that keeps silent would keep all others waiting
        self._listener = Listener(backlog=64) if host is None else Listener((host, 0), backlog=64)
        self.address = self._listener.address
        self._connections: dict[Connection, threading.Thread] = {}
        self._claimed: dict[str, float] = {}
        self._handed_in: dict[str, Outcome | Exited] = {}
        self._left: set[str] = set()
        self._held: set[str] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._accept, name="luthier-sessions", daemon=True)

    def __enter__(self) -> SessionServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        with suppress(OSError):
            Client(self.address).close()  # wakes the thread
        self._thread.join(timeout=1)
        self._listener.close()
        with self._lock:
            threads = list(self._connections.values())
            for connection in self._connections:
                _hang_up(connection)
        for thread in threads:
            thread.join(timeout=1)  # more only if it is in the midst of an answer, whose end no worker will read

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:  # the caller died while it called, or there are too many open files
                if self._closed.wait(0.01):
                    return
                continue
            thread = threading.Thread(target=self._serve, args=(connection,), name="luthier-line", daemon=True)
            with self._lock:
                if self._closed.is_set():
                    connection.close()
                    return
                self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            self._check_key(connection)
            while True:
                connection.send_bytes(self._heard(connection))
        except (EOFError, OSError, AuthenticationError):
            pass  # the worker ended, the run did, or the caller has not the key
        finally:
            with self._lock:
                del self._connections[connection]
                connection.close()

    def _check_key(self, connection: Connection) -> None:
        """Raise unless the caller proves in time that it has the key."""
        patience = threading.Timer(_KEY_SECONDS, self._hang_up_on, [connection])
        patience.name, patience.daemon = "luthier-line-key", True
        patience.start()
        try:
            deliver_challenge(connection, self.key)
            answer_challenge(connection, self.key)
        finally:
            patience.cancel()
            patience.join()

    def _hang_up_on(self, connection: Connection) -> None:
        with self._lock:  # so that it is not closed in between, and its number another's
            if connection in self._connections:
                _hang_up(connection)

    def _heard(self, connection: Connection) -> bytes:
        """The answer to the next call, or what was raised in place of it."""
        data = connection.recv_bytes()
        try:
            return pickle.dumps((True, self._answer(*pickle.loads(data))))
        except Exception as error:  # the worker raises it
            return pickle.dumps((False, sendable(error)))

    def claimed_at(self, attempt: str) -> float | None:
        """When an attempt started on a worker, by `time.monotonic`; None if it did not."""
        return self._claimed.get(attempt)

    def handed_in(self, attempt: str) -> Outcome | Exited | None:
        """Return what came of an attempt, once; None if nothing did."""
        return self._handed_in.pop(attempt, None)

    def hold(self, attempt: str) -> bool:
        """Keep an attempt from starting or ending by itself from now on; False if it has ended.

        Only one that is held may be killed: `ray.cancel` ends the process that calls it where a task completes at the
        same moment (a failed check in `TaskManager::CompletePendingTask`; Ray 2.60).
        """
        with self._lock:
            if attempt in self._left:
                return False
            self._held.add(attempt)
            return True

    def _leave(self, attempt: str) -> None:
        with self._lock:
            if attempt not in self._held:
                self._left.add(attempt)
                return
        self._closed.wait()

    def _answer(self, method: str, args: tuple[Any, ...]) -> Any:
        if method == "objective":
            return self._objective
        if method == "claim":
            return self._claim(*args)
        if method == "hand_in":
            return self._handed_in.update([args])
        if method == "leave":
            return self._leave(*args)
        if method not in _METHODS:
            raise AttributeError(f"a worker asked for {method!r}")
        return getattr(self._session, method)(*args)

    def _claim(self, attempt: str) -> bool:
        """True for the first who asks: a cluster that starts an attempt again by itself gets False."""
        with self._lock:
            if attempt in self._claimed:
                return False
            if attempt not in self._held:
                self._claimed[attempt] = time.monotonic()
                return True
        self._closed.wait()
        return False


def _hang_up(connection: Connection) -> None:
    """End a connection so that a thread that reads from it notices, as `close` does not."""
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


class SessionClient:
    """The session of trials in a worker: every call goes to the study's process. Not safe for threads.

    Raises:
        LuthierError: the study cannot be reached, or its key is another.
    """

    def __init__(self, address: Any, key: bytes) -> None:
        self._address = address
        try:
            self._connection = Client(address, authkey=key)
        except (OSError, EOFError, AuthenticationError) as error:
            raise LuthierError(
                f"a worker on {socket.gethostname()} cannot reach the study at {_name(address)}: {error!r}; has the "
                "run ended? does a firewall keep workers from the machine of the study?"
            ) from None

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _call(self, method: str, *args: Any) -> Any:
        try:
            self._connection.send((method, args))
            good, answer = self._connection.recv()
        except (OSError, EOFError) as error:
            raise LuthierError(
                f"the study at {_name(self._address)} no longer answers its workers: its run has ended ({error!r})"
            ) from None
        if not good:
            raise answer
        return answer

    def objective(self) -> bytes:
        """Return the objective of the run, by cloudpickle."""
        return self._call("objective")  # type: ignore[no-any-return]

    def claim(self, attempt: str) -> bool:
        """Return whether this is the first start of an attempt."""
        return self._call("claim", attempt)  # type: ignore[no-any-return]

    def hand_in(self, attempt: str, outcome: Outcome | Exited) -> None:
        """Say what came of an attempt."""
        self._call("hand_in", attempt, outcome)

    def leave(self, attempt: str) -> None:
        """Say that the attempt ends on this worker; return once it may."""
        self._call("leave", attempt)

    def suggest_new(self, number: int, token: str, name: str, domain: Domain) -> Label:
        """As `Session`."""
        return self._call("suggest_new", number, token, name, domain)  # type: ignore[no-any-return]

    def report(self, number: int, token: str, step: int, value: float) -> None:
        """As `Session`."""
        self._call("report", number, token, step, value)

    def should_prune(self, number: int, token: str) -> bool:
        """As `Session`."""
        return self._call("should_prune", number, token)  # type: ignore[no-any-return]

    def set_trial_attrs(self, number: int, token: str, attrs: Mapping[str, Any]) -> None:
        """As `Session`."""
        self._call("set_trial_attrs", number, token, attrs)


def _name(address: Any) -> str:
    return ":".join(map(str, address)) if isinstance(address, tuple) else str(address)
