"""What lies inside the engine is used by the engine alone."""

import ast
from pathlib import Path

import luthier

SOURCE = Path(luthier.__file__).parent
OPEN = {"engine", "backend", "run", "recovery", "streams", "heartbeat", "owner", "progress"}  # modules for others


def outside():
    for path in SOURCE.rglob("*.py"):
        if not path.is_relative_to(SOURCE / "engine"):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_other_folders_import_only_what_the_engine_has_for_them():
    found = [
        f"{path.relative_to(SOURCE)}: {node.module}"
        for path, tree in outside()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and "engine" in (parts := (node.module or "").split("."))[:2]
        and not set(parts[parts.index("engine") + 1 :] or [x.name for x in node.names]) <= OPEN
    ]
    assert not found, found


def test_nothing_outside_reaches_into_an_engine():
    """Its lock, its trials, or anything else that begins with an underscore."""
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}: {ast.unparse(node)}"
        for path, tree in outside()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value).split(".")[-1] in ("engine", "_engine", "_backend")
        and (node.attr.startswith("_") or node.attr in ("lock", "held", "running", "mirror", "local"))
        and not path.is_relative_to(SOURCE / "stores")  # where an engine is SQLAlchemy's
    ]
    assert not found, found
