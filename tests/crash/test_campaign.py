"""The campaign in its short form; `make crash` runs it for minutes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from servers import missing
from targets import TARGETS

CAMPAIGN = Path(__file__).with_name("campaign.py")
SECONDS = 4.0


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_short_campaign_breaks_no_promise(name: str, lacks: Callable[[str], NoReturn]) -> None:
    if absent := missing(name):
        lacks(f"{name} is not installed: no {', '.join(absent)}")
    command = [sys.executable, "-W", "error", str(CAMPAIGN), "--minutes", str(SECONDS / 60), "--stores", name, "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=400
    )  # seconds; a sign of a hang, not a measure
    figures = json.loads(done.stdout) if done.stdout else {"violations": [done.stderr]}
    assert figures["violations"] == []
    assert done.returncode == 0, done.stderr
    assert figures["kills"] > 0
    assert figures["acknowledged"] > 0
