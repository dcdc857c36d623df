"""Write the pages of the site into a folder, from what lies in the repository; `make docs` then builds it.

Guides and documents refer to files of the repository by relative paths, which work there. On the site, a document or
a source file that a page links becomes a page of its own, and the link follows it. The API reference has a page for
each module that users import from; its text comes from the docstrings.
"""

from __future__ import annotations

import inspect
import posixpath
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from public import public

from examples import fenced

ROOT = Path(__file__).parents[2]
# documents that are pages of the site under another name
DOCUMENTS = {
    "README.md": "index.md",
    "docs/index.md": "guides.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "bench/RESULTS.md": "results.md",
}
LINK = re.compile(r"\[([^\]]*)\]\(([^)#:\s]+)(#[^)]*)?\)")
HIDDEN = re.compile(r"^<!-- python\n.*?^-->\n", re.MULTILINE | re.DOTALL)  # what tests run and readers do not see
NEEDS = re.compile(r'^```python needs="\w+"$', re.MULTILINE)


def pages() -> dict[str, str]:
    """Return all pages by their path in the site."""
    documents = {f"docs/{path.name}": path.name for path in (ROOT / "docs").glob("*.md")} | DOCUMENTS
    made: dict[str, str] = {}
    linked: set[str] = set()
    for path, page in documents.items():
        made[page], sources = adapt(path, (ROOT / path).read_text(encoding="utf-8"), documents)
        linked |= sources
    for path in sorted(linked):
        made[f"source/{path}.md"] = f"# {path}\n\n```python\n{(ROOT / path).read_text(encoding='utf-8')}```\n"
    return made | reference()


def adapt(path: str, text: str, documents: dict[str, str]) -> tuple[str, set[str]]:
    """Return a document as the site shows it, and the source files that it links.

    Raises:
        FileNotFoundError: it links what is not in the repository.
    """
    linked: set[str] = set()

    def follow(found: re.Match[str]) -> str:
        words, target, anchor = found.groups()
        there = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if not (ROOT / there).exists():
            raise FileNotFoundError(f"{path} links {target}, which is not in the repository")
        if there in documents:
            page = documents[there]
        elif there.startswith("docs/images/"):
            page = there.removeprefix("docs/")
        elif there.endswith(".py"):
            linked.add(there)
            page = f"source/{there}.md"
        else:
            return str(words)
        return f"[{words}]({page}{anchor or ''})"

    return NEEDS.sub("```python", LINK.sub(follow, HIDDEN.sub("", text))), linked


def reference() -> dict[str, str]:
    """Return a page for each module that users import from."""
    modules: dict[str, list[tuple[str, Any]]] = {}
    for name, thing in public().items():
        module, _, short = name.rpartition(".")
        modules.setdefault(module, []).append((short, thing))
    first: dict[Any, str] = {}  # the name under which a thing is described
    made = {}

    def page(name: str) -> str:
        return f"{name.rpartition('.')[0]}.md"

    for module, things in modules.items():
        text = [f"# {module}\n\n{fenced(inspect.getdoc(sys.modules[module]) or '')}\n"]
        known = [(short, f"{thing.__module__}.{thing.__qualname__}", first.get(thing)) for short, thing in things]
        text += [f"- `{short}`: see [{name}]({page(name)}#{path})" for short, path, name in known if name]
        for short, thing in sorted(things, key=lambda pair: pair[0].lower()):
            path = f"{thing.__module__}.{thing.__qualname__}"
            if first.setdefault(thing, f"{module}.{short}") != f"{module}.{short}":
                continue
            text.append(f'\n::: {path}\n    options:\n      heading: "{short}"\n      toc_label: "{short}"\n')
            if module.startswith("luthier.testing"):
                text[-1] += "      members: false\n"  # a contract's members are its tests
        made[f"api/{module}.md"] = "\n".join(text)
    return made


def main(folder: Path) -> None:
    """Write the pages, pictures and styles into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for page, text in pages().items():
        (folder / page).parent.mkdir(parents=True, exist_ok=True)
        (folder / page).write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "docs" / "images", folder / "images")
    for name in ("extra.css", "iframe-worker.js"):
        shutil.copy(ROOT / "docs" / "site" / name, folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
