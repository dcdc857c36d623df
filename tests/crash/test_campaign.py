"""The campaign in its short form, and the ends of each commit one by one; `make crash` runs it for minutes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from targets import TARGETS

HERE = Path(__file__).parent
SECONDS = 4.0


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", *command], capture_output=True, text=True)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_short_campaign_breaks_no_promise(name: str) -> None:
    done = run(str(HERE / "campaign.py"), "--minutes", str(SECONDS / 60), "--stores", name, "--json")
    figures = json.loads(done.stdout) if done.stdout else {"violations": [done.stderr]}
    assert figures["violations"] == []
    assert done.returncode == 0, done.stderr
    assert figures["kills"] > 0
    assert figures["acknowledged"] > 0


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_call_that_dies_at_its_commit_can_be_made_again(name: str, tmp_path: Path) -> None:
    with TARGETS[name].place(tmp_path) as place:
        done = run(str(HERE / "boundaries.py"), name, place.url)
        assert done.returncode == 0, done.stderr
