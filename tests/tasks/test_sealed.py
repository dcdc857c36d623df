"""The seal breaks once, in one process and across processes."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from luthier.errors import SealBroken
from luthier.tasks import SealedTest


def contents():
    return [1.0, 2.0]


def test_the_seal_breaks_once():
    sealed = SealedTest(contents, 2, what="episodes")
    assert (repr(sealed), len(sealed), sealed.is_open) == ("SealedTest(2 episodes, sealed)", 2, False)
    assert sealed.open("final check") == [1.0, 2.0]
    assert sealed.is_open and "opened" in repr(sealed)
    with pytest.raises(SealBroken, match=r"in this process \(final check\)"):
        sealed.open("one more look")
    assert sealed.open("one more look", again=True) == [1.0, 2.0]


def test_nothing_is_made_before_it_is_opened():
    made = []
    sealed = SealedTest(lambda: made.append(1), 1)
    assert not made
    sealed.open("final check")
    assert made == [1]


def test_a_marker_holds_across_objects(tmp_path):
    marker = tmp_path / "run" / "opened.jsonl"
    sealed = SealedTest(contents, 2, what="patients")
    marked = sealed.marked(marker)
    assert (marked.what, len(marked), marked.is_open) == ("patients", 2, False)
    marked.open("final check")
    assert not sealed.is_open
    another = pickle.loads(pickle.dumps(sealed)).marked(str(marker))
    assert another.is_open
    with pytest.raises(SealBroken, match="final check"):
        another.open("by accident")
    another.open("a typing error in the report", again=True)
    lines = [json.loads(line) for line in marker.read_text().splitlines()]
    assert [line["reason"] for line in lines] == ["final check", "a typing error in the report"]


def test_one_of_several_opens_it(tmp_path):
    def attempt(marker, _):
        try:
            return SealedTest(contents, 2, marker=marker).open("final check")
        except SealBroken:
            return None

    for i in range(10):
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(partial(attempt, tmp_path / f"{i}.jsonl"), range(8)))
        assert sum(x is not None for x in found) == 1
