"""What to install is said so that it works where Luthier came from."""

import json
import re
import shlex
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from luthier import errors
from luthier.errors import LuthierError, MissingDependency, missing

ROOT = Path(__file__).parents[1]


class Installed:
    """Stands for what pip noted of an installation."""

    def __init__(self, origin):
        self.origin = origin

    def read_text(self, name):
        assert name == "direct_url.json"
        return None if self.origin is None else json.dumps(self.origin)


def test_in_a_clone_it_is_the_clone():
    error = missing("pictures need plotly", "report")
    assert isinstance(error, MissingDependency) and isinstance(error, LuthierError) and isinstance(error, ImportError)
    need, _, command = str(error).partition(": ")
    assert need == "pictures need plotly"
    assert shlex.split(command) == ["pip", "install", "-e", f"{ROOT}[report]"]


@pytest.mark.parametrize(
    ("origin", "what"),
    [
        (None, "luthier[report]"),  # from the index
        ({"url": "file:///home/me/my%20luthier", "dir_info": {}}, "/home/me/my luthier[report]"),
        ({"url": "file:///tmp/l-1.whl", "archive_info": {}}, "luthier[report] @ file:///tmp/l-1.whl"),
        ({"url": "https://host/l.zip", "archive_info": {"hash": "sha256=1"}}, "luthier[report] @ https://host/l.zip"),
        (
            {"url": "https://host/l", "vcs_info": {"vcs": "git", "commit_id": "abc", "requested_revision": "main"}},
            "luthier[report] @ git+https://host/l@abc",
        ),
    ],
)
def test_elsewhere_it_is_where_pip_took_it_from(origin, what, tmp_path, monkeypatch):
    monkeypatch.setattr(errors, "_CLONE", tmp_path)
    monkeypatch.setattr(metadata, "distribution", lambda name: Installed(origin))
    command = str(missing("x", "report")).removeprefix("x: ")
    assert shlex.split(command) == ["pip", "install", what]


def test_copied_without_pip(tmp_path, monkeypatch):
    def none(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(errors, "_CLONE", tmp_path)
    monkeypatch.setattr(metadata, "distribution", none)
    assert str(missing("x", "train")) == 'x: pip install "luthier[train]"'


def test_only_one_place_says_how_to_install():
    found = {
        path.name
        for path in (ROOT / "src").rglob("*.py")
        if re.search(r"pip install.*luthier", path.read_text(encoding="utf-8"))
    }
    assert found == {"errors.py"}


def test_every_extra_that_is_named_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = set()
    for path in (ROOT / "src").rglob("*.py"):
        named |= set(re.findall(r'\b_?missing\(f?"[^\n]*", "(\w+)"\)', path.read_text(encoding="utf-8")))
    assert {"train", "report", "serve", "ray", "dask", "optuna"} <= named <= set(extras)
