"""What all tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]


def _lacks(reason: str) -> NoReturn:
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def lacks() -> Callable[[str], NoReturn]:
    """End a test that needs what this machine has not: a skip on anybody's, a failure on CI, where all is there."""
    return _lacks


@pytest.fixture(scope="session")
def browser(lacks: Callable[[str], NoReturn]) -> Iterator[object]:
    """A real browser, for pages that must work without a server and a network."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        lacks(f"no browser on this machine: install one of {', '.join(BROWSERS)}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()
