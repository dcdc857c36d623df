from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.errors import StorageError
from luthier.stores.codec import as_json, from_json, many_from_json, to_json

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


def no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


@settings(deadline=None, max_examples=200)
@given(values)
def test_everything_comes_back_from_strict_ascii_json(value: Any) -> None:
    text = to_json(value)
    json.loads(text, parse_constant=no_constant)
    assert text.isascii()
    assert repr(from_json(text)) == repr(value)  # repr: NaN is NaN, and 1 is not 1.0


@settings(deadline=None, max_examples=50)
@given(st.lists(values, max_size=5))
def test_many_are_as_one_by_one(some: list[Any]) -> None:
    assert repr(many_from_json(map(to_json, some))) == repr(some)


def test_numpy_scalars_are_numbers_and_tuples_lists() -> None:
    value = {"a": np.float32(0.5), "b": np.int64(3), "c": (np.bool_(True), np.float64("nan")), "d": np.float32("inf")}
    found = as_json(value)
    assert repr(found) == repr({"a": 0.5, "b": 3, "c": [True, math.nan], "d": math.inf})


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", {"a": [np.zeros(3)]}, {(1, 2): 3}])
def test_other_things_are_refused_with_a_hint(value: Any) -> None:
    with pytest.raises(StorageError, match=r"cannot be stored: .*str\(\.\.\.\)") as caught:
        to_json(value)
    assert caught.value.__cause__ is not None


def test_circles_are_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(StorageError, match="cannot be stored"):
        to_json(circle)
