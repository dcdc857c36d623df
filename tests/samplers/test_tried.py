"""The same configuration or another: whatever the space, and after any way to the objective and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.history import History
from luthier.samplers.tried import Tried, marks, marks_of_trials
from luthier.space import Choice, Float, Int, Ordinal, Space
from luthier.testing.samplers import HISTORIES, SPACES, history_of, spaces
from luthier.trial import TrialRecord, TrialState

NAN = np.nan


def text(configuration):
    return json.dumps(configuration, sort_keys=True)


@given(spaces(), st.integers(1, 60), st.integers(0, 999))
@settings(deadline=None, max_examples=100)
def test_rows_are_the_same_where_their_configurations_are(space, n, seed):
    X = space.sample(np.random.default_rng(seed), n)
    configurations = space.decode(X)
    found = marks(space.encode(configurations)).tolist()
    assert found == marks(space.snap(X)).tolist()
    assert len(set(found)) == len(set(map(text, configurations)))
    assert len(set(zip(found, map(text, configurations), strict=True))) == len(set(found))


@pytest.mark.parametrize("name", SPACES)
def test_a_row_is_known_after_a_round_trip(name):
    space = SPACES[name]
    X = space.sample(np.random.default_rng(0), 100)
    there = space.encode(space.decode(X))
    assert Tried(there).among(space.encode(space.decode(there))).all()
    assert Tried(there).among(space.encode(space.decode(space.snap(X)))).all()
    if name != "extreme numbers":  # where a range has a handful of doubles, coordinates have more
        assert Tried(there).among(space.snap(X)).all()


@pytest.mark.parametrize("size", [2, 8, 100, 512, 1000, 1024, 4096])
def test_no_value_of_a_grid_lies_between_two_grains(size):
    """Bin centres such as (k + 1/2) / 512 are halves of a billionth: rounding must not part what is the same."""
    X = ((np.arange(size) + 0.5) / size)[:, None]
    for other in (np.nextafter(X, 0), np.nextafter(X, 1), X * (1 + 4e-16), X - 1e-15):
        np.testing.assert_array_equal(marks(X), marks(other))
    assert len(set(marks(X).tolist())) == size


def test_points_are_the_same_to_a_billionth():
    X = np.array([[0.25, NAN], [0.25 + 1e-13, -NAN], [0.25 + 1e-8, NAN], [0.25, 0.0], [0.25, -1e-15]])
    a, b, c, d, e = marks(X).tolist()
    assert a == b
    assert d == e
    assert len({a, c, d}) == 3
    assert marks(X[:0]).tolist() == []


def test_columns_are_not_mixed_up():
    X = np.array([[0.1, 0.2, NAN], [0.2, 0.1, NAN], [NAN, 0.1, 0.2], [0.1, NAN, 0.2], [0.0, 0.3, NAN], [NAN] * 3])
    assert len(set(marks(X).tolist())) == 6


def test_a_million_points_of_a_lattice_have_marks_of_their_own():
    side = (np.arange(100) + 0.5) / 100
    X = np.stack([axis.ravel() for axis in np.meshgrid(side, side, np.arange(100.0))], axis=1)
    assert len(np.unique(marks(X))) == len(X)


def test_numbers_far_outside_the_range():
    X = np.array([[1e290], [-1e290], [np.inf], [-np.inf], [1e30], [5.0], [NAN], [1.7e308], [-1.7e308]])
    assert len(set(marks(X[:7]).tolist())) == 7
    assert Tried(X).among(X).all()


def test_the_rows_stay_as_they_were():
    X = np.array([[0.3, NAN], [-0.0, 1.0]])
    before = X.copy()
    Tried(X).among(X)
    np.testing.assert_array_equal(X, before)


def test_a_set_does_not_change():
    first = Tried(np.array([[0.1]]))
    second = first.with_rows(np.array([[0.2], [0.1]]))
    probes = np.array([[0.1], [0.2], [0.3]])
    assert first.among(probes).tolist() == [True, False, False]
    assert second.among(probes).tolist() == [True, True, False]
    assert np.array([0.2]) in second and np.array([0.2]) not in first


@pytest.mark.parametrize("d", [0, 1, 3])
def test_an_empty_set(d):
    none = Tried(np.empty((0, d)))
    assert none.among(np.full((2, d), 0.5)).tolist() == [False, False]
    assert none.among(np.empty((0, d))).tolist() == []
    assert none.with_rows(np.full((1, d), 0.5)).among(np.full((2, d), 0.5)).tolist() == [True, True]


@pytest.mark.parametrize("name", ["mixed", "conditional", "odd names", "no parameter"])
def test_marks_of_trials_are_those_of_their_rows(name):
    history = history_of(SPACES[name], 20)
    assert marks_of_trials(history, range(20)) == marks(history.X).tolist()
    assert marks_of_trials(history, []) == []


def test_what_the_space_does_not_know_counts_by_its_text():
    space = Space({"c": Choice(["a", "b"]), "o": Ordinal([1, 2]), "n": Int(1, 9), "x": Float(0, 1)})
    known = {"c": "a", "o": 1, "n": 3, "x": 0.5}
    params = [known, {**known, "c": "z"}, {**known, "c": "y"}, {**known, "more": 1}, {**known, "more": 2}]
    params += [{}, {"other": 1}, {"other": 2}, {**known, "x": 0.5 + 1e-14}, {"more": 1, **known}]
    history = History(space)
    history.put(TrialRecord(i, TrialState.COMPLETE, p, (0.0,)) for i, p in enumerate(params))
    found = marks_of_trials(history, range(10))
    assert len(set(found[:8])) == 8
    assert found[8] == found[0]
    assert found[9] == found[3]


def test_repeated_trials_are_one():
    history = HISTORIES["repeated"](SPACES["mixed"])
    assert len(set(marks_of_trials(history, range(len(history))))) == 1
