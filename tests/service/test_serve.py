from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from luthier.cli.app import app
from luthier.errors import LuthierError


@pytest.mark.parametrize(
    "options",
    [
        ["--no-token", "--host", "0.0.0.0"],
        ["--no-token", "--token", "long-enough-for-a-token"],
        ["--token", "short"],
        ["--token", "long enough but with spaces"],
    ],
)
def test_what_is_unsafe_is_wrong_usage(tmp_path: Path, options: list[str]) -> None:
    result = CliRunner().invoke(app, ["serve", str(tmp_path / "s.db"), *options], env={"LUTHIER_TOKEN": ""})
    assert result.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_a_token_is_made_up_and_printed_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "luthier", "serve", str(tmp_path / "s.db"), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            assert first.startswith("token: ") and len(first.split()[1]) >= 43
            url = next(line for line in process.stderr if "running on" in line).split("running on ")[1].split()[0]
            assert url.startswith("http://127.0.0.1:")
            token = {"Authorization": f"Bearer {first.split()[1]}"}
            with httpx.Client(trust_env=False) as http:
                assert http.get(f"{url}/v1/studies").status_code == 401
                assert http.get(f"{url}/v1/studies", headers=token).json() == []
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
            assert first.split()[1] not in rest and "Traceback" not in rest
            assert process.wait() == 130
        finally:
            process.kill()


def test_the_storage_is_whole_after_an_orderly_end(serve: Callable[..., Any], tmp_path: Path) -> None:
    server = serve(tmp_path / "s.journal")
    server.process.terminate()
    server.process.wait()
    assert serve(tmp_path / "s.journal").url


def test_a_port_that_is_taken_is_said_before_there_is_a_token(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["serve", str(tmp_path / "s.db"), "--port", port], env={"LUTHIER_TOKEN": ""})
    assert isinstance(result.exception, LuthierError) and "token" not in result.output
    assert str(result.exception) == (
        f"cannot listen on 127.0.0.1 port {port}: Address already in use; choose another --port or --host"
    )
    result = CliRunner().invoke(app, ["serve", str(tmp_path / "s.db"), "--host", "203.0.113.7"])
    assert isinstance(result.exception, LuthierError) and "203.0.113.7 port 8000" in str(result.exception)
    result = CliRunner().invoke(app, ["serve", str(tmp_path / "no" / "s.db")])
    assert isinstance(result.exception, LuthierError) and "token" not in result.output
