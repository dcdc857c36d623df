"""Encoding and snapping several columns, or one value, gives to the last bit what each domain gives for a column."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.space import Choice, Float, Int, Ordinal, Space

DOMAINS: dict[str, Any] = {
    "line": Float(-2, 3),
    "log": Float(1e-5, 1.0, log=True),
    "steps": Float(0, 1, step=0.1),
    "far": Float(1e9, 1e9 + 1),
    "one": Float(2, 2),
    "wide": Float(-1.7e308, 1.7e308),
    "wide steps": Float(-1.7e308, 1.7e308, step=1e307),
    "int": Int(-3, 9),
    "int steps": Int(0, 100, step=7),
    "int log": Int(1, 512, log=True),
    "another": Int(16, 17, log=True),
    "huge": Int(0, 2**63 - 1),
    "lone": Int(5, 5),
    "choice": Choice(["a", 1, True, None]),
    "only": Choice(["a"]),
    "ordinal": Ordinal([16, 32, 64]),
}
SPACE = Space(DOMAINS)
NUMBERS = [name for name, domain in DOMAINS.items() if isinstance(domain, Float | Int)]


@given(st.lists(st.lists(st.floats(0, 1), min_size=len(SPACE), max_size=len(SPACE)), min_size=1, max_size=4), st.data())
def test_as_one_by_one(unit: list[list[float]], data: st.DataObject) -> None:
    X = SPACE.from_unit(np.array(unit))
    configurations = SPACE.decode(X)
    for configuration in configurations:
        for name in data.draw(st.sets(st.sampled_from(SPACE.names))):
            del configuration[name]
    few, many = SPACE.encode(configurations), SPACE.encode(configurations * 9)
    np.testing.assert_array_equal(np.tile(few, (9, 1)), many)
    for j, (name, domain) in enumerate(SPACE.parameters.items()):
        expected = [domain.encode([c[name]])[0] if name in c else math.nan for c in configurations]
        np.testing.assert_array_equal(few[:, j], expected, err_msg=name)
        snapped = [domain.snap(np.array([u]))[0] for u in X[:, j]]
        np.testing.assert_array_equal(SPACE.snap(X)[:, j], snapped, err_msg=name)


@pytest.mark.parametrize("value", [-7, 0, 0.0, 1.5, True, None, "2.5", 2**60, 1e300, -1e300, math.inf, math.nan])
@pytest.mark.parametrize("name", NUMBERS)
def test_values_outside_a_range_whichever_way(name: str, value: Any) -> None:
    inside = {n: SPACE.parameters[n].value(0.5) for n in NUMBERS if n != name}
    configuration = {**inside, name: value}
    try:
        many = SPACE.encode([configuration] * 9)
    except (TypeError, ValueError, OverflowError) as error:
        with pytest.raises(type(error)):
            SPACE.encode([configuration])
    else:
        np.testing.assert_array_equal(np.tile(SPACE.encode([configuration]), (9, 1)), many)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_no_float_holds_whichever_way(name: str) -> None:
    for value in (10**400, -(10**400)):
        with pytest.MonkeyPatch.context() as patch:
            found = []
            for few in (0, 8):
                patch.setattr("luthier.space.encoding._FEW", few)
                try:
                    found.append(Space({name: DOMAINS[name]}).encode([{name: value}])[0, 0])
                except OverflowError:
                    found.append("no float")
        assert str(found[0]) == str(found[1])
