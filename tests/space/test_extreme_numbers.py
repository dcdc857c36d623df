"""Ranges with huge, tiny and decimal numbers: every value is one of the range, and is found again."""

import json
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.errors import SpaceError
from luthier.space import Float, Int, Space, domain_from_json, domain_to_json
from luthier.space.partial import agrees

HUGE = [
    Int(0, 2**63 - 1),
    Int(-(2**63), 2**63 - 1),
    Int(0, 2**64),
    Int(2**62, 2**62 + 10),
    Int(-(2**62) - 10, -(2**62)),
    Int(2**53 - 3, 2**53 + 3),
    Int(0, 2**52 - 1),
    Int(0, 10**300, step=10**299),
    Int(1, 2**70, log=True),
    Int(2**60, 2**60 + 5, log=True),
    Float(-1e308, 1e308),
    Float(-1.7e308, 1.7e308, step=1e307),
    Float(5e-324, 1.7976931348623157e308, log=True),
    Float(1e300, 1.0000000000000002e300, log=True),
    Float(1e15, 1e15 + 0.75),
    Float(0, 5e-324),
    Float(0, 1, step=1e-20),
    Float(0, 1e-300, step=1e-301),
]


@pytest.mark.parametrize("domain", HUGE, ids=repr)
def test_values_are_inside_and_the_ends_are_reached(domain):
    assert domain.at(0.0) == domain.low
    assert domain.at(1.0) == domain.high
    for u in np.linspace(0, 1, 101).tolist():
        value = domain.at(u)
        assert domain.check(value) == value
        assert type(value) is (int if isinstance(domain, Int) else float)
        assert float(value) == domain.decode(np.array([u]))[0]
    assert math.isnan(domain.decode(np.array([np.nan]))[0]) or domain.size == 1


@pytest.mark.parametrize("domain", HUGE, ids=repr)
def test_encoding_undoes_decoding_up_to_the_resolution_of_a_coordinate(domain):
    values = [domain.at(u) for u in np.linspace(0, 1, 101).tolist()]
    coordinates = domain.encode(values)
    assert (coordinates >= 0).all() and (coordinates <= 1).all()
    for value, again in zip(values, map(domain.at, coordinates.tolist()), strict=True):
        size = abs(value) if domain.on_log_scale else max(abs(domain.low), abs(domain.high))
        assert abs(again - value) <= (0 if (domain.size or 2**99) <= 2**52 else 1e-12 * size + 5e-324)


@pytest.mark.parametrize("low", [0, 2**53 - 5, 2**62, 2**63 - 4, -(2**64)])
def test_ten_whole_numbers_are_ten_wherever_they_lie(low):
    domain = Int(low, low + 9)
    assert sorted({domain.at(u) for u in np.linspace(0, 1, 200).tolist()}) == list(range(low, low + 10))
    values = list(range(low, low + 10))
    assert [domain.at(u) for u in domain.encode(values).tolist()] == values
    assert Space({"x": domain}).check({"x": low + 7}) == {"x": low + 7}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Int(0, 10**400), "a whole number of 1329 bits|1e300"),
        (lambda: Float(0, 10**400), "1e300"),
        (lambda: Int(0, 10**5000), "whole number of 16610 bits"),
        (lambda: Int(0, 9).check(10**5000), "outside"),
        (lambda: Int(0, 9).check(math.inf), "not a whole number"),
        (lambda: Int(0, 9).check(math.nan), "not a whole number"),
        (lambda: Float(0, 9).check(math.nan), "outside"),
        (lambda: Float(0, 9).check(10**400), "outside"),
        (lambda: Float(0, 1, default="x"), "'x' is not a number"),
    ],
)
def test_what_no_float_can_hold_is_refused(make, message):
    with pytest.raises(SpaceError, match=message):
        make()


def test_decimal_steps_give_the_decimals_that_people_write():
    values = [Float(0, 1, step=0.1).at(u) for u in (np.arange(11) + 0.5) / 11]
    assert values == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert Float(0, 1, step=0.1).decode((np.arange(11) + 0.5) / 11).tolist() == values
    assert [Float(1e-3, 5e-3, step=1e-3).at(u) for u in (0.1, 0.3, 0.5, 0.7, 0.9)] == [
        0.001,
        0.002,
        0.003,
        0.004,
        0.005,
    ]
    assert Float(-0.3, 0.3, step=0.1).at(0.5) == 0.0
    assert Float(0, 1, step=1 / 3).size == 4 and Float(0, 1, step=1 / 3).at(1.0) == 1.0
    assert Float(0, 1, step=1 / 11).size == 12 and Float(0, 1, step=1 / 11).at(1.0) == 1.0
    assert Float(0, 0.1 * 3, step=0.1).at(1.0) == 0.3
    assert Float(0, 0.7 + 0.1, step=0.1).at(1.0) <= 0.7 + 0.1
    assert Float(0, 1, step=0.3).at(1.0) == 0.9


def test_what_older_studies_stored_is_the_same_point():
    space = Space({"x": Float(0, 1, step=0.1)})
    assert (space.encode([{"x": 0.30000000000000004}]) == space.encode([{"x": 0.3}])).all()
    assert space.check({"x": 0.1 + 0.2}) == {"x": 0.3}
    assert space.check({"x": 0.35}) == {"x": 0.35}  # between two steps: as it was given
    assert agrees(space, {"x": 0.30000000000000004}, {"x": 0.3})
    assert not agrees(space, {"x": 0.4}, {"x": 0.3})


@st.composite
def lattices(draw):
    if draw(st.booleans()):
        low = draw(st.integers(-(2**70), 2**70))
        return Int(low, low + draw(st.integers(0, 400)), step=draw(st.integers(1, 9)))
    step = draw(st.sampled_from([0.1, 0.01, 1e-3, 0.25, 0.3, 2.5, 1 / 3, 1 / 7, 1e-7, 3e5]))
    low = draw(st.integers(-40, 40)) * draw(st.sampled_from([0.1, 1.0, 0.25, 1e-3]))
    return Float(low, low + draw(st.integers(0, 300)) * step + draw(st.sampled_from([0, step / 2])), step=step)


@settings(deadline=None, max_examples=300)
@given(lattices())
def test_there_are_exactly_size_values_each_at_its_own_coordinate(domain):
    centres = (np.arange(domain.size) + 0.5) / domain.size
    values = [domain.at(u) for u in centres.tolist()]
    assert len(set(values)) == domain.size
    assert values == sorted(values) and values[0] == domain.low and values[-1] <= domain.high
    assert domain.high - values[-1] < domain.step * 1.001
    assert [domain.check(x) for x in values] == values
    np.testing.assert_array_equal(domain.encode(values), centres)
    np.testing.assert_array_equal(domain.decode(centres), np.array(values, dtype=np.float64))
    assert domain_from_json(json.loads(json.dumps(domain_to_json(domain)))) == domain
    if isinstance(domain, Float) and len(repr(domain.step)) < 8 and len(repr(domain.low)) < 8:
        inner = values[:-1]
        assert inner == [float(Decimal(repr(domain.low)) + k * Decimal(repr(domain.step))) for k in range(len(inner))]


def test_a_condition_tells_neighbours_of_a_long_range_apart():
    space = Space({"seed": Int(0, 10**10), "x": Float(0, 1, when={"seed": 5})})
    assert space.active(space.encode([{"seed": 5}, {"seed": 6}]))[:, 1].tolist() == [True, False]
    space = Space({"id": Int(2**62, 2**62 + 9), "x": Float(0, 1, when={"id": (2**62 + 3,)})})
    assert (
        space.active(space.encode([{"id": 2**62 + k} for k in range(6)]))[:, 1].tolist()
        == [False] * 3 + [True] + [False] * 2
    )
