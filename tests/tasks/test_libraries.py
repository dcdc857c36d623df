"""A missing library is named together with how to get it."""

from __future__ import annotations

import importlib
import importlib.util

import pytest

from luthier.errors import MissingDependency
from luthier.tasks import _libraries


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "PIL" else there(name))
    with pytest.raises(MissingDependency, match=r"Pillow: pip install .*\[train\]"):
        importlib.reload(_libraries)
    monkeypatch.undo()
    importlib.reload(_libraries)
