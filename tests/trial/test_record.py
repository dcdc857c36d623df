"""TrialRecord: every field holds what it was made with, and nothing changes it."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from luthier.trial import TrialRecord, TrialState

NAMES = [field.name for field in fields(TrialRecord)]


def test_every_field_is_its_argument() -> None:
    values = {name: object() for name in NAMES}
    for record in (TrialRecord(**values), TrialRecord(*values.values())):  # type: ignore[arg-type]
        assert {name: getattr(record, name) for name in NAMES} == values


def test_defaults_are_those_of_the_fields() -> None:
    record = TrialRecord(3, TrialState.WAITING)
    for field in fields(TrialRecord)[2:]:
        default = field.default_factory() if callable(field.default_factory) else field.default
        assert getattr(record, field.name) == default
    assert record.params is not TrialRecord(4, TrialState.WAITING).params


@pytest.mark.parametrize("name", NAMES)
def test_it_never_changes(name: str) -> None:
    record = TrialRecord(3, TrialState.WAITING)
    with pytest.raises(FrozenInstanceError):
        setattr(record, name, 1)
    with pytest.raises(FrozenInstanceError):
        delattr(record, name)


def test_copies_are_equal_and_changed_ones_are_not() -> None:
    record = TrialRecord(3, TrialState.COMPLETE, {"x": 0.5}, (1.0,), reports=((1, 2.0),), finished=2.0)
    assert replace(record) == record == pickle.loads(pickle.dumps(record))
    assert replace(record, retries=1) != record
