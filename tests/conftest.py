"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

import pytest


def _lacks(reason: str) -> NoReturn:
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def lacks() -> Callable[[str], NoReturn]:
    """End a test that needs what this machine has not: a skip on anybody's, a failure on CI, where all is there."""
    return _lacks
