"""The scalar maps give exactly what the maps on columns give."""

from __future__ import annotations

import pickle

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.space import Choice, Float, Int, Ordinal, Space
from luthier.space.domain import replace_when

UNIT = st.floats(0, 1)
BOUND = st.floats(-1e6, 1e6)


@st.composite
def domains(draw: st.DrawFn) -> Float | Int | Choice | Ordinal:
    kind = draw(st.sampled_from(["float", "log", "step", "int", "int log", "int step", "choice", "ordinal"]))
    if kind == "log":
        low, high = sorted((draw(st.floats(1e-8, 1e6)), draw(st.floats(1e-8, 1e6))))
        return Float(low, high, log=True)
    if kind in ("float", "step"):
        low, high = sorted((draw(BOUND), draw(BOUND)))
        return Float(low, high, step=draw(st.floats(1e-2, 1e3)) if kind == "step" else None)
    if kind.startswith("int"):
        low, high = sorted((draw(st.integers(1, 5000)), draw(st.integers(1, 5000))))
        return Int(low, high, log=kind == "int log", step=draw(st.integers(1, 7)) if kind == "int step" else 1)
    labels = [f"c{i}" for i in range(draw(st.integers(1, 6)))]
    return Choice(labels) if kind == "choice" else Ordinal(labels)


@given(domains(), UNIT)
@settings(deadline=None, max_examples=300)
def test_value_is_decode(domain: Float | Int | Choice | Ordinal, u: float) -> None:
    if isinstance(domain, Choice):
        u = float(round(u * (domain.size - 1)))
    expected = domain.decode(np.array([u]))[0]
    if isinstance(domain, Choice | Ordinal):
        expected = domain.labels[int(expected)]
    assert domain.value(u) == expected


@given(st.lists(domains(), min_size=1, max_size=5), st.data())
@settings(deadline=None, max_examples=200)
def test_decode_one_is_decode_of_from_unit(some: list[Float | Int | Choice | Ordinal], data: st.DataObject) -> None:
    parameters = {f"p{i}": domain for i, domain in enumerate(some)}
    if data.draw(st.booleans()):
        parameters = {"parent": Choice(["on", "off"]), "child": Float(0, 1, when={"parent": "on"}), **parameters}
    space = Space(parameters)
    u = np.array(data.draw(st.lists(UNIT, min_size=len(space), max_size=len(space))))
    assert space.decode_one(u) == space.decode(space.from_unit(u[None, :]))[0]


PARENTS = [
    Choice(["a", "b", "c"]),
    Ordinal([1, 2, 4, 8]),
    Int(1, 6),
    Int(2, 20, step=3),
    Int(1, 30, log=True),
    Float(0, 0.5, step=0.1),
    Int(3, 3),
]


@given(st.lists(st.sampled_from(PARENTS), min_size=1, max_size=3), st.data())
@settings(deadline=None, max_examples=200)
def test_decode_one_where_values_of_any_kind_decide(
    parents: list[Float | Int | Choice | Ordinal], data: st.DataObject
) -> None:
    parameters: dict[str, Float | Int | Choice | Ordinal] = {}
    for i, parent in enumerate(parents):  # each is there if the one before has some of its values
        when = None
        if i:
            before = parents[i - 1]
            values = [before.value(u) for u in (np.arange(before.size) + 0.5) / before.size]  # type: ignore[arg-type,operator]
            if isinstance(before, Choice):
                values = list(before.labels)
            when = {f"p{i - 1}": tuple(data.draw(st.lists(st.sampled_from(values), min_size=1, unique=True)))}
        parameters[f"p{i}"] = replace_when(parent, when)
    parameters = {"always": Float(-1, 1), **dict(reversed(parameters.items()))}  # children may come before parents
    space = Space(parameters)
    u = np.array(data.draw(st.lists(UNIT, min_size=len(space), max_size=len(space))))
    one = space.decode_one(u)
    assert one == space.decode(space.from_unit(u[None, :]))[0]
    assert list(one) == [name for name in space.names if name in one]


def test_a_space_that_was_used_can_be_pickled() -> None:
    space = Space({"a": Float(0, 1), "b": Int(1, 9, log=True), "c": Choice(["x", "y"]), "d": Ordinal([1, 2])})
    point = np.full(4, 0.7)
    assert pickle.loads(pickle.dumps(space)).decode_one(point) == space.decode_one(point)
