"""Parameters that are encoded and snapped at once: the same, to the last bit, as their domains do one by one."""

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


@given(st.lists(st.lists(st.floats(0, 1), min_size=len(SPACE), max_size=len(SPACE)), min_size=1, max_size=4), st.data())
def test_as_one_by_one(unit: list[list[float]], data: st.DataObject) -> None:
    X = SPACE.from_unit(np.array(unit))
    configurations = SPACE.decode(X)
    for configuration in configurations:
        for name in data.draw(st.sets(st.sampled_from(SPACE.names))):
            del configuration[name]
    found = SPACE.encode(configurations)
    for j, (name, domain) in enumerate(SPACE.parameters.items()):
        expected = [domain.encode([c[name]])[0] if name in c else math.nan for c in configurations]
        np.testing.assert_array_equal(found[:, j], expected, err_msg=name)
        snapped = [domain.snap(np.array([u]))[0] for u in X[:, j]]
        np.testing.assert_array_equal(SPACE.snap(X)[:, j], snapped, err_msg=name)


@pytest.mark.parametrize("value", [-7, 0, 10**6, 1e300, 10**400, -(10**400), math.inf])
def test_values_outside_a_range_as_one_by_one(value: Any) -> None:
    numbers = [name for name, x in DOMAINS.items() if isinstance(x, Float | Int)]
    for name in numbers:
        inside = {n: SPACE.parameters[n].value(0.5) for n in numbers if n != name}
        try:
            expected = DOMAINS[name].encode([value])[0]
        except OverflowError:
            continue  # no such coordinate
        (row,) = SPACE.encode([{**inside, name: value}])
        np.testing.assert_array_equal(row[SPACE.names.index(name)], expected, err_msg=name)
        rest = [SPACE.names.index(n) for n in inside]
        np.testing.assert_array_equal(row[rest], SPACE.encode([inside])[0][rest], err_msg=name)
