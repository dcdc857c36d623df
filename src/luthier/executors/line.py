"""Switchboard and Line: how a trial in another process, or on another machine, talks to its study.

Every connection proves that it has the key (HMAC, by `multiprocessing.connection`) before a byte of it is unpickled.
"""

from __future__ import annotations

import pickle
import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from typing import Any

from ..live import Session
from ..space import Domain
from ..trial import Label
from .protocol import Outcome

_METHODS = frozenset({"suggest_new", "report", "should_prune", "set_trial_attrs"})


class Switchboard:
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
        self._connections: set[Connection] = set()
        self._claimed: set[str] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Switchboard:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        with suppress(OSError):
            Client(self.address).close()  # wakes the thread
        self._thread.join(timeout=1)
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:
                if self._closed:
                    return
                continue  # the caller died while it called
            if self._closed:
                connection.close()
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        with self._lock:
            self._connections.add(connection)
        try:
            deliver_challenge(connection, self.key)
            answer_challenge(connection, self.key)
            while True:
                method, args = connection.recv()
                try:
                    answer = (True, self._answer(method, args))
                except Exception as error:
                    answer = (False, error)
                connection.send(answer)
        except (EOFError, OSError, AuthenticationError):
            pass  # the worker ended, the run did, or the caller has not the key
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _answer(self, method: str, args: tuple[Any, ...]) -> Any:
        if method == "objective":
            return self._objective
        if method == "claim":
            return self._claim(*args)
        if method not in _METHODS:
            raise AttributeError(f"a worker asked for {method!r}")
        return getattr(self._session, method)(*args)

    def _claim(self, attempt: str) -> bool:
        """True for the first who asks: a cluster that starts an attempt again by itself gets False."""
        with self._lock:
            first = attempt not in self._claimed
            self._claimed.add(attempt)
            return first


class Line:
    """The session of trials in a worker: every call goes to the study's process. Not safe for threads."""

    def __init__(self, address: Any, key: bytes) -> None:
        self._connection = Client(address, authkey=key)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _call(self, method: str, *args: Any) -> Any:
        self._connection.send((method, args))
        good, answer = self._connection.recv()
        if not good:
            raise answer
        return answer

    def objective(self) -> bytes:
        """The objective of the run, by cloudpickle."""
        return self._call("objective")  # type: ignore[no-any-return]

    def claim(self, attempt: str) -> bool:
        """Whether this is the first start of an attempt."""
        return self._call("claim", attempt)  # type: ignore[no-any-return]

    def suggest_new(self, number: int, name: str, domain: Domain) -> Label:
        """As `Session`."""
        return self._call("suggest_new", number, name, domain)  # type: ignore[no-any-return]

    def report(self, number: int, step: int, value: float) -> None:
        """As `Session`."""
        self._call("report", number, step, value)

    def should_prune(self, number: int) -> bool:
        """As `Session`."""
        return self._call("should_prune", number)  # type: ignore[no-any-return]

    def set_trial_attrs(self, number: int, attrs: Mapping[str, Any]) -> None:
        """As `Session`."""
        self._call("set_trial_attrs", number, attrs)


def sendable(outcome: Outcome) -> Outcome:
    """The outcome with an exception that survives pickling."""
    if outcome.exception is not None:
        try:
            pickle.loads(pickle.dumps(outcome.exception))
        except Exception:
            return replace(outcome, exception=RuntimeError(f"the objective raised {outcome.exception!r}"))
    return outcome
