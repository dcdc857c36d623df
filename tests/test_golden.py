"""The same seeds give the same studies as before, whatever the store: see golden/golden_suggestions.py."""

import json

import golden_suggestions as suggestions
import pytest


@pytest.fixture(scope="module")
def golden():
    return json.loads(suggestions.FILE.read_text())


def test_every_case_is_in_the_file(golden, tmp_path):
    assert set(golden) == {name.partition(" in ")[0] for name in suggestions.cases(tmp_path)}


@pytest.mark.parametrize("name", suggestions.cases(suggestions.FILE))
def test_the_suggestions_are_what_they_were(name, golden, tmp_path):
    assert suggestions.cases(tmp_path)[name]() == golden[name.partition(" in ")[0]]
