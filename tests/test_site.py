"""`make docs`: the site is built without a warning, describes whatever is public, and works offline."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
public = runpy.run_path(str(ROOT / "docs" / "site" / "public.py"))["public"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for path in ("src", "docs/site/examples.py"):
        assert config.count(f"[{path}]") == 1
        config = config.replace(f"[{path}]", f"[{ROOT / path}]")
    (folder / "mkdocs.yml").write_text(config, encoding="utf-8")
    for command in (
        [sys.executable, str(ROOT / "docs" / "site" / "make.py"), "build/docs"],
        [sys.executable, "-m", "zensical", "build", "--strict"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_whatever_is_public_is_described_once(site):
    ids = [
        found
        for path in (site / "api").glob("*.html")
        for found in re.findall(r'<h2 id="([\w.]+)"', path.read_text(encoding="utf-8"))
    ]
    things = {f"{thing.__module__}.{thing.__qualname__}" for thing in public().values()}
    assert things <= set(ids)
    assert len(ids) == len(set(ids))


def test_examples_are_shown_as_code(site):
    for path in (site / "api").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert text.count("&gt;&gt;&gt; ") == text.count('<span class="gp">&gt;&gt;&gt; </span>') > 0, path


def test_every_page_of_the_reference_is_in_the_navigation(site):
    start = (site / "index.html").read_text(encoding="utf-8")
    pages = {f"api/{path.name}" for path in (site / "api").glob("*.html")}
    assert pages and pages == set(re.findall(r'href="\./(api/[\w.]+\.html)"', start))


def test_nothing_is_loaded_from_elsewhere(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"<(?:script|img|iframe)[^>]*\bsrc=[\"']?(?:https?:)?//|<link[^>]*href=[\"']?(?:https?:)?//", text
        ), path


def test_what_tests_run_unseen_is_not_shown(site):
    shown = (site / "index.html").read_text(encoding="utf-8")
    assert "train_and_validate" in shown and "def train_and_validate" not in re.sub("<[^>]*>", "", shown)


def test_search_finds_a_class_in_a_page_that_was_opened_from_its_file(site, browser):
    page = browser.new_page()
    errors, asked = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "api" / "luthier.html").as_uri())
    page.locator("button:has-text('Search')").click()
    page.get_by_role("combobox", name="Search").press_sequentially("ThresholdPruner")
    page.wait_for_selector("a[href*='luthier.schedulers.html']:has-text('ThresholdPruner')")
    assert not errors
    assert all(url.startswith(("file:", "data:", "blob:", "about:")) for url in asked), asked
    page.close()
