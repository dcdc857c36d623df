"""make says what is wrong with a Python before anything is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def make(python, folder, *more):
    """Run make with an environment in a folder that is not there yet."""
    if shutil.which("make") is None:
        pytest.fail("make is needed: install it")
    command = [
        "make",
        "--no-print-directory",
        "-f",
        str(ROOT / "Makefile"),
        f"PYTHON={python}",
        f"VENV={folder}",
        *more,
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "MAKEFLAGS": ""})


def python(tmp_path, body):
    """Return a program that stands for a Python."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


OLD = 'case "$1" in --version) echo "Python 3.9.2";; *) exit 1;; esac'
BARE = 'case "$2" in *ensurepip*) exit 1;; esac'  # Debian's, without python3-venv
BROKEN = 'if [ "$2" = venv ]; then mkdir -p "$3/bin"; touch "$3/bin/python"; chmod +x "$3/bin/python"; exit 1; fi'


@pytest.mark.parametrize("target", ["env-demo", "env"])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (OLD, "needs Python >= 3.11; {python} is Python 3.9.2. Name a newer one: make PYTHON="),
        (BARE, "{python} cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"),
    ],
)
def test_a_python_that_cannot_serve(target, body, message, tmp_path):
    path = python(tmp_path, body)
    done = make(path, tmp_path / "venv", target)
    assert done.returncode != 0
    assert message.format(python=path) in done.stdout
    assert not (tmp_path / "venv").exists()


def test_no_python_at_all(tmp_path):
    done = make("python-that-is-not-here", tmp_path / "venv", "env-demo")
    assert done.returncode != 0
    assert "There is no python-that-is-not-here here. Luthier needs Python >= 3.11" in done.stdout


def test_a_half_made_environment_is_made_again(tmp_path):
    path = python(tmp_path, BROKEN)
    for _ in range(2):
        done = make(path, tmp_path / "venv", "env-demo")
        assert done.returncode != 0
        assert f"{path} -m venv" in done.stdout  # not taken for a whole one
        assert "Installing" not in done.stdout


def test_the_demo_installs_only_what_it_needs(tmp_path):
    path = python(tmp_path, "exit 0")
    demo, both = (
        make(path, tmp_path / "venv", "--dry-run", *targets).stdout for targets in (["demo"], ["demo", "test"])
    )
    assert "-e '.[train,report]'" in demo and "[dev]" not in demo
    assert "-e '.[train,report]'" in both and "-e '.[dev]'" in both
