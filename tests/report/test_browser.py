"""A written report in a real browser, offline."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def report(browser, study, everything, tmp_path_factory):
    """The page, with what it logged and what it asked for."""
    from luthier.report import write_report

    path = write_report(tmp_path_factory.mktemp("browser") / "report.html", study, **everything)
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    logged: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: logged.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: logged.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector(".picture svg.main-svg", state="attached")
    return page, logged, asked, path


def until(page, condition: str) -> None:
    """Wait for a condition; playwright's own way evaluates text inside the page, which the report's policy forbids."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never came true: {condition}")


def column(page, index: int) -> list[str]:
    return page.eval_on_selector_all(
        "table.sortable tbody tr", f"rows => rows.map(row => row.cells[{index}].textContent)"
    )


def test_it_opens_without_errors_and_without_the_network(report):
    _, logged, asked, path = report
    assert logged == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [path.as_uri()]


def test_every_picture_is_drawn_and_fits(report):
    page = report[0]
    count = page.locator(".picture").count()
    assert count >= 10
    assert page.locator(".picture:has(svg.main-svg)").count() == count
    for selector in (".scatterlayer path", ".barlayer path", ".contourlayer path", ".parcoords"):
        assert (page.locator(selector).count() > 0) == (selector != ".parcoords")
    for width in (600, 1200):
        page.set_viewport_size({"width": width, "height": 900})
        until(
            page,
            "[...document.querySelectorAll('.picture')].every("
            "p => Math.abs(p.querySelector('.main-svg').getBoundingClientRect().width - p.clientWidth) < 2)",
        )
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_table_sorts_by_number_with_the_missing_last(report):
    page = report[0]
    headings = page.locator("table.sortable th button").all_text_contents()
    assert column(page, 0) == [str(i) for i in range(40)]
    lr = headings.index("lr")
    button = page.locator("table.sortable th button").nth(lr)
    button.click()
    values = [float(x) for x in column(page, lr)]
    assert values == sorted(values)
    assert page.locator("table.sortable th").nth(lr).get_attribute("aria-sort") == "ascending"
    button.click()
    assert [float(x) for x in column(page, lr)] == sorted(values, reverse=True)
    momentum = headings.index("momentum")
    for _ in range(2):
        page.locator("table.sortable th button").nth(momentum).click()
        shown = column(page, momentum)
        known = [x for x in shown if x != "–"]
        assert 0 < len(known) < len(shown) and all(x == "–" for x in shown[len(known) :])
    page.locator("table.sortable th button").nth(headings.index("state")).click()
    states = column(page, headings.index("state"))
    assert states == sorted(states)


def test_dark_and_print_keep_the_pictures(report):
    page, logged = report[:2]
    colour = "getComputedStyle(document.querySelector('.picture .xtick text')).fill"
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    until(page, f"{colour} !== '{light}'")
    page.emulate_media(color_scheme="light", media="print")
    until(page, f"{colour} === '{light}'")
    assert len(page.pdf(format="A4")) > 50_000
    assert logged == []
