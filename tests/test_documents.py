"""The Python in README.md and docs/ runs: the blocks of a page in order, in one folder and one namespace.

What a page leaves out for its reader stands in it as a comment, which no reader sees, and runs in its place:

    <!-- python
    def train_one_epoch(lr): ...
    -->

A fence that says ```` ```python needs="service" ```` is run with a service, in tests/service/test_docs.py; one that
says `needs="cluster"`, of addresses that exist on no test machine, is only read.
"""

import ast
import runpy
import sys
from pathlib import Path

import pytest
from pages import blocks

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]


def with_python(needs):
    """Return the pages that have such blocks, as parameters with a name."""
    return [
        pytest.param(page, id=page.relative_to(ROOT).as_posix())
        for page in PAGES
        if any(need in needs for need, _ in blocks(page))
    ]


@pytest.mark.parametrize("page", with_python({None}))
def test_a_page_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for need, code in blocks(page):
        if need is None:
            exec(compile(code, page, "exec"), namespace)


@pytest.mark.parametrize("page", with_python({"service", "cluster"}))
def test_what_a_page_only_shows_is_python(page):
    for need, code in blocks(page):
        if need is not None:
            ast.parse(code, str(page))


# (file, what makes it quick enough for a test)
EXAMPLES = [
    ("first_study.py", {"total_trials=20": "total_trials=3"}),
    ("tune_images.py", {"epochs=15": "epochs=1", "trials=20, top=3": "trials=2, top=1, seeds=1"}),
]


@pytest.mark.parametrize(("name", "shorter"), EXAMPLES)
def test_an_example_runs(name, shorter, tmp_path, monkeypatch, capsys):
    code = (ROOT / "examples" / name).read_text(encoding="utf-8")
    for long, short in shorter.items():
        assert code.count(long) == 1, long
        code = code.replace(long, short)
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(code, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    runpy.run_path(name, run_name="__main__")
    assert capsys.readouterr().out


def test_every_example_is_run():
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == {name for name, _ in EXAMPLES}
