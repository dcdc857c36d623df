"""The examples in docstrings run, and everything public has one."""

import ast
import doctest
import runpy
from pathlib import Path

import pytest

import luthier

SOURCE = Path(luthier.__file__).parent
SERVICE = "http://127.0.0.1:8000"
TOKEN = "a-token-for-tests-only"  # tests/conftest.py starts services with it
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

public = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "site" / "public.py"))["public"]


def docstrings(path):
    """Yield (qualified name, line, docstring) for whatever in a file has one."""
    module = ".".join(["luthier", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__")

    def walk(node, name):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield name, node.body[0].lineno, text
            for child in node.body:
                if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    yield from walk(child, f"{name}.{child.name}")

    return walk(ast.parse(path.read_text(encoding="utf-8")), module)


EXAMPLES = [
    pytest.param(name, path, line, text, id=name)
    for path in sorted(SOURCE.rglob("*.py"))
    for name, line, text in docstrings(path)
    if ">>>" in text
]


@pytest.mark.parametrize(("name", "path", "line", "text"), EXAMPLES)
def test_the_example_runs(name, path, line, text, tmp_path, monkeypatch, request):
    """Each in a folder of its own, with nothing but what it imports: so it can be copied.

    Where one names the address of a service, that of a service which was started for it takes its place.
    """
    monkeypatch.chdir(tmp_path)
    if SERVICE in text:
        monkeypatch.setenv("LUTHIER_TOKEN", TOKEN)
        text = text.replace(SERVICE, request.getfixturevalue("serve")(tmp_path / "studies.db").url)
    report = []
    example = doctest.DocTestParser().get_doctest(text, {"__name__": "__main__"}, name, str(path), line - 1)
    result = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=report.append, clear_globs=False)
    assert result.failed == 0, f"{path}:{line}\n" + "".join(report)
    assert result.attempted > 0
    assert not any(doctest.OPTIONFLAGS_BY_NAME["SKIP"] in e.options for e in example.examples), (
        "an example that is skipped"
    )


def test_whatever_is_public_has_an_example():
    lacking = {name for name, thing in public().items() if ">>>" not in (thing.__doc__ or "")}
    assert not lacking, sorted(lacking)
