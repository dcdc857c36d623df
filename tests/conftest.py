"""What all tests share."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]

TOKEN = "a-token-for-tests-only"  # of the services that tests start


def _lacks(reason: str) -> NoReturn:
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def the_log_is_as_it_was() -> Iterator[None]:
    """`lt.set_verbosity` holds for the whole process."""
    logger = logging.getLogger("luthier")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(scope="session")
def lacks() -> Callable[[str], NoReturn]:
    """End a test that needs what this machine has not: a skip on anybody's, a failure on CI, where all is there."""
    return _lacks


@pytest.fixture(scope="module")
def browser(lacks: Callable[[str], NoReturn]) -> Iterator[object]:
    """A real browser, for pages that must work without a server and a network.

    It keeps an event loop running in this thread, beside which others cannot run theirs: so it ends with its module.
    """
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        lacks(f"no browser on this machine: install one of {', '.join(BROWSERS)}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@dataclass
class Server:
    process: subprocess.Popen[str]
    url: str

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts `luthier serve` in a child process; all are killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(storage: Path, port: int = 0) -> Server:
        command = [sys.executable, "-m", "luthier", "serve", str(storage), "--port", str(port), "--token", TOKEN]
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        started.append(process)
        assert process.stderr is not None
        lines = []
        for line in process.stderr:  # ends when the server does
            lines.append(line)
            if found := re.search(r"running on (http://\S+)", line):
                return Server(process, found[1])
        raise AssertionError(f"the server ended: {''.join(lines)}")

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
