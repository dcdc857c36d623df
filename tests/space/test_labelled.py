"""Choices that are no JSON scalars: what an objective gets, what a store keeps, what comes back."""

import functools
import json

import pytest

from luthier.errors import SpaceError
from luthier.space import Choice, Ordinal, Space, domain_from_json, domain_to_json


def again(domain):
    return domain_from_json(json.loads(json.dumps(domain_to_json(domain))))


@pytest.mark.parametrize("kind", [Choice, Ordinal])
@pytest.mark.parametrize(
    "choices",
    [
        [(64,), (128, 64), ()],
        [[1, 2], (1, 2), "(3, 4)"],
        [(1, (2.5, [None, True])), ("a",)],
        {"small": (64,), "none": None, "one": 1, "kept": {"lr": 0.1, "sizes": (1, 2)}},
        [True, 1, 1.0, "1", None, (1,), (True,)],
    ],
)
def test_json_values_come_back_as_what_they_were(kind, choices):
    domain = kind(choices)
    loaded = again(domain)
    assert loaded == domain
    assert [repr(x) for x in loaded.values] == [repr(x) for x in domain.values]
    for value, label in zip(domain.values, domain.labels, strict=True):
        assert domain.restored(domain.stored(value)) is value
        assert loaded.stored(value) == label and repr(loaded.restored(label)) == repr(value)


def test_of_other_objects_the_label_comes_back():
    domain = again(Choice([int, (64,), {"a": 1}, functools.reduce]))
    assert domain.values == ("int", (64,), {"a": 1}, "reduce")
    assert domain.lacks_values_of(Choice([int, (64,), {"a": 1}, functools.reduce]))
    assert not domain.lacks_values_of(domain)


def test_what_older_stores_hold_is_read():
    assert domain_from_json({"type": "choice", "choices": ["(64,)", 3]}).values == ("(64,)", 3)


@pytest.mark.parametrize(
    "values", [[None], [{"set": [1]}, None], [{"tuple": 3}, None], [{"dict": [[1, 2, 3]]}, None], [{"is": [1]}, None]]
)
def test_values_that_are_none_are_refused(values):
    with pytest.raises(SpaceError):
        domain_from_json({"type": "choice", "choices": ["a", "b"], "values": values})


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (["(64,)", (64,)], r"'\(64,\)' and \(64,\) would both be stored as '\(64,\)': give labels"),
        ([(64,), (64,)], "is listed twice"),
        ([(lambda: 0,)], "no stable name"),
        ([{"a", "b"}], "no stable name"),
        ([10**400], "give it a label"),
        ({("a",): 1}, "the label .* is not a string or a number"),
        ([0.0, -0.0], "would both be stored as 0.0"),
    ],
)
def test_labels_that_would_not_do_are_refused(choices, message):
    with pytest.raises(SpaceError, match=message):
        Choice(choices)


def test_a_value_goes_before_the_label_it_would_have():
    domain = Choice({"(64,)": 1, "b": (64,)})
    assert domain.stored((64,)) == "b" and domain.stored("(64,)") == "(64,)"
    assert Choice({"small": [1, 2]}).stored([1, 2]) == "small"  # an equal list, as a worker has
    assert Choice({"small": [1, 2]}).stored("[1, 2]") == "small"  # what was queued before the choices were known


def test_a_space_restores_what_it_knows():
    space = Space({"units": Choice([(64,), (32, 32)])})
    assert space.restore({"units": "(64,)", "gone": 1}) == {"units": (64,), "gone": 1}
    assert space.restore({"units": "(8,)"}) == {"units": "(8,)"}
