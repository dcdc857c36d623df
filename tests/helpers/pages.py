"""The Python of a page of the documents."""

import re

BLOCK = re.compile(r"^(?:```(?P<fence>py[^\n]*)|<!-- python)\n(?P<code>.*?)^(?:```|-->)$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """Yield (what it needs, its code at the lines of the page)."""
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        fence = found["fence"] or "python"
        marked = re.fullmatch(r'python(?: needs="(service|cluster)")?', fence)
        assert marked, f'{page}: the fence ```{fence} is not known: python, or python needs="service" or "cluster"'
        yield marked[1], "\n" * text.count("\n", 0, found.start("code")) + found["code"]
